/**
 * @param {string} tag
 * @param {string} [className]
 * @param {string | Node[]} [content]  text is always a text node, never markup
 */
export function element(tag, className = "", content = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (typeof content === "string") node.textContent = content;
  else node.append(...content);
  return node;
}

/** Runs `draw` at most once per frame; `now()` runs what is waiting at once. @param {() => void} draw */
export function oncePerFrame(draw) {
  let frame = 0;
  return {
    request() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    },
    now() {
      cancelAnimationFrame(frame);
      frame = 0;
      draw();
    },
  };
}

/** Says something to screen readers, once. @param {string} message */
export function announce(message) {
  document.getElementById("announcer").textContent = message;
}

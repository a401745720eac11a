/** Follows the newest text as long as the reader is at the end, and leaves those alone who scrolled up to read. */

const NEAR = 48;

/** @param {string} prefix */
export function startScrolling(prefix) {
  const scroller = document.getElementById(`${prefix}-scroller`);
  const button = document.getElementById(`${prefix}-to-end`);
  let following = true;
  let lastTop = 0;

  const toEnd = () => {
    scroller.scrollTop = scroller.scrollHeight;
  };
  scroller.addEventListener(
    "scroll",
    () => {
      const { scrollTop, scrollHeight, clientHeight } = scroller;
      // The text may have grown since we scrolled, so being far from the end does not mean that the reader left it; going up does.
      if (scrollHeight - scrollTop - clientHeight < NEAR) following = true;
      else if (scrollTop < lastTop) following = false;
      lastTop = scrollTop;
      button.hidden = following;
    },
    { passive: true },
  );
  button.addEventListener("click", () => {
    following = true;
    toEnd();
    scroller.focus();
  });
  // Text is added; or the text area below grows, and a phone's keyboard comes up. Called before the frame is painted.
  const observer = new ResizeObserver(() => following && toEnd());
  observer.observe(scroller);
  observer.observe(scroller.firstElementChild);

  return {
    focus: () => scroller.focus({ preventScroll: true }),
    /** After the reader did something whose result is at the end. */
    follow() {
      following = true;
      button.hidden = true;
      toEnd();
    },
  };
}

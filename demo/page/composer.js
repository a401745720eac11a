/** The text area and its one button, which sends, and stops while something is being answered. */

/**
 * @param {string} prefix
 * @param {{ label: string, keepText: boolean, send(text: string): void, stop(): void }} options
 */
export function startComposer(prefix, { label, keepText, send, stop }) {
  const form = document.getElementById(`${prefix}-form`);
  const input = document.getElementById(`${prefix}-input`);
  const button = document.getElementById(`${prefix}-send`);
  let busy = false;
  let ready = false;

  const grow = () => {
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight + input.offsetHeight - input.clientHeight}px`;
  };
  const show = () => {
    button.textContent = busy ? "Stop" : label;
    button.classList.toggle("stopping", busy);
    // Disabled only for what the eye sees: a disabled button would lose the keyboard's focus when the text is sent.
    button.setAttribute("aria-disabled", String(!busy && (!ready || input.value.trim() === "")));
  };
  const submit = () => {
    const text = keepText ? input.value : input.value.trim();
    if (busy || !ready || text.trim() === "") return;
    if (!keepText) {
      input.value = "";
      grow();
    }
    send(text);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy) stop();
    else submit();
  });
  input.addEventListener("input", () => {
    grow();
    show();
  });
  input.addEventListener("keydown", (event) => {
    // While an input method composes, Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  document.addEventListener("keydown", (event) => {
    const isShown = form.offsetParent !== null;
    if (event.key === "Escape" && busy && isShown && !event.isComposing) stop();
  });
  show();

  return {
    /** @param {boolean} value */
    setBusy(value) {
      busy = value;
      show();
    },
    setReady() {
      ready = true;
      show();
    },
    /** @param {string} text */
    sendText(text) {
      if (busy || !ready) return;
      if (keepText) {
        input.value = text;
        grow();
      }
      show();
      input.focus();
      send(text);
    },
    focus: () => input.focus(),
  };
}

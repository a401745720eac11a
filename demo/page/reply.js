/** One streamed reply on the page: its thoughts, text, figures, and what went wrong. */

import { announce, element, oncePerFrame } from "./dom.js";
import { Meter, showFigures } from "./figures.js";
import { showSpent } from "./money.js";
import { createMarkdownView } from "./markdown.js";
import { explain } from "./problems.js";

/**
 * @param {object} options
 * @param {boolean} options.markdown
 * @param {string} [options.provider]     the one asked for, until the answer says who answers
 * @param {() => boolean} options.retry    false: not now
 */
export function createReply({ markdown, provider, retry }) {
  const meter = new Meter();
  const content = element("div", `content ${markdown ? "prose" : "plain"} streaming`);
  const thoughts = element("p");
  const reasoning = element("details", "reasoning", [element("summary", "", "Reasoning"), thoughts]);
  const figures = element("dl", "figures");
  const root = element("div", "reply", [reasoning, content, figures]);
  root.setAttribute("aria-busy", "true");
  reasoning.hidden = true;
  announce(""); // The same words twice would not be said again.

  const view = markdown ? createMarkdownView(content) : { update: (text) => (content.textContent = text) };
  let text = "";
  let thought = "";
  let usage;
  let cost;
  let trace;
  let ending;
  let complete = false;

  const frame = oncePerFrame(() => {
    view.update(text, { complete });
    if (thought) {
      reasoning.hidden = false;
      thoughts.textContent = thought;
    }
    showFigures(figures, { meter, usage, provider, ending, cost, trace });
  });

  const end = (how) => {
    ending = how;
    content.classList.remove("streaming");
    root.removeAttribute("aria-busy");
    frame.now();
  };

  return {
    root,
    get text() {
      return text;
    },

    /** @param {string} name */
    answeredBy(name) {
      provider = name;
    },
    /** @param {string} more */
    addText(more) {
      meter.received(more);
      text += more;
      frame.request();
    },
    /** @param {string} more */
    addReasoning(more) {
      meter.received(more);
      thought += more;
      frame.request();
    },
    /** What the requests for it took. Of an answer that was stopped it is told a little later. @param {{ usage?: any, cost?: any }} record */
    billed(record) {
      usage ??= record.usage;
      cost ??= record.cost;
      showSpent();
      frame.request();
    },
    /** @param {{ usage?: any, provider?: string, ending?: string, cost?: any, trace?: any }} result */
    finish(result) {
      usage = result.usage;
      ({ cost, trace } = result);
      provider = result.provider ?? provider;
      complete = true;
      end(result.ending);
      if (text === "" && thought === "") content.append(element("p", "nothing", "The answer is empty."));
      announce(`Answer finished. ${text}`);
    },

    /** @param {any} [how]  the trace */
    stop(how) {
      trace = how;
      end("stopped by you");
      if (text === "") content.append(element("p", "nothing", "Stopped before the first word."));
      announce("Stopped.");
    },

    /** @param {unknown} error */
    fail(error) {
      usage = error?.usage;
      cost = error?.cost;
      trace = error?.trace;
      provider = error?.provider ?? provider;
      end(undefined);
      const { title, advice, details } = explain(error);
      const again = element("button", "secondary", "Try again");
      again.type = "button";
      again.addEventListener("click", () => {
        if (retry()) again.remove();
      });
      const rows = details.map(([name, value]) => element("div", "", [element("dt", "", name), element("dd", "", value)]));
      const kept = text === "" ? [] : [element("p", "", "The text above is what arrived.")];
      const problem = element("div", "problem", [
        element("p", "problem-title", title),
        element("p", "", advice),
        ...kept,
        element("div", "problem-actions", [again, element("details", "", [element("summary", "", "Details"), element("dl", "", rows)])]),
      ]);
      content.hidden = text === "";
      root.append(problem);
      announce(`${title} ${advice}`);
    },
  };
}

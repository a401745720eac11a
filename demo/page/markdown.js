/**
 * A small part of Markdown, built from DOM nodes only: paragraphs, headings, lists, code blocks, inline code, bold and italics.
 * What a model writes is never parsed as HTML.
 */

import { element } from "./dom.js";

/**
 * @typedef {{ kind: "paragraph" | "heading" | "code" | "list", source: string, ordered: boolean, start: number }} Block
 *   `source` is without the marks that make the block; a list has one item per line
 */

const FENCE = /^ {0,3}(```|~~~)/;
const BULLET = /^ {0,3}[-*+] +/;
const NUMBER = /^ {0,3}(\d{1,9})[.)] +/;
const HEADING = /^#{1,6} +/;

/** @param {string} text @returns {Block[]} */
export function splitBlocks(text) {
  /** @type {{ kind: Block["kind"], lines: string[], ordered: boolean, start: number }[]} */
  const blocks = [];
  /** The block that the next line may belong to. @type {typeof blocks[number] | undefined} */
  let open;
  let fence = "";
  const begin = (kind, lines, { ordered = false, start = 1 } = {}) => {
    open = { kind, lines, ordered, start };
    blocks.push(open);
  };

  for (const line of text.split("\n")) {
    const number = NUMBER.exec(line);
    if (fence) {
      if (!line.trim().startsWith(fence)) open.lines.push(line);
      else fence = "";
    } else if (FENCE.test(line)) {
      fence = FENCE.exec(line)[1];
      begin("code", []);
    } else if (line.trim() === "") {
      // A list goes on over an empty line if another item follows; that is decided when it does.
      if (open?.kind !== "list") open = undefined;
    } else if (HEADING.test(line)) {
      begin("heading", [line.replace(HEADING, "")]);
    } else if (number || BULLET.test(line)) {
      const item = line.replace(number ? NUMBER : BULLET, "");
      if (open?.kind === "list" && open.ordered === Boolean(number)) open.lines.push(item);
      else begin("list", [item], number ? { ordered: true, start: Number(number[1]) } : {});
    } else if (open?.kind === "list" && /^\s/.test(line)) {
      open.lines.push(`${open.lines.pop()} ${line.trim()}`);
    } else if (open?.kind === "paragraph") {
      open.lines.push(line);
    } else {
      begin("paragraph", [line]);
    }
  }
  return blocks.map(({ lines, ...block }) => ({ ...block, source: lines.join("\n") }));
}

// Bold before italics, code before both; none of them reaches over the end of its block.
const INLINE = /`([^`]+)`|\*\*(?=\S)(.+?)\*\*|\*(?=[^\s*])([^*]+?)\*(?![*\w])/su;

/** @param {string} source @returns {Node[]} */
function inline(source) {
  const nodes = [];
  for (let rest = source; rest !== ""; ) {
    const match = INLINE.exec(rest);
    if (!match) {
      nodes.push(document.createTextNode(rest));
      break;
    }
    if (match.index > 0) nodes.push(document.createTextNode(rest.slice(0, match.index)));
    const [whole, code, bold, italics] = match;
    if (code !== undefined) nodes.push(element("code", "", code));
    else if (bold !== undefined) nodes.push(element("strong", "", inline(bold)));
    else nodes.push(element("em", "", inline(italics)));
    rest = rest.slice(match.index + whole.length);
  }
  return nodes;
}

/** @param {Block} block @returns {HTMLElement} */
function render({ kind, source, ordered, start }) {
  switch (kind) {
    case "code": {
      const block = element("pre", "", [element("code", "", source)]);
      block.tabIndex = 0; // Wide code is scrolled by keyboard too.
      return block;
    }
    case "heading":
      return element("h3", "", inline(source));
    case "list": {
      const list = element(ordered ? "ol" : "ul", "", source.split("\n").map((item) => element("li", "", inline(item))));
      if (ordered && start !== 1) list.start = start;
      return list;
    }
    default:
      return element("p", "", inline(source));
  }
}

/** A mark still open at the end of an unfinished text is closed for the eye, so that it does not flicker. @param {string} source */
function closeMarks(source) {
  const outsideCode = source.replace(/`[^`]*`/g, "");
  if (outsideCode.includes("`")) return source.endsWith("`") ? source.slice(0, -1) : `${source}\``;
  // A mark that has only begun, or has nothing behind it yet, is left out until more is known.
  const shown = source.replace(/(^|[\s(])\*{1,3}$/, "$1");
  if (shown !== source) return shown;
  const isBoldOpen = outsideCode.split("**").length % 2 === 0;
  return isBoldOpen ? `${source.replace(/\*$/, "")}**` : source;
}

/** @param {HTMLElement} container */
export function createMarkdownView(container) {
  /** @type {string[]} */
  let shown = [];
  return {
    /** Draws the text; blocks that have not changed keep their nodes. @param {string} text @param {{ complete: boolean }} options */
    update(text, { complete }) {
      const blocks = splitBlocks(text);
      const last = blocks.at(-1);
      if (!complete && last && last.kind !== "code") last.source = closeMarks(last.source);
      const keys = blocks.map((block) => `${block.kind} ${block.ordered} ${block.start} ${block.source}`);
      let same = 0;
      while (same < keys.length && keys[same] === shown[same]) same++;
      while (container.children.length > same) container.lastElementChild.remove();
      container.append(...blocks.slice(same).map(render));
      shown = keys;
    },
  };
}

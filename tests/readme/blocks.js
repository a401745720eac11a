/** Finds the fenced blocks of a Markdown text and what is to be done with each. */

const languages = {
  ts: "ts",
  typescript: "ts",
  js: "js",
  javascript: "js",
  html: "html",
  sh: "sh",
  bash: "sh",
  text: "text",
};

/** Which languages each runtime takes. */
const runtimes = {
  node: ["ts", "js"],
  browser: ["ts", "js", "html"],
  workerd: ["ts", "js"],
  sh: ["sh"],
};

const fence = /^(?<indent> {0,3})(?<mark>`{3,}|~{3,})\s*(?<language>[\w+-]*)/;
const comment = /^\s*<!--\s*(?<text>(?:runs|types)\b.*?)\s*-->\s*$/;

function parseMarker(text) {
  // The body comes last: it may hold semicolons of its own.
  const [, words, body] = /^(.*?)(?:;\s*body:\s*(.*))?$/.exec(text);
  const marker = body === undefined ? {} : { body };
  for (const part of words.split(/;\s*/)) {
    const [, key, value = ""] = /^([a-z]+)\s*:?\s*(.*)$/.exec(part) ?? [];
    if (!["runs", "types", "with", "answers"].includes(key)) throw new Error(`unknown mark "${part}"`);
    marker[key] = value;
  }
  if ("runs" in marker && !(marker.runs in runtimes)) throw new Error(`unknown runtime "${marker.runs}"`);
  return marker;
}

/**
 * @typedef {object} Block
 * @property {number} line the line of the block's first line of code
 * @property {"ts" | "js" | "html" | "sh"} language
 * @property {string} code
 * @property {string} [runs] the runtime that runs it
 * @property {string[]} given the names that the block takes from the text around it
 * @property {string} [answers] how the fake services answer
 * @property {string} [body] what a worker is sent
 * @property {string} [output] what it must print
 */

/**
 * @param {string} markdown
 * @returns {{ blocks: Block[], problems: string[] }}
 */
export function findBlocks(markdown) {
  const blocks = [];
  const problems = [];
  const lines = markdown.split(/\r?\n/);
  let mark;
  let previous;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index];
    if (line.trim() === "") continue;
    const at = index + 1;
    const comments = comment.exec(line);
    if (comments) {
      if (mark) problems.push(`line ${mark.at}: no block follows the mark`);
      try {
        mark = { at, ...parseMarker(comments.groups.text) };
      } catch (error) {
        problems.push(`line ${at}: ${error.message}`);
      }
      continue;
    }
    const opening = fence.exec(line);
    if (!opening) {
      if (mark) problems.push(`line ${mark.at}: no block follows the mark`);
      mark = undefined;
      previous = undefined;
      continue;
    }

    const code = [];
    const closing = new RegExp(`^ {0,3}${opening.groups.mark[0]}{${opening.groups.mark.length},}\\s*$`);
    for (index += 1; index < lines.length && !closing.test(lines[index]); index += 1) {
      code.push(lines[index].slice(opening.groups.indent.length));
    }
    const language = languages[opening.groups.language.toLowerCase()];
    const text = `${code.join("\n")}\n`;
    if (language === "text" && previous?.runs) previous.output = text;
    previous = undefined;

    if (mark) {
      const { runs } = mark;
      if (runs !== undefined && !runtimes[runs].includes(language)) {
        problems.push(`line ${mark.at}: ${runs} cannot run ${opening.groups.language || "this"}`);
      } else if (runs === undefined && language !== "ts") {
        problems.push(`line ${mark.at}: only TypeScript has types to check`);
      } else {
        previous = {
          line: at + 1,
          language,
          code: text,
          runs,
          given: mark.with?.split(/,\s*/) ?? [],
          answers: mark.answers,
          body: mark.body,
        };
        blocks.push(previous);
      }
    } else if (["ts", "js"].includes(language)) {
      problems.push(`line ${at}: the block has no mark (<!-- runs: node -->, <!-- types -->, …)`);
    }
    mark = undefined;
  }
  if (mark) problems.push(`line ${mark.at}: no block follows the mark`);
  return { blocks, problems };
}

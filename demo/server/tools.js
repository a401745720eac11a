/** When to call a tool, and with what. The arguments follow the tool's own schema and are filled from the question. */

import { keywords } from "./text.js";

/**
 * @param {any} body @param {string} question @param {number} seed
 * @returns {{ id: string, name: string, arguments: string } | undefined}
 */
export function chooseToolCall(body, question, seed) {
  /** @type {any[]} */
  const offered = Array.isArray(body.tools) ? body.tools : [];
  const tools = offered.map((tool) => tool?.function).filter((f) => typeof f?.name === "string");
  const choice = body.tool_choice ?? "auto";
  if (tools.length === 0 || choice === "none") return undefined;
  const tool =
    choice === "required"
      ? tools[0]
      : typeof choice === "object"
        ? tools.find((f) => f.name === choice?.function?.name)
        : tools.find((f) => isAbout(f, question));
  if (!tool) return undefined;
  return { id: `call_${(seed >>> 0).toString(36)}`, name: tool.name, arguments: JSON.stringify(fill(tool.parameters, keywords(question, 8))) };
}

/** A tool is meant when the question holds a word of its name. @param {any} tool @param {string} question */
function isAbout(tool, question) {
  const asked = new Set(keywords(question, 50).map((word) => word.toLowerCase()));
  return tool.name.toLowerCase().split(/[^a-z0-9]+/).some((/** @type {string} */ word) => word.length > 3 && asked.has(word));
}

/** @param {any} schema @param {string[]} words @returns {unknown} */
function fill(schema, words) {
  if (Array.isArray(schema?.enum)) return schema.enum[0];
  switch (schema?.type) {
    case "number":
    case "integer":
      return 1;
    case "boolean":
      return true;
    case "array":
      return [fill(schema.items, words)];
    case "string":
      // Names and places are what questions are about, and they are mostly capitalised.
      return words.find((word, index) => index > 0 && /^\p{Lu}/u.test(word)) ?? words.at(-1) ?? "";
    default:
      return Object.fromEntries(Object.entries(schema?.properties ?? {}).map(([name, part]) => [name, fill(part, words)]));
  }
}

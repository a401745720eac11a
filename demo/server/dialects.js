/**
 * How each provider shapes its chat chunks. They all call it the OpenAI format, and no two send the same bytes:
 * the differences below are those seen in recorded answers.
 */

import { tokenId } from "./tokens.js";

/**
 * @typedef {object} Dialect
 * @property {"reasoning" | "reasoning_content"} reasoningKey
 * @property {"own-chunk" | "last-chunk"} usageIn  an extra chunk with `choices: []`, or the one that has the finish reason
 * @property {boolean} usageAlways                 sent even when the request does not ask for it
 * @property {boolean} opensWithRole               a first chunk that has a role and no text
 * @property {boolean} lastTextWithFinish          the last piece of text rides on the finish chunk
 * @property {boolean} wholeToolCall               a tool call comes in one delta
 * @property {boolean} doneMarker                  `data: [DONE]` at the end
 * @property {string} finishStop                   the word for a natural end
 * @property {Record<string, string>} headers
 * @property {(chunk: any, place: Place) => any} shape
 *
 * @typedef {{ first: boolean, last: boolean, seed: number, piece: string | undefined, requestId: string }} Place
 */

/** @type {Dialect} */
const OPENAI = {
  reasoningKey: "reasoning_content",
  usageIn: "own-chunk",
  usageAlways: false,
  opensWithRole: true,
  lastTextWithFinish: false,
  wholeToolCall: false,
  doneMarker: true,
  finishStop: "stop",
  headers: {},
  shape: (chunk) => chunk,
};

/** @type {Record<string, Partial<Dialect>>} */
const DIALECTS = {
  cerebras: {
    reasoningKey: "reasoning",
    usageIn: "last-chunk",
    usageAlways: true,
    doneMarker: false,
    shape(chunk, { last }) {
      const choices = chunk.choices.map((/** @type {any} */ { index, delta, finish_reason }) => ({
        delta,
        ...(finish_reason ? { finish_reason } : {}),
        index,
      }));
      return { ...chunk, choices, ...(last ? { time_info: { queue_time: 0.000093, total_time: 0.00704, created: chunk.created } } : {}) };
    },
  },
  cohere: { usageIn: "last-chunk", usageAlways: true },
  "fireworks-ai": { usageIn: "last-chunk", usageAlways: true, shape: (chunk) => ({ ...chunk, usage: chunk.usage ?? null }) },
  groq: {
    reasoningKey: "reasoning",
    usageIn: "last-chunk",
    usageAlways: true,
    wholeToolCall: true,
    shape(chunk, { first, last, seed, requestId }) {
      if (first) return { ...chunk, x_groq: { id: requestId, seed } };
      if (last) return { ...chunk, x_groq: { id: requestId, usage: { queue_time: 0.04, ...chunk.usage } } };
      return chunk;
    },
  },
  "hf-inference": {
    opensWithRole: false,
    shape(chunk) {
      const choices = chunk.choices.map((/** @type {any} */ choice) => ({
        ...choice,
        delta: { role: "assistant", content: "", ...choice.delta },
      }));
      return { ...chunk, id: "", system_fingerprint: "3.3.5-demo", choices };
    },
  },
  novita: {
    lastTextWithFinish: true,
    shape(chunk) {
      const content_filter_results = { hate: { filtered: false }, self_harm: { filtered: false }, sexual: { filtered: false }, violence: { filtered: false } };
      const choices = chunk.choices.map((/** @type {any} */ choice) => ({ ...choice, content_filter_results }));
      return { ...chunk, system_fingerprint: "", choices };
    },
  },
  together: {
    usageIn: "last-chunk",
    usageAlways: true,
    opensWithRole: false,
    finishStop: "eos",
    // Sent even on a 200, and therefore no sign of a limit.
    headers: { "retry-after": "2" },
    shape(chunk, { last, piece }) {
      const choices = chunk.choices.map((/** @type {any} */ choice) => ({
        index: choice.index,
        text: choice.delta.content ?? "",
        logprobs: null,
        finish_reason: choice.finish_reason,
        seed: last ? "{{seed}}" : null,
        delta: { token_id: piece === undefined ? 128_009 : tokenId(piece), role: "assistant", content: "", tool_calls: null, ...choice.delta },
      }));
      return { ...chunk, choices, usage: chunk.usage ?? null };
    },
  },
  "zai-org": {
    shape: (chunk, { first }) =>
      first ? chunk : { ...chunk, choices: chunk.choices.map((/** @type {any} */ c) => ({ ...c, delta: { role: "", ...c.delta } })) },
  },
};

/** @param {string} provider @returns {Dialect} */
export function dialectOf(provider) {
  return { ...OPENAI, ...(Object.hasOwn(DIALECTS, provider) ? DIALECTS[provider] : {}) };
}

/** together's seeds are u64 and do not fit a JavaScript number, so the digits are put into the text. @param {any} chunk */
export function serialize(chunk) {
  return JSON.stringify(chunk).replace('"{{seed}}"', "9313781139405380000");
}

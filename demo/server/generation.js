/** From a request to all it will say: the pieces to send, why they end, and what they count for. */

import { hash } from "./random.js";
import { composeAnswer, continueText } from "./text.js";
import { countTokens, tokenize } from "./tokens.js";
import { chooseToolCall } from "./tools.js";

/**
 * @typedef {object} Generation
 * @property {string[]} reasoning   pieces of thought, sent before the answer
 * @property {string[]} pieces      pieces of the answer
 * @property {{ id: string, name: string, arguments: string } | undefined} toolCall
 * @property {"stop" | "length" | "tool_calls"} finishReason
 * @property {boolean} stopped      a stop sequence ended it
 * @property {number} seed
 * @property {{ prompt_tokens: number, completion_tokens: number, total_tokens: number, completion_tokens_details?: { reasoning_tokens: number } }} usage
 */

/** The text of a message, whose content is a string or a list of parts. @param {any} message @returns {string} */
export function textOf(message) {
  const content = message?.content;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (part?.type === "text" ? String(part.text ?? "") : "")).join(" ");
}

/** @param {unknown} stop @returns {string[]} */
function stopSequences(stop) {
  const list = Array.isArray(stop) ? stop : [stop];
  return list.filter((entry) => typeof entry === "string" && entry !== "");
}

/** @param {string} text @param {string[]} stops @param {boolean} keep  TGI keeps the stop sequence, OpenAI's format drops it */
function cutAtStop(text, stops, keep) {
  let end = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (end < 0 || at + (keep ? stop.length : 0) < end)) end = at + (keep ? stop.length : 0);
  }
  return end < 0 ? { text, stopped: false } : { text: text.slice(0, end), stopped: true };
}

/** @param {any} body @param {number} fallback */
function seedOf(body, fallback) {
  const seed = body.seed;
  // A seed may be a u64, larger than a number holds exactly: its digits are hashed, not its value.
  return typeof seed === "number" || typeof seed === "string" ? hash(String(seed)) : fallback;
}

/** @param {unknown} value @returns {number | undefined} */
export const positive = (value) => (typeof value === "number" && value > 0 ? Math.floor(value) : undefined);

/**
 * @param {any} body        a chat completion request
 * @param {string} voice
 * @param {number} nextSeed used when the request brings no seed
 * @returns {Generation}
 */
export function generateChat(body, voice, nextSeed) {
  const messages = /** @type {any[]} */ (body.messages);
  const asked = messages.filter((message) => message?.role === "user").map(textOf);
  const question = asked.at(-1) ?? "";
  const last = messages.at(-1);
  const seed = seedOf(body, body.temperature === 0 ? hash(question) : nextSeed);
  const promptTokens = 3 + messages.reduce((sum, message) => sum + 4 + countTokens(textOf(message)), 0);
  const limit = positive(body.max_completion_tokens) ?? positive(body.max_tokens) ?? Infinity;

  const toolCall = last?.role === "tool" ? undefined : chooseToolCall(body, question, seed);
  if (toolCall) {
    return {
      reasoning: [],
      pieces: [],
      toolCall,
      finishReason: "tool_calls",
      stopped: false,
      seed,
      usage: usageOf(promptTokens, countTokens(toolCall.name + toolCall.arguments), 0),
    };
  }

  const composed = composeAnswer({
    question,
    earlier: asked.at(-2),
    toolResult: last?.role === "tool" ? textOf(last) : undefined,
    voice,
    seed: seed ^ hash(question),
  });
  const reasoning = tokenize(composed.reasoning).slice(0, limit);
  const { text, stopped } = cutAtStop(composed.text, stopSequences(body.stop), false);
  const whole = tokenize(text);
  const pieces = whole.slice(0, limit - reasoning.length);
  const cut = pieces.length < whole.length;
  return {
    reasoning,
    pieces,
    toolCall: undefined,
    finishReason: cut ? "length" : "stop",
    stopped: stopped && !cut,
    seed,
    usage: usageOf(promptTokens, reasoning.length + pieces.length, reasoning.length),
  };
}

/**
 * @param {{ prompt: string, maxTokens: number, stop: unknown, keepStop: boolean, seed: unknown, temperature?: unknown }} request
 * @param {number} nextSeed
 * @returns {Generation}
 */
export function generateContinuation({ prompt, maxTokens, stop, keepStop, seed: wanted, temperature }, nextSeed) {
  const seed = seedOf({ seed: wanted }, temperature === 0 ? hash(prompt) : nextSeed);
  const stops = stopSequences(stop);
  let text = "";
  /** @type {string[]} */
  let pieces = [];
  let stopped = false;
  for (const sentence of continueText({ prompt, seed: seed ^ hash(prompt) })) {
    ({ text, stopped } = cutAtStop(text + sentence, stops, keepStop));
    pieces = tokenize(text);
    if (stopped || pieces.length > maxTokens) break;
  }
  const cut = pieces.length > maxTokens;
  pieces = pieces.slice(0, maxTokens);
  return {
    reasoning: [],
    pieces,
    toolCall: undefined,
    finishReason: cut ? "length" : "stop",
    stopped: stopped && !cut,
    seed,
    usage: usageOf(countTokens(prompt), pieces.length, 0),
  };
}

/** @param {number} prompt @param {number} completion @param {number} reasoning */
function usageOf(prompt, completion, reasoning) {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(reasoning > 0 ? { completion_tokens_details: { reasoning_tokens: reasoning } } : {}),
  };
}

/**
 * The answers that are served to the clients: a role chunk, content chunks of about 280 bytes, a finish chunk, a chunk with
 * the usage, and `[DONE]`, as the router of Inference Providers sends them.
 *
 * @typedef {object} Answer
 * @property {string} text what a client must make of it
 * @property {string} wire the body, decoded
 * @property {number} size the body in bytes
 * @property {number} events those with content
 * @property {(cut: Cut) => Uint8Array[]} pieces the body, cut
 *
 * @typedef {number | "event" | "first"} Cut in pieces of so many bytes, one piece for each event, or the first two events (the role, and the
 * first token) before all the rest
 */

// Stretches of text as models emit them, line breaks and quotation marks included: those are escaped in JSON.
const ascii = " the| weather| is| mild| and| dry|,| with| a| light| wind| from| west|.| Temp|eratures| reach| 21| degrees|;| rain| may| follow| on| Sunday|.\n\n| -| \"quoted\"| clouds| morning| sun|shine".split("|");
// One token in 25, which is 4 %: accents of two bytes, ideographs of three, an emoji of four.
const others = [" déjà", "天気", " über", "😀", " naïve", "東京"];

/** @returns {string} the token at a place of an answer */
function tokenAt(index, charset) {
  if (charset === "mixed" && index % 25 === 24) return others[(index / 25 | 0) % others.length];
  // A step that shares no factor with the length visits all of them.
  return ascii[(index * 7 + (index >> 5)) % ascii.length];
}

const head = '{"id":"chatcmpl-5f0b1c9e7a2d4f6388b0c1d2e3f4a5b6","object":"chat.completion.chunk","created":1763700000,"model":"openai/gpt-oss-120b","system_fingerprint":"fp_bench0123456789",';
const choice = (delta, finish) => `data: ${head}"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]}\n\n`;
const content = (token) => choice(`{"content":${JSON.stringify(token)}}`, "null");
const done = "data: [DONE]\n\n";

/**
 * @param {{ events: number, charset: "ascii" | "mixed" }} options
 * @returns {Answer}
 */
export function makeAnswer({ events, charset }) {
  const tokens = Array.from({ length: events }, (_, index) => tokenAt(index, charset));
  const usage = `{"prompt_tokens":12,"completion_tokens":${events},"total_tokens":${events + 12}}`;
  const list = [choice('{"role":"assistant","content":""}', "null"), ...tokens.map(content), choice("{}", '"stop"'), `data: ${head}"choices":[],"usage":${usage}}\n\n`, done];
  return answerOf(tokens, list);
}

/**
 * The answer that consists of `tokens`, in the shortest events that a service sends.
 * @param {string[]} tokens
 * @returns {Answer}
 */
export function terseAnswer(tokens) {
  const event = (delta, finish) => `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]}\n\n`;
  return answerOf(tokens, [...tokens.map((token) => event(`{"content":${JSON.stringify(token)}}`, "null")), event("{}", '"stop"'), done]);
}

/** The same tokens in events of the usual length. */
export const usualAnswer = (tokens) => answerOf(tokens, [...tokens.map(content), choice("{}", '"stop"'), done]);

function answerOf(tokens, list) {
  const wire = list.join("");
  const bytes = new TextEncoder().encode(wire);
  return { text: tokens.join(""), wire, size: bytes.length, events: tokens.length, pieces: (cut) => cutAt(bytes, boundaries(list, bytes, cut)) };
}

/** Where the pieces end. */
function boundaries(list, bytes, cut) {
  if (typeof cut === "number") return Array.from({ length: Math.ceil(bytes.length / cut) }, (_, index) => Math.min((index + 1) * cut, bytes.length));
  const encoder = new TextEncoder();
  let end = 0;
  const ends = list.map((event) => (end += encoder.encode(event).length));
  return cut === "event" ? ends : [ends[1], bytes.length];
}

const cutAt = (bytes, ends) => ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));

/** The same answer for a call that asks for it in one piece. */
export function wholeAnswer({ text, events }) {
  return JSON.stringify({
    id: "chatcmpl-5f0b1c9e7a2d4f6388b0c1d2e3f4a5b6",
    object: "chat.completion",
    created: 1763700000,
    model: "openai/gpt-oss-120b",
    system_fingerprint: "fp_bench0123456789",
    choices: [{ index: 0, message: { role: "assistant", content: text }, logprobs: null, finish_reason: "stop" }],
    usage: { prompt_tokens: 12, completion_tokens: events, total_tokens: events + 12 },
  });
}

/**
 * A `fetch` that answers with prebuilt pieces, without a network.
 * @param {() => Uint8Array[]} piecesOf asked for each call
 * @param {"bytes"} [type] makes the body a byte stream, as the body of a real `fetch` is in Node; its pieces must then own their buffers
 */
export function replay(piecesOf, type) {
  return async () => {
    const pieces = piecesOf();
    let at = 0;
    const body = new ReadableStream({
      type,
      pull(controller) {
        if (at < pieces.length) controller.enqueue(pieces[at++]);
        else controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

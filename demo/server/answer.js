/** The course every answer takes, whatever its format: wait as the pace says, send, count, end or go wrong. */

import { Refusal } from "./exchange.js";
import { playFault, streamFaultOf } from "./faults.js";
import { createEventWriter, createPacer, EVENT_STREAM_HEADERS, pause } from "./stream.js";

/** @typedef {import("./exchange.js").Exchange} Exchange  @typedef {import("./generation.js").Generation} Generation */
/** @typedef {{ rate: number, latency: number }} Speed  tokens per second (0: no waiting), milliseconds before the first */

/** @param {number} pace @param {{ speed: number, latency: number }} [offer] @returns {Speed} */
export function speedOf(pace, offer = { speed: 1, latency: 250 }) {
  return pace > 0 ? { rate: pace * offer.speed, latency: offer.latency } : { rate: 0, latency: 0 };
}

/**
 * @param {Exchange} exchange
 * @param {object} answer
 * @param {Generation} answer.generation
 * @param {Speed} answer.speed
 * @param {string} answer.model              decides whether the stream goes wrong
 * @param {Record<string, string>} [answer.headers]
 * @param {string[]} [answer.opening]        events before the first token
 * @param {(piece: string, kind: "reasoning" | "text", index: number, last: boolean) => string | undefined} answer.event  undefined: the piece is held back for the closing events
 * @param {() => string[]} answer.closing
 */
export async function streamAnswer(exchange, { generation, speed, model, headers, opening = [], event, closing }) {
  const { response, signal, call } = exchange;
  const pacer = createPacer({ ...speed, signal });
  const writer = createEventWriter(response, signal);
  const fault = streamFaultOf(model);
  response.writeHead(200, { ...EVENT_STREAM_HEADERS, ...headers });
  response.flushHeaders();

  const pieces = [
    ...generation.reasoning.map((piece) => /** @type {const} */ (["reasoning", piece])),
    ...generation.pieces.map((piece) => /** @type {const} */ (["text", piece])),
  ];
  for (const [index, [kind, piece]] of pieces.entries()) {
    await pacer.next();
    if (index === 0) for (const data of opening) await writer.send(data);
    if (fault && index === fault.after) return playFault(fault.kind, exchange);
    const data = event(piece, kind, index, index === pieces.length - 1);
    if (data !== undefined) await writer.send(data);
    call.tokensSent++;
  }
  if (pieces.length === 0) {
    await pacer.next();
    for (const data of opening) await writer.send(data);
  }
  for (const data of closing()) await writer.send(data);
  call.finishReason = generation.finishReason;
  response.end();
}

/**
 * @param {Exchange} exchange
 * @param {{ generation: Generation, speed: Speed, model: string, headers?: Record<string, string>, body: string }} answer
 */
export async function wholeAnswer(exchange, { generation, speed, model, headers, body }) {
  const { response, signal, call } = exchange;
  const fault = streamFaultOf(model);
  const tokens = generation.usage.completion_tokens;
  if (speed.rate > 0) await pause(speed.latency + (1000 * tokens) / speed.rate, signal);
  if (fault?.kind === "stall") return playFault("stall", exchange);
  if (fault?.kind === "error") {
    throw new Refusal(424, { error: "Request failed during generation: CUDA out of memory", error_type: "generation" });
  }
  if (fault) {
    response.writeHead(200, { "content-type": "application/json" });
    await new Promise((resolve) => response.write(body.slice(0, body.length >> 1), resolve));
    return fault.kind === "break" ? exchange.cut() : void response.end();
  }
  exchange.sendText(200, body, { "content-type": "application/json", ...headers });
  call.tokensSent = tokens;
  call.finishReason = generation.finishReason;
}

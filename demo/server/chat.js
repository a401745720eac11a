/** `…/chat/completions`: a conversation in, one message out, whole or as a stream of chunks. */

import { speedOf, streamAnswer, wholeAnswer } from "./answer.js";
import { dialectOf, serialize } from "./dialects.js";
import { refuse } from "./exchange.js";
import { refusalOf } from "./faults.js";
import { generateChat } from "./generation.js";

/**
 * @param {import("./exchange.js").Exchange} exchange
 * @param {any} body
 * @param {{ model: import("./catalogue.js").Model, offer: import("./catalogue.js").Offer, pace: number, seed: number }} target
 */
export async function chat(exchange, body, { model, offer, pace, seed }) {
  const { call } = exchange;
  const dialect = dialectOf(offer.provider);
  const refusal = refusalOf(model.id);
  if (refusal) throw refusal;
  if (offer.status === "error") throw refuse(503, `Provider ${offer.provider} is failing its health checks for ${model.id}.`, { type: "unavailable_error" });
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    throw refuse(400, "`messages` must be a list with at least one message.", { param: "messages" });
  }
  const generation = generateChat(body, model.voice, seed);
  const speed = speedOf(pace, offer);
  call.stream = body.stream === true;

  const created = Math.floor(Date.now() / 1000);
  const id = `chatcmpl-${call.requestId}`;
  const finishReason = generation.finishReason === "stop" ? dialect.finishStop : generation.finishReason;

  if (!call.stream) {
    const { toolCall } = generation;
    const message = {
      role: "assistant",
      content: toolCall ? null : generation.pieces.join(""),
      ...(generation.reasoning.length > 0 ? { [dialect.reasoningKey]: generation.reasoning.join("") } : {}),
      ...(toolCall ? { tool_calls: [wireToolCall(toolCall)] } : {}),
    };
    const completion = {
      id,
      object: "chat.completion",
      created,
      model: offer.providerId,
      system_fingerprint: "demo",
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
      usage: generation.usage,
    };
    return wholeAnswer(exchange, { generation, speed, model: model.id, headers: dialect.headers, body: JSON.stringify(completion) });
  }

  let first = true;
  /** @param {any} delta @param {{ finish?: string, usage?: unknown, piece?: string }} [rest] */
  const chunk = (delta, { finish, usage, piece } = {}) => {
    const plain = {
      id,
      object: "chat.completion.chunk",
      created,
      model: offer.providerId,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish ?? null }],
      ...(usage ? { usage } : {}),
    };
    const place = { first, last: finish !== undefined, seed: generation.seed, piece, requestId: call.requestId };
    first = false;
    return serialize(dialect.shape(plain, place));
  };

  let heldBack = "";
  const wantsUsage = body.stream_options?.include_usage === true;
  const usageOnLast = dialect.usageIn === "last-chunk" && (wantsUsage || dialect.usageAlways);
  return streamAnswer(exchange, {
    generation,
    speed,
    model: model.id,
    headers: dialect.headers,
    opening: dialect.opensWithRole ? [chunk({ role: "assistant", content: "" })] : [],
    event(piece, kind, _index, last) {
      if (last && kind === "text" && dialect.lastTextWithFinish) {
        heldBack = piece;
        return undefined;
      }
      return chunk(kind === "text" ? { content: piece } : { [dialect.reasoningKey]: piece }, { piece });
    },
    closing() {
      const events = generation.toolCall ? toolCallDeltas(generation.toolCall, dialect.wholeToolCall).map((delta) => chunk(delta)) : [];
      events.push(chunk(heldBack ? { content: heldBack } : {}, { finish: finishReason, usage: usageOnLast ? generation.usage : undefined }));
      if (wantsUsage && !usageOnLast) {
        events.push(JSON.stringify({ id, object: "chat.completion.chunk", created, model: offer.providerId, choices: [], usage: generation.usage }));
      }
      if (dialect.doneMarker) events.push("[DONE]");
      return events;
    },
  });
}

/** @param {{ id: string, name: string, arguments: string }} toolCall */
const wireToolCall = ({ id, name, arguments: text }) => ({ id, type: "function", function: { name, arguments: text } });

/** @param {{ id: string, name: string, arguments: string }} toolCall @param {boolean} whole */
function toolCallDeltas(toolCall, whole) {
  if (whole) return [{ tool_calls: [{ index: 0, ...wireToolCall(toolCall) }] }];
  const fragments = toolCall.arguments.match(/[\s\S]{1,6}/gu) ?? [];
  return [
    { tool_calls: [{ index: 0, ...wireToolCall({ ...toolCall, arguments: "" }) }] },
    ...fragments.map((fragment) => ({ tool_calls: [{ index: 0, function: { arguments: fragment } }] })),
  ];
}

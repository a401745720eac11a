/** `…/completions`: OpenAI's older format, a prompt in and its continuation out. */

import { speedOf, streamAnswer, wholeAnswer } from "./answer.js";
import { Refusal, refuse } from "./exchange.js";
import { refusalOf } from "./faults.js";
import { generateContinuation, positive } from "./generation.js";

const DEFAULT_MAX_TOKENS = 100;
const MAX_TOKENS = 8_192;

/**
 * @param {import("./exchange.js").Exchange} exchange
 * @param {any} body
 * @param {{ modelId: string, provider?: string, offer?: import("./catalogue.js").Offer, pace: number, seed: number }} target
 */
export async function completions(exchange, body, { modelId, provider, offer, pace, seed }) {
  const { call } = exchange;
  const refusal = refusalOf(modelId);
  if (refusal) throw refusal;
  const prompt = Array.isArray(body.prompt) && body.prompt.length === 1 ? body.prompt[0] : body.prompt;
  if (typeof prompt !== "string") throw refuse(400, "`prompt` must be a string, or a list of one.", { param: "prompt" });
  if (body.suffix) throw new Refusal(422, { error: "Suffix is not supported and can be achieved by preprocessing the prompt.", error_type: "suffix not supported" });
  const maxTokens = positive(body.max_tokens) ?? DEFAULT_MAX_TOKENS;
  if (maxTokens > MAX_TOKENS) throw refuse(400, `\`max_tokens\` must be <= ${MAX_TOKENS}.`, { param: "max_tokens" });
  const generation = generateContinuation(
    { prompt, maxTokens, stop: body.stop, keepStop: false, seed: body.seed, temperature: body.temperature },
    seed,
  );
  const speed = speedOf(pace, offer);
  call.stream = body.stream === true;

  // together calls a natural end "eos" in this format too.
  const finish = provider === "together" && generation.finishReason === "stop" && !generation.stopped ? "eos" : generation.finishReason;
  const head = { id: `cmpl-${call.requestId}`, object: "text_completion", created: Math.floor(Date.now() / 1000), model: offer?.providerId ?? modelId };

  if (!call.stream) {
    const choice = { index: 0, text: generation.pieces.join(""), logprobs: null, finish_reason: finish };
    return wholeAnswer(exchange, { generation, speed, model: modelId, body: JSON.stringify({ ...head, choices: [choice], usage: generation.usage }) });
  }
  const wantsUsage = body.stream_options?.include_usage === true;
  /** @param {string} text @param {string | null} finishReason */
  const chunk = (text, finishReason) => JSON.stringify({ ...head, choices: [{ index: 0, text, logprobs: null, finish_reason: finishReason }] });
  return streamAnswer(exchange, {
    generation,
    speed,
    model: modelId,
    event: (piece) => chunk(piece, null),
    closing: () => [
      chunk("", finish),
      ...(wantsUsage ? [JSON.stringify({ ...head, choices: [], usage: generation.usage })] : []),
      "[DONE]",
    ],
  });
}

/** Text Generation Inference's own routes: `/generate`, `/generate_stream`, and `/`, which is either of the two. */

import { speedOf, streamAnswer, wholeAnswer } from "./answer.js";
import { Refusal } from "./exchange.js";
import { generateContinuation } from "./generation.js";
import { countTokens, tokenId, tokenLogprob, tokenize } from "./tokens.js";

const DEFAULT_MAX_NEW_TOKENS = 100;
const MAX_TOTAL_TOKENS = 8_192;
const END_OF_SEQUENCE = { id: 2, text: "</s>", logprob: -0.01, special: true };

/** @param {string} text */
const token = (text) => ({ id: tokenId(text), text, logprob: tokenLogprob(text), special: false });

/** @param {string} message */
const invalid = (message) => new Refusal(422, { error: `Input validation error: ${message}`, error_type: "validation" });

/**
 * @param {import("./exchange.js").Exchange} exchange
 * @param {any} body
 * @param {{ stream: boolean, arrayOfOne: boolean, offer?: import("./catalogue.js").Offer, pace: number, seed: number }} target
 */
export async function generate(exchange, body, { stream, arrayOfOne, offer, pace, seed }) {
  const { call, response } = exchange;
  call.stream = stream;
  if (typeof body.inputs !== "string") {
    throw new Refusal(422, "Failed to deserialize the JSON body into the target type: missing field `inputs` at line 1 column 2");
  }
  const parameters = body.parameters ?? {};
  const maxTokens = parameters.max_new_tokens ?? DEFAULT_MAX_NEW_TOKENS;
  if (body.inputs === "") throw invalid("`inputs` cannot be empty");
  if (!Number.isInteger(maxTokens) || maxTokens < 1) throw invalid("`max_new_tokens` must be strictly positive");
  if (countTokens(body.inputs) + maxTokens > MAX_TOTAL_TOKENS) {
    throw invalid(`\`inputs\` tokens + \`max_new_tokens\` must be <= ${MAX_TOTAL_TOKENS}`);
  }
  if (parameters.stop?.length > 4) throw invalid("`stop` supports up to 4 stop sequences");
  if (stream && (parameters.best_of ?? 1) !== 1) throw invalid("`best_of` != 1 is not supported when streaming tokens");
  if (stream && parameters.decoder_input_details) throw invalid("`decoder_input_details` == true is not supported when streaming tokens");

  const generation = generateContinuation(
    { prompt: body.inputs, maxTokens, stop: parameters.stop, keepStop: true, seed: parameters.seed, temperature: parameters.temperature },
    seed,
  );
  const speed = speedOf(pace, offer);
  const text = (parameters.return_full_text ? body.inputs : "") + generation.pieces.join("");
  const finishReason = generation.finishReason === "length" ? "length" : generation.stopped ? "stop_sequence" : "eos_token";
  const counts = { finish_reason: finishReason, generated_tokens: generation.pieces.length, seed: parameters.seed ?? null };

  if (!stream) {
    const details = {
      ...counts,
      prefill: parameters.decoder_input_details ? tokenize(body.inputs).map(token) : [],
      tokens: generation.pieces.map(token),
    };
    const whole = { generated_text: text, ...(parameters.details ? { details } : {}) };
    return wholeAnswer(exchange, {
      generation,
      speed,
      model: "",
      headers: {
        "x-compute-type": "demo",
        "x-prompt-tokens": String(generation.usage.prompt_tokens),
        "x-generated-tokens": String(generation.pieces.length),
      },
      body: JSON.stringify(arrayOfOne ? [whole] : whole),
    });
  }

  response.setHeader("x-compute-type", "demo");
  // Only the last event has the text, and the details if asked for. There is no [DONE].
  const end = {
    generated_text: text,
    details: parameters.details ? { ...counts, input_length: generation.usage.prompt_tokens } : null,
  };
  return streamAnswer(exchange, {
    generation,
    speed,
    model: "",
    event: (piece, _kind, index, last) => {
      const ends = last && finishReason !== "eos_token";
      return JSON.stringify({ index: index + 1, token: token(piece), ...(ends ? end : { generated_text: null, details: null }) });
    },
    closing: () =>
      finishReason === "eos_token" ? [JSON.stringify({ index: generation.pieces.length + 1, token: END_OF_SEQUENCE, ...end })] : [],
  });
}

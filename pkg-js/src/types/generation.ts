/**
 * Text generation in the shapes of Text Generation Inference (TGI), with the wire's own names.
 *
 * Servers that only speak the OpenAI completions route get and give these same shapes: the client
 * maps both ways, and what such a server does not tell is `null` or absent.
 */

import type { ProviderFields } from "./chat.js";

// Request

/**
 * A text to continue.
 *
 * @example
 * ```ts
 * const request: TextGenerationRequest = {
 *   inputs: "Once upon a time",
 *   parameters: { max_new_tokens: 50, temperature: 0.7 },
 * };
 * ```
 */
export interface TextGenerationRequest extends ProviderFields {
  /** The text to continue, sent as it is: no chat template is applied. */
  inputs: string;

  /** How to continue it. */
  parameters?: TextGenerationParameters | undefined;

  /**
   * The model's Hugging Face id. A dedicated endpoint needs none.
   *
   * @default the client's `model`
   */
  model?: string | undefined;
}

/**
 * How to continue a text. All of these are known to TGI; providers with an OpenAI completions
 * route know `max_new_tokens` (sent as `max_tokens`), `temperature`, `top_p`, `frequency_penalty`,
 * `seed`, `stop` and mostly `top_k` and `repetition_penalty`. Other parameters, such as
 * OpenAI's own, are sent as given.
 */
export interface TextGenerationParameters extends ProviderFields {
  /**
   * The most tokens to generate.
   *
   * @default the server's own: from 16 tokens to the rest of the context
   */
  max_new_tokens?: number | null | undefined;

  /** OpenAI's name for `max_new_tokens`. */
  max_tokens?: number | null | undefined;

  /** Randomness: above 0, low values are more predictable. */
  temperature?: number | null | undefined;

  /** Sample only from this many of the likeliest tokens. */
  top_k?: number | null | undefined;

  /** Sample only from the likeliest tokens whose probabilities add up to this share, above 0 and below 1. */
  top_p?: number | null | undefined;

  /** Sample only from tokens about as surprising as the model expects, up to this share; above 0 and below 1. */
  typical_p?: number | null | undefined;

  /**
   * Whether to sample at all; without it the likeliest token is taken.
   *
   * @default false
   */
  do_sample?: boolean | undefined;

  /** Above 1, tokens that have appeared become less likely; 1 means no penalty. */
  repetition_penalty?: number | null | undefined;

  /** From -2 to 2. Positive values make a token less likely the more often it has appeared. */
  frequency_penalty?: number | null | undefined;

  /** From -2 to 2. Positive values make a token less likely once it has appeared at all. OpenAI-like servers only. */
  presence_penalty?: number | null | undefined;

  /** The seed of the sampling. */
  seed?: number | null | undefined;

  /** Where to stop: up to 4 strings. On TGI the generated text ends with the one that was met. */
  stop?: readonly string[] | null | undefined;

  /** Keep only this many tokens of the input, its last ones. */
  truncate?: number | null | undefined;

  /**
   * Whether `generated_text` begins with the input.
   *
   * @default false; on TGI's route `/` it depends on the model's task
   */
  return_full_text?: boolean | null | undefined;

  /** Generate this many texts and return the likeliest; not when streaming. */
  best_of?: number | null | undefined;

  /**
   * Whether the answer has `details`.
   *
   * @default false
   */
  details?: boolean | undefined;

  /** Whether `details` has the input's tokens and their log probabilities; not when streaming. */
  decoder_input_details?: boolean | undefined;

  /** How many of the likeliest tokens to report at each position. */
  top_n_tokens?: number | null | undefined;

  /** What the generated text must look like. */
  grammar?: TextGenerationGrammar | null | undefined;

  /** The id of the LoRA adapter to use. */
  adapter_id?: string | null | undefined;

  /** Whether to watermark the text, see https://arxiv.org/abs/2301.10226. */
  watermark?: boolean | undefined;
}

/** What the generated text must look like. */
export interface TextGenerationGrammar extends ProviderFields {
  /** What `value` holds. */
  type: "json" | "regex" | "json_schema";

  /** A JSON Schema, as text or as an object, or a regular expression. */
  value: unknown;
}

// Answer

/** A generated text. */
export interface TextGenerationOutput {
  /** The generated text. */
  generated_text: string;

  /** How it came about, when `parameters.details` asked for it or the server tells anyway. */
  details?: TextGenerationDetails | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/**
 * Why the text ended: `length` (out of tokens), `eos_token` (the model was done), `stop_sequence`
 * (a string of `stop` was met), or another server's own word, such as OpenAI's `stop`.
 */
export type TextGenerationFinishReason = "length" | "eos_token" | "stop_sequence" | "stop" | (string & {});

/** How a text came about. */
export interface TextGenerationDetails {
  /** Why the text ended. */
  finish_reason: TextGenerationFinishReason;

  /** The number of generated tokens. */
  generated_tokens?: number;

  /** The seed of the sampling, when there was sampling. */
  seed?: number | null;

  /** The tokens of the input, when `decoder_input_details` asked for them. */
  prefill?: TextGenerationPrefillToken[];

  /** The generated tokens. */
  tokens?: TextGenerationToken[];

  /** For each generated token the likeliest ones, when `top_n_tokens` asked for them. */
  top_tokens?: TextGenerationToken[][];

  /** The texts that were not the likeliest, when `best_of` asked for several. */
  best_of_sequences?: TextGenerationBestOfSequence[] | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** A text that was generated but was not the likeliest. */
export interface TextGenerationBestOfSequence {
  /** The generated text. */
  generated_text: string;

  /** Why the text ended. */
  finish_reason: TextGenerationFinishReason;

  /** The number of generated tokens. */
  generated_tokens: number;

  /** The seed of the sampling. */
  seed?: number | null;

  /** The tokens of the input, when `decoder_input_details` asked for them. */
  prefill: TextGenerationPrefillToken[];

  /** The generated tokens. */
  tokens: TextGenerationToken[];

  /** For each generated token the likeliest ones, when `top_n_tokens` asked for them. */
  top_tokens?: TextGenerationToken[][];

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** A token of the input. */
export interface TextGenerationPrefillToken {
  /** The token's id in the model's vocabulary. */
  id: number;

  /** The token's text. */
  text: string;

  /** The natural logarithm of the token's probability; `null` for the first, which has none. */
  logprob?: number | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** A generated token. */
export interface TextGenerationToken {
  /** The token's id in the model's vocabulary; `null` when the server does not tell. */
  id: number | null;

  /** The token's text. A server without token events may send the text of several tokens at once. */
  text: string;

  /** The natural logarithm of the token's probability; `null` when the server does not tell. */
  logprob: number | null;

  /** Whether the token is a control token, such as the end of the text, and no part of the text. */
  special: boolean;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/**
 * One event of a streamed text.
 *
 * @example
 * ```ts
 * for await (const event of client.textGenerationStream({ inputs: "Once upon a time" })) {
 *   if (!event.token.special) show(event.token.text);
 * }
 * ```
 */
export interface TextGenerationStreamOutput {
  /** The token's place in the text, from 1; absent on very old servers. */
  index?: number;

  /** The new token. */
  token: TextGenerationToken;

  /** The likeliest tokens at this place, when `top_n_tokens` asked for them. */
  top_tokens?: TextGenerationToken[];

  /** The whole generated text, in the last event; `null` before. */
  generated_text: string | null;

  /** How the text came about, in the last event if at all; `null` before. */
  details: TextGenerationStreamDetails | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** How a streamed text came about. */
export interface TextGenerationStreamDetails {
  /** Why the text ended. */
  finish_reason: TextGenerationFinishReason;

  /** The number of generated tokens. */
  generated_tokens?: number;

  /** The number of the input's tokens. */
  input_length?: number;

  /** The seed of the sampling, when there was sampling. */
  seed?: number | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

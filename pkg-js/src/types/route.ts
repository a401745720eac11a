/** Which of two targets answers. */

import type { PartialAnswer } from "../errors.js";
import type { Fallback } from "../options.js";
import type { ChatCompletionRequest, CompletionUsage, FinishReason } from "./chat.js";
import type { TextGenerationRequest } from "./generation.js";

/** How a call chooses between a small and a large target. */
export interface RouteOptions {
  /** The small target: a model's id, or an entry like those of `fallbacks`. What is left out is as in the call. */
  small: string | Fallback;
  /**
   * The large one.
   * @default the call's own: its model, provider and endpoint
   */
  large?: string | Fallback | undefined;
  /**
   * Who chooses. `"estimate"` chooses by how hard the request looks ({@link RouteEstimate}). `"cascade"` has the small
   * one answer first, and shows nothing of its answer before it is complete and accepted; what is rejected goes to
   * the large one, is paid for and never shown. A function of yours chooses for each request.
   * @default "estimate"
   */
  policy?: "estimate" | "cascade" | RoutePolicy | undefined;
  /**
   * The score, 0 to 1, from which on a request goes to the large one. With `"cascade"`, requests from there on go to
   * the large one at once.
   * @default 0.2; none with "cascade"
   */
  threshold?: number | undefined;
  /**
   * With `"cascade"`: whether the small one's answer will do. It is asked when nothing else speaks against the
   * answer: it was not cut at a length or by a filter, no refusal, not below `minLogprob`, JSON where that was asked
   * for, and a value of the request's `schema`. A throw is a no, too (`"accept failed"`). It has
   * the time of `timeout.total`. For the cache, two functions of the same text are the same.
   */
  accept?: ((answer: RouteAnswer) => boolean | Promise<boolean>) | undefined;
  /**
   * With `"cascade"`: the least mean log-probability of a chat's tokens (-0.5, say; 0 is certainty). The small one is
   * asked for `logprobs` unless the request has a word on it; one that tells none is not judged by them.
   */
  minLogprob?: number | undefined;
  /**
   * Change nothing: the call goes where it goes without a route. `trace.route` and `onRoute` tell what would have
   * been chosen and what it would have saved. A cascade is reckoned as if the small one's answer were accepted.
   * @default false
   */
  shadow?: boolean | undefined;
}

/**
 * Chooses a target for a request; `undefined` leaves it to the estimate. What it throws is reported as an uncaught
 * error, and the large one is asked. It has the time of `timeout.queue`.
 */
export type RoutePolicy = (
  request: ChatCompletionRequest | TextGenerationRequest,
  estimate: RouteEstimate,
) => "small" | "large" | undefined | void | Promise<"small" | "large" | undefined | void>;

/** What a request's difficulty is estimated from. */
export type RouteFeature =
  /** Tokens of the last user message, about. */
  | "length"
  /** Code: fences, operators, keywords. */
  | "code"
  /** Formulas and signs of mathematics. */
  | "maths"
  /** Numbers. */
  | "numbers"
  /** Questions, and items of lists. */
  | "parts"
  /** Clauses, by their commas and colons in any script. */
  | "clauses"
  /** Words that ask for reasoning, in fifteen languages. */
  | "reasoning"
  /** Tools that the model may call. */
  | "tools"
  /** `response_format` or `schema`. */
  | "structured"
  /** Messages before the last. */
  | "turns"
  /** Characters of all other messages. */
  | "context"
  /** Images and other parts that are no text. */
  | "attachments"
  /** `reasoning_effort`: high counts for the large one, low against it. */
  | "effort";

/** How hard a request looks, and why. */
export interface RouteEstimate {
  /** From 0 (easy) to 1 (hard): the sum of what the features add. */
  score: number;
  /** What was found of each, and how much that adds to the score. */
  features: { name: RouteFeature; value: number; adds: number }[];
}

/** A small target's answer, as `accept` gets it. All but `choices` speak of the first choice. */
export interface RouteAnswer extends PartialAnswer {
  finishReason: FinishReason;
  rawFinishReason: string | null;
  /** The value of an answer that was to be JSON. */
  object?: unknown;
  /** Every choice: more than one when `n` asked for them. */
  choices: (PartialAnswer & { index: number; finishReason: FinishReason; rawFinishReason: string | null })[];
  usage?: CompletionUsage;
  provider: string;
  model: string;
}

/** What was chosen for a call, and why: `trace.route`, and what `onRoute` is told when the call is over. */
export interface RouteChoice {
  chosen: "small" | "large";
  /**
   * Whose choice it was: the estimate's, that of a function, or the cascade's, which begins with the small one. A
   * function that failed chooses the large one.
   */
  reason: "estimate" | "function" | "function failed" | "cascade";
  /** What the request looked like, where that was of interest. */
  estimate?: RouteEstimate & { threshold: number };
  /**
   * Why the large one was asked although the small one was chosen. Its answer was rejected: `"length"`,
   * `"content_filter"`, `"refusal"`, `"logprob"`, `"json"`, `"schema"`, `"accept"`, `"accept failed"`. Or it gave none:
   * the outcome of its last attempt (`"refused"`, `"no_answer"`, …).
   */
  escalated?: string;
  /** It was for show. */
  shadow?: boolean;
  /**
   * For show: what the call cost less what the chosen target takes for the same tokens, in USD; below 0 where that is
   * more. Where the router picks the provider, its dearest counts. Absent unless both are known.
   */
  savedUsd?: number;
}

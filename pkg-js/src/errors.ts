/**
 * The errors of the client. The core decides what went wrong; the words are put together here.
 */

import type { CompletionUsage, ToolCall } from "./types/chat.js";
import type { BudgetState, Cost } from "./types/money.js";
import type { RouteChoice } from "./types/route.js";

/** What had come of an answer when it broke off. */
export interface PartialAnswer {
  /** The text so far. */
  text: string;
  /** The reasoning so far. */
  reasoning: string;
  /** The tool calls so far; the arguments of the last may be incomplete JSON. */
  toolCalls: ToolCall[];
}

/** One request to one target, in a {@link Trace}. Times are milliseconds since the call began. */
export interface TraceAttempt {
  /** Who was asked: a provider's name, `"auto"` or `"endpoint"`; the one that answered, once known. */
  provider: string;
  /** The model, under the target's own name. */
  model: string;
  /** The URL without its query. */
  url: string;
  /** The HTTP status, once there was one. */
  status?: number;
  /** When it began to wait for its turn. */
  queued: number;
  /** When the request was sent; absent when it was not. */
  sent?: number;
  /** When the answer's headers came. */
  headers?: number;
  /** When the first piece of the answer came. */
  firstToken?: number;
  /** When the last piece of the answer came. */
  lastToken?: number;
  /** When the attempt was over. */
  ended?: number;
  /**
   * `"complete"`, `"aborted"`, `"outpaced"` (another attempt was faster), `"open"` while it lasts, or the
   * reason of its failure. With `route`: `"rejected"` (a complete answer of the small target that would not do),
   * `"unjudged"` (one that nobody had accepted yet when the call ended).
   */
  outcome: string;
  /** What followed from its failure. */
  verdict?: "retry" | "wake" | "fallback" | "continue" | "restart" | "fail";
  /** The wait that followed. */
  delay?: number;
  /** It raced an earlier one (`hedge`). */
  hedge?: boolean;
  /** The tokens it took to no use, about. */
  wasted?: { prompt_tokens: number; completion_tokens: number };
  /** What it cost in USD, when that is known. */
  usd?: number;
}

/** What happened to a call: free of prompts, answers and secrets, and serialisable. */
export interface Trace {
  /** When the call began, in milliseconds since 1970. */
  startedAt: number;
  /** How it ended; `"open"` while it lasts. */
  state: "open" | "complete" | "truncated" | "stalled" | "aborted" | "failed";
  /** Its requests, in order. */
  attempts: TraceAttempt[];
  /** What the cache did; absent when it was not asked. */
  cache?: CacheTrace;
  /**
   * With `sessionAffinity`, why the call's first request went where it did: to who answered the conversation's last
   * call (`"kept"`), which is where it goes anyway, or nobody knows who it was behind the router (`"unchanged"`);
   * because there was no such call (`"new"`), it was too long ago (`"expired"`), or who answered is none of this
   * call's targets (`"elsewhere"`).
   */
  affinity?: "kept" | "unchanged" | "new" | "expired" | "elsewhere";
  /** Which target was chosen and why; absent without `route`. */
  route?: RouteChoice;
}

/** What the cache did for a call, in a {@link Trace}. */
export interface CacheTrace {
  /** The answer cost no request of this call: it was kept, or is that of another call in flight. */
  hit: boolean;
  /** It is that of another call that was in flight. */
  joined?: boolean;
  /** How old an answer is that was kept, in milliseconds. */
  age?: number;
  /** What the answer would have cost, in USD, where it is known. */
  savedUsd?: number;
  /**
   * Why nothing was found, where it is not simply that nothing was kept: it was `"expired"`, `"corrupt"` or of
   * another `"version"` of this package; the store `"failed"` or did not answer in time (`"timeout"`). Or why
   * nothing was looked for: the call asked anew (`"refresh"`), its answer is not kept because of its
   * `"temperature"`, or a fallback's `"credentials"` come from a function and are not known.
   */
  why?: "expired" | "corrupt" | "version" | "failed" | "timeout" | "refresh" | "temperature" | "credentials";
}

/** An error's facts, as the core writes them. */
export interface ErrorFacts {
  kind: string;
  reason: string;
  message?: string;
  serviceCode?: string;
  status?: number;
  option?: string;
  expected?: string;
  retryAt?: number;
  retryable: boolean;
  provider?: string;
  model?: string;
  requestId?: string;
  url?: string;
  partial?: PartialAnswer;
  usage?: CompletionUsage & { estimated?: boolean };
  cost?: Cost;
  budget?: BudgetState;
  trace?: Trace;
  issues?: SchemaIssue[];
}

/** Where a value does not fit its schema. */
export interface SchemaIssue {
  /** What is wrong there. */
  message: string;
  /** The place: keys and positions from the value down. */
  path: (string | number)[];
}

/**
 * The base of all errors of the client.
 *
 * A caller's own abort is none of them: it rejects with the signal's reason, by default a
 * `DOMException` named `AbortError`.
 */
export class InferenceError extends Error {
  override readonly name: string = "InferenceError";
  /** What went wrong, as a constant in snake_case (`"rate_limit"`, `"truncated"`, …). */
  readonly code: string;
  /** The HTTP status, when the service answered with one. */
  declare readonly status?: number;
  /** The service's own code for the error (`"model_not_supported"`, `"overloaded"`, …). */
  declare readonly serviceCode?: string;
  /** Who was asked: a provider's name, `"auto"` or `"endpoint"`. */
  declare readonly provider?: string;
  /** The model that was asked for. */
  declare readonly model?: string;
  /** The service's name for the request: quote it to its support. */
  declare readonly requestId?: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What had come of the answer. */
  declare readonly partial?: PartialAnswer;
  /** The tokens that were used; `estimated: true` when the service had not told them yet. */
  declare readonly usage?: CompletionUsage & { estimated?: boolean };
  /** What the call cost although it failed, when the prices of all who were asked are known. */
  declare readonly cost?: Cost;
  /** The attempts of the call. */
  declare readonly trace?: Trace;

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = facts?.retryable ?? false;
    for (const key of ["status", "serviceCode", "provider", "model", "requestId", "partial", "usage", "cost", "trace"] as const) {
      if (facts?.[key] !== undefined) Object.defineProperty(this, key, { value: facts[key], enumerable: true });
    }
  }
}

/**
 * An option or the request is malformed. Found before anything is sent (then `option` says which
 * option and `expected` what it should have been), or said by the service (status 400, 405, 413, 415
 * or 422).
 */
export class InputError extends InferenceError {
  override readonly name = "InputError";
  /** The option or member of the request at fault, as a dotted path: `"timeout.stall"`. */
  declare readonly option?: string;
  /** What it should have been. */
  declare readonly expected?: string;

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(code, message, facts, cause);
    if (facts?.option) this.option = facts.option;
    if (facts?.expected) this.expected = facts.expected;
  }
}

/** No access token where one is needed (no `status`), or the service did not accept it (401). */
export class AuthenticationError extends InferenceError {
  override readonly name = "AuthenticationError";
}

/** The access token may not make this call (403). */
export class PermissionError extends InferenceError {
  override readonly name = "PermissionError";
}

/** The credits are used up (402). */
export class PaymentRequiredError extends InferenceError {
  override readonly name = "PaymentRequiredError";
}

/** The model or the route does not exist (404, 410). */
export class NotFoundError extends InferenceError {
  override readonly name = "NotFoundError";
}

/** Too many requests or tokens (429). */
export class RateLimitError extends InferenceError {
  override readonly name = "RateLimitError";
  /** When the service will take requests again, in milliseconds since 1970, if it said so. */
  declare readonly retryAt?: number;

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(code, message, facts, cause);
    if (facts?.retryAt !== undefined) this.retryAt = facts.retryAt;
  }
}

/** The service failed, or could not take the request now (5xx, 408, 409, 425). */
export class ServerError extends InferenceError {
  override readonly name = "ServerError";
}

/** No answer: offline, no such host, connection lost, or blocked by CORS (browsers tell no more). */
export class NetworkError extends InferenceError {
  override readonly name = "NetworkError";
}

/** A limit of the `timeout` option has passed. */
export class TimeoutError extends InferenceError {
  override readonly name = "TimeoutError";
  /** Which limit. */
  readonly phase: "queue" | "firstToken" | "stall" | "total";

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(code, message, facts, cause);
    const reason = facts?.reason ?? "total";
    this.phase = reason === "first_token" ? "firstToken" : (reason as "queue" | "stall" | "total");
  }
}

/** The answer broke off after some of it had been shown; `partial` has that part. */
export class StreamInterruptedError extends InferenceError {
  override readonly name = "StreamInterruptedError";
}

/** The body ended although the service had not said that the answer was complete. */
export class TruncatedError extends InferenceError {
  override readonly name = "TruncatedError";
}

/**
 * The service answered with something that is not an answer: a page, broken JSON, nothing. Or the
 * answer does not fit the request's `schema`: then `issues` says where.
 */
export class InvalidResponseError extends InferenceError {
  override readonly name = "InvalidResponseError";
  /** Where the answer does not fit the schema. */
  declare readonly issues?: SchemaIssue[];

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(code, message, facts, cause);
    if (facts?.issues) this.issues = facts.issues;
  }
}

/** The answer grew beyond the limits that protect this process. */
export class ResponseTooLargeError extends InferenceError {
  override readonly name = "ResponseTooLargeError";
}

/** The target failed so often that it is left alone for a while; no request was sent. */
export class CircuitOpenError extends InferenceError {
  override readonly name = "CircuitOpenError";
  /** When it will be tried again, in milliseconds since 1970. */
  declare readonly retryAt?: number;

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(code, message, facts, cause);
    if (facts?.retryAt !== undefined) this.retryAt = facts.retryAt;
  }
}

/** More calls wait for their turn than `limits.queue` allows; no request was sent. */
export class QueueFullError extends InferenceError {
  override readonly name = "QueueFullError";
}

/**
 * A budget of the client's does not allow the call; no request was sent. `retryAt` is when the budget begins
 * anew, if it does.
 */
export class BudgetExceededError extends InferenceError {
  override readonly name = "BudgetExceededError";
  /** Which budget, and how it stands. */
  declare readonly budget: BudgetState;
  /** When the next hour, day or month of the budget begins, in milliseconds since 1970. */
  declare readonly retryAt?: number;

  /** @internal */
  constructor(code: string, message: string, facts?: Partial<ErrorFacts>, cause?: unknown) {
    super(code, message, facts, cause);
    if (facts?.budget) this.budget = facts.budget;
    if (facts?.retryAt !== undefined) this.retryAt = facts.retryAt;
  }
}

/** A defect of this library, or its WebAssembly module could not be loaded. */
export class InternalError extends InferenceError {
  override readonly name = "InternalError";
}

const CLASSES = {
  Input: [InputError, "input"],
  Authentication: [AuthenticationError, "authentication"],
  Permission: [PermissionError, "permission"],
  PaymentRequired: [PaymentRequiredError, "payment_required"],
  NotFound: [NotFoundError, "not_found"],
  RateLimit: [RateLimitError, "rate_limit"],
  Server: [ServerError, "server"],
  Network: [NetworkError, "network"],
  Timeout: [TimeoutError, "timeout"],
  StreamInterrupted: [StreamInterruptedError, "stream_interrupted"],
  Truncated: [TruncatedError, "truncated"],
  InvalidResponse: [InvalidResponseError, "invalid_response"],
  ResponseTooLarge: [ResponseTooLargeError, "response_too_large"],
  CircuitOpen: [CircuitOpenError, "circuit_open"],
  QueueFull: [QueueFullError, "queue_full"],
  BudgetExceeded: [BudgetExceededError, "budget_exceeded"],
} as const;

/** Makes the error that the core's facts describe. */
export function fromFacts(json: string, cause?: unknown): InferenceError {
  return errorOf(JSON.parse(json) as ErrorFacts, cause);
}

/** The same from facts that have been read. */
export function errorOf(facts: ErrorFacts, cause?: unknown): InferenceError {
  const known = CLASSES[facts.kind as keyof typeof CLASSES] as (typeof CLASSES)[keyof typeof CLASSES] | undefined;
  const [Class, code] = known ?? [InternalError, "internal"];
  return new Class(code, describe(facts), facts, cause);
}

/** What happened, to whom, and what to do. */
function describe(facts: ErrorFacts): string {
  const who = facts.provider === "endpoint" || facts.provider === "auto" ? (host(facts.url) ?? facts.provider) : facts.provider;
  const whom = who ?? "The service";
  const said = facts.message ? `: ${facts.message}` : "";
  switch (facts.reason) {
    case "option":
      return `${facts.option}: expected ${facts.expected}${facts.message ? ` (${facts.message})` : ""}`;
    case "no_token":
      return "No access token: pass accessToken (a Hugging Face token with the permission to make calls to Inference Providers, or a provider's own key)";
    case "provider_key_without_provider":
      return "The automatic router takes Hugging Face tokens (hf_…) only: pass one, or name the provider that this key belongs to";
    case "provider_key_needed":
      return `${facts.provider} is not behind Hugging Face's router: pass its own key as accessToken`;
    case "token_function":
      return "The accessToken function failed (see cause)";
    case "model_not_served":
      return facts.message ?? "No provider serves the model";
    case "mapping":
      return `Could not learn from the Hub which providers serve ${facts.model}${facts.status ? ` (HTTP ${facts.status})` : ""}${said}`;
    case "no_answer":
      return `No answer from ${host(facts.url) ?? whom}: the network failed, or the server does not let this page read its answers (CORS)`;
    case "connection_lost":
      return facts.kind === "Network"
        ? `${whom} closed the connection before the answer began`
        : `The connection to ${whom} was lost in the middle of the answer`;
    case "error_in_stream":
      return `${whom} reported an error in its answer${said || (facts.serviceCode ? `: ${facts.serviceCode}` : "")}`;
    case "cut_event":
    case "no_end":
      return `The answer of ${whom} ended before it was complete`;
    case "first_token":
      return `${whom} sent nothing of an answer within timeout.firstToken`;
    case "stall":
      return `The answer of ${whom} stood still for longer than timeout.stall`;
    case "total":
      return "The call took longer than timeout.total";
    case "queue":
      return "The call waited for its turn for longer than timeout.queue";
    case "gate":
      return `${whom} takes no requests for longer than retry.maxRetryAfter: see retryAt`;
    case "circuit_open":
      return `${whom} has failed so often that it is left alone for a while: see retryAt`;
    case "budget":
    case "too_dear":
      return over(facts.budget!);
    case "queue_full":
      return "Too many calls wait for their turn: see limits.queue";
    case "rejected":
      return `The answer of ${whom} was not accepted (${facts.message})`;
    case "markup":
      return `${whom} answered with a web page instead of an answer${facts.status ? ` (HTTP ${facts.status})` : ""}: is the URL right?`;
    case "empty":
      return `${whom} answered with an empty body`;
    case "not_json":
      return `${whom} answered with something that is not JSON`;
    case "text_mismatch":
      return `The generated_text of ${whom} is not the text of the tokens before it: some were lost`;
    case "no_choices":
    case "unknown_shape":
      return `${whom} answered with JSON that is not an answer: is the URL right?`;
    case "refused":
      return `${whom} ${facts.kind === "Server" ? "could not answer" : "refused the request"} (HTTP ${facts.status})${said}`;
    default:
      return facts.kind === "ResponseTooLarge"
        ? `The answer of ${whom} has too many or too large parts (${facts.reason})`
        : `The call failed (${facts.reason})${said}`;
  }
}

function over({ unit, spent, limit, value, index }: BudgetState): string {
  const amount = (count: number): string => (unit === "usd" ? `$${count}` : `${count} tokens`);
  return `Budget ${index}${value ? ` of ${value}` : ""} allows no more: ${amount(spent)} of ${amount(limit)} are spent, and this call may need what is left or more`;
}

function host(url: string | undefined): string | undefined {
  return url?.match(/^https?:\/\/([^/]+)/i)?.[1];
}

/** Whether a value is an error of this library, from whichever copy of it. */
export function isInferenceError(error: unknown): error is InferenceError {
  return error instanceof InferenceError || (error instanceof Error && error.name in NAMES && "retryable" in error);
}

const NAMES: Record<string, true> = Object.fromEntries(
  ["InferenceError", "InternalError", ...Object.keys(CLASSES).map((kind) => `${kind}Error`)].map((name) => [name, true]),
);

function guard<Known extends InferenceError>(name: Known["name"]): (error: unknown) => error is Known {
  return (error): error is Known => isInferenceError(error) && error.name === name;
}

/** Whether an error is an {@link InputError}. */
export const isInputError: (error: unknown) => error is InputError = guard("InputError");
/** Whether an error is an {@link AuthenticationError}. */
export const isAuthenticationError: (error: unknown) => error is AuthenticationError = guard("AuthenticationError");
/** Whether an error is a {@link PermissionError}. */
export const isPermissionError: (error: unknown) => error is PermissionError = guard("PermissionError");
/** Whether an error is a {@link PaymentRequiredError}. */
export const isPaymentRequiredError: (error: unknown) => error is PaymentRequiredError = guard("PaymentRequiredError");
/** Whether an error is a {@link NotFoundError}. */
export const isNotFoundError: (error: unknown) => error is NotFoundError = guard("NotFoundError");
/** Whether an error is a {@link RateLimitError}. */
export const isRateLimitError: (error: unknown) => error is RateLimitError = guard("RateLimitError");
/** Whether an error is a {@link ServerError}. */
export const isServerError: (error: unknown) => error is ServerError = guard("ServerError");
/** Whether an error is a {@link NetworkError}. */
export const isNetworkError: (error: unknown) => error is NetworkError = guard("NetworkError");
/** Whether an error is a {@link TimeoutError}. */
export const isTimeoutError: (error: unknown) => error is TimeoutError = guard("TimeoutError");
/** Whether an error is a {@link StreamInterruptedError}. */
export const isStreamInterruptedError: (error: unknown) => error is StreamInterruptedError =
  guard("StreamInterruptedError");
/** Whether an error is a {@link TruncatedError}. */
export const isTruncatedError: (error: unknown) => error is TruncatedError = guard("TruncatedError");
/** Whether an error is an {@link InvalidResponseError}. */
export const isInvalidResponseError: (error: unknown) => error is InvalidResponseError = guard("InvalidResponseError");
/** Whether an error is a {@link ResponseTooLargeError}. */
export const isResponseTooLargeError: (error: unknown) => error is ResponseTooLargeError =
  guard("ResponseTooLargeError");
/** Whether an error is a {@link CircuitOpenError}. */
export const isCircuitOpenError: (error: unknown) => error is CircuitOpenError = guard("CircuitOpenError");
/** Whether an error is a {@link QueueFullError}. */
export const isQueueFullError: (error: unknown) => error is QueueFullError = guard("QueueFullError");
/** Whether an error is a {@link BudgetExceededError}. */
export const isBudgetExceededError: (error: unknown) => error is BudgetExceededError = guard("BudgetExceededError");
/** Whether an error is an {@link InternalError}. */
export const isInternalError: (error: unknown) => error is InternalError = guard("InternalError");

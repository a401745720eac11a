/** The options of a client and of a call. */

import { errorOf, InputError, type ErrorFacts, type InferenceError } from "./errors.js";
import type { RouteChoice, RouteOptions } from "./types/route.js";
import type { Budget, BudgetAlert, BudgetState, Catalog, PriceEntry, SpikeAlert, SpikeOptions, UsageRecord } from "./types/money.js";

/** An access token, or a function that gives one (asked again for each call). */
export type AccessToken = string | (() => string | undefined | null | Promise<string | undefined | null>);

/** Headers in any of the forms that `new Headers()` takes. */
export type HeadersLike = Headers | Iterable<readonly [string, string]> | Readonly<Record<string, string>>;

/** Limits in milliseconds; `Infinity` switches one off. */
export interface TimeoutOptions {
  /**
   * From the call to the sending of its first request, while other calls have their turn (`limits`) or the
   * service has asked all to wait.
   * @default 300_000
   */
  queue?: number | undefined;
  /**
   * From sending the request to the first piece of a streamed answer (text, reasoning or a tool call).
   * A whole answer has none: for it only `total` counts.
   * @default 60_000
   */
  firstToken?: number | undefined;
  /**
   * Between two pieces of the answer. Keep-alive comments are none; time in which your code is busy
   * with what it has does not count.
   * @default 120_000
   */
  stall?: number | undefined;
  /**
   * The whole call.
   * @default 600_000
   */
  total?: number | undefined;
}

/**
 * How often and how soon a request is sent again that failed before anything of its answer was shown.
 * What passes by itself is retried: a lost connection, the statuses 408, 409, 425, 429, 500, 502, 503, 504, 520 to
 * 524 and 529, a passed `timeout.firstToken`, an answer that broke off before it began. Retries of all
 * calls of a client together stay below 10 in ten seconds and a fifth of the calls; coming back after a 429 does
 * not count, because those calls wait in one queue, which lets no more through than the service takes.
 */
export interface RetryOptions {
  /**
   * Retries of one target, beside the first attempt.
   * @default 2
   */
  limit?: number | undefined;
  /** The statuses that are retried, instead of those above. `x-should-retry` has the last word. */
  statusCodes?: readonly number[] | undefined;
  /**
   * The longest wait that a service may ask for, in milliseconds (`Retry-After` and its kin). When it asks
   * for more, the call goes to its next target, or fails with `retryAt`; it never comes back too early.
   * @default 60_000
   */
  maxRetryAfter?: number | undefined;
  /**
   * The longest wait that is chosen here, in milliseconds: from 0 to 500 before the first retry, twice
   * that before the second, and so on.
   * @default 8_000
   */
  backoffLimit?: number | undefined;
  /**
   * Draw the wait from the whole range. `false` waits for its upper end.
   * @default true
   */
  jitter?: boolean | undefined;
  /**
   * Asked after each failed attempt: `true` tries again (while `limit` and the budget allow it), `false`
   * does not, anything else leaves it to the rules.
   */
  shouldRetry?: ((error: InferenceError) => boolean | undefined | Promise<boolean | undefined>) | undefined;
}

/** Another place for a call. What is left out is as in the call. */
export interface Fallback {
  /** The model there. */
  model?: string | undefined;
  /** `"auto"` or a provider's name. */
  provider?: string | undefined;
  /** A dedicated endpoint, or any OpenAI-compatible server. */
  endpointUrl?: string | undefined;
  /**
   * Its key. Without one, the call's own is used where it belongs: a Hugging Face token at Hugging Face.
   */
  accessToken?: AccessToken | undefined;
}

/** Limits for each provider and key, which all calls of the client keep together. */
export interface LimitOptions {
  /** Requests in flight. */
  concurrency?: number | undefined;
  /** Requests sent within any minute. */
  requestsPerMinute?: number | undefined;
  /** Tokens of the requests sent within any minute: about, until an answer tells its own. */
  tokensPerMinute?: number | undefined;
  /**
   * How many calls may wait for their turn. More are refused with a `QueueFullError`.
   * @default 1_000
   */
  queue?: number | undefined;
}

/** Sends a request once more when it is slow to begin; the first that begins to answer wins. */
export interface HedgeOptions {
  /** How long to wait for the first token, in milliseconds. */
  after: number;
  /**
   * How many more requests, each after as long a wait. The losers are cancelled at once; what they took is
   * in the trace (`wasted`).
   * @default 1
   */
  max?: number | undefined;
}

/**
 * Where answers are kept, as text under names of 64 hexadecimal digits. `hf-inference-wasm/cache` has some for
 * browsers and Cloudflare's workers. Whatever a store does wrong costs a request, never an answer.
 */
export interface CacheStore {
  /** What is kept under a key; `undefined` or `null` for nothing. */
  get(key: string): string | undefined | null | Promise<string | undefined | null>;
  /** Keeps something, in place of what was there. It is of no use after `ttl` milliseconds. */
  put(key: string, value: string, ttl: number): unknown;
  /** Forgets what is kept, if anything is. */
  delete(key: string): unknown;
}

/** How answers are kept. */
export interface CacheOptions {
  /**
   * For how long an answer is given again, in milliseconds.
   * @default 3_600_000
   */
  ttl?: number | undefined;
  /**
   * How much is kept in memory, in bytes: those answers stay that were used last. Of no effect with a `store`.
   * @default 16_777_216
   */
  maxBytes?: number | undefined;
  /** Where answers are kept instead of in the client's memory. */
  store?: CacheStore | undefined;
  /**
   * Give an answer that was asked for with one key to those who ask with another. Only for answers that
   * anybody may see.
   * @default false
   */
  shared?: boolean | undefined;
  /**
   * `"deterministic"` keeps answers to requests that say `temperature: 0` (or `do_sample: false`): others
   * would get a different answer each time. `"always"` keeps all.
   * @default "deterministic"
   */
  when?: "deterministic" | "always" | undefined;
  /**
   * How long the store may take, in milliseconds. Then the request is sent.
   * @default 1_000
   */
  timeout?: number | undefined;
  /**
   * Do not look, but ask anew and keep the answer.
   * @default false
   */
  refresh?: boolean | undefined;
}

/** What can be chosen for a client and, over that, for each call. */
export interface CallOptions {
  /**
   * A Hugging Face token (`hf_…`), or a provider's own key: then calls go to that provider directly,
   * and `provider` must name it. A function is asked for each call, so that the key can come from
   * your session or environment and never lies in code.
   */
  accessToken?: AccessToken | undefined;
  /**
   * Who is to answer: `"auto"` leaves it to Hugging Face's router; a name (`"groq"`, `"together"`, …)
   * pins it.
   * @default "auto"
   */
  provider?: string | undefined;
  /** The model of calls that name none. */
  model?: string | undefined;
  /**
   * A dedicated Inference Endpoint, or any OpenAI-compatible server: its host, its `…/v1`, a sub-path
   * or a full route. A query string survives.
   */
  endpointUrl?: string | undefined;
  /**
   * What stands in for `https://router.huggingface.co`: a proxy of yours that adds the key, or an
   * OpenAI-compatible server. With or without `/v1`. In a page a path (`"/api"`) will do.
   */
  baseUrl?: string | undefined;
  /**
   * What stands in for `https://huggingface.co`, which is asked for a provider's own name of a model.
   */
  hubUrl?: string | undefined;
  /** The organisation that pays, when it is not the token's owner (`X-HF-Bill-To`). */
  billTo?: string | undefined;
  /** Headers of your own; they win over the client's. */
  headers?: HeadersLike | undefined;
  /** A function to call instead of the global `fetch`, with a URL and an init object. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Aborting it ends the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | null | undefined;
  /** Limits on waiting. */
  timeout?: TimeoutOptions | undefined;
  /**
   * Take `<think>…</think>` at the start of a streamed answer for reasoning, as some models write it into
   * their text. `false` leaves the text untouched. Chunks are always the service's own.
   * @default true
   */
  reasoningTags?: boolean | undefined;
  /** Retries before anything was shown. A number is `limit`, `false` is none. */
  retry?: RetryOptions | number | false | undefined;
  /**
   * Where a call goes that its target cannot serve: after the retries, when the target fails so often that
   * it is left alone, when credits are used up (402), when it does not serve the model (404) or the
   * request is too long for it. `"auto"` asks the router for the other live providers of the same model
   * that have what the request needs, the fastest first; `{ auto }` chooses the order.
   */
  fallbacks?: readonly Fallback[] | "auto" | { auto: "price" | "throughput" | "latency" } | undefined;
  /**
   * A small and a large target, and who chooses between them. Their order is that of the call's targets: a small one
   * that fails is followed by the large one, and that by `fallbacks`; never the other way round. `trace.route` has the
   * choice and its reason. `false` for a call leaves the client's out.
   */
  route?: RouteOptions | false | undefined;
  /**
   * What becomes of an answer that breaks off after some of it was shown. `"error"` fails with the part.
   * `"continue"` asks for the rest with the part as the beginning of the answer: text only, without tools,
   * `response_format` or reasoning, from models that go on with an assistant's message. `"restart"` asks
   * anew; readers of `events` get `restart` and clear what they have shown (for readers of text and chunks
   * it is an error).
   * @default "error"
   */
  midStream?: "error" | "continue" | "restart" | undefined;
  /** Race a slow start. Off by default: it costs tokens. */
  hedge?: HedgeOptions | undefined;
  /**
   * Leave a target alone that fails more often than not: when half of its last 20 answers and 5 at least
   * failed, for 15 s, doubling to 5 min, then one call finds out. Calls meanwhile go to their next target or
   * fail with a `CircuitOpenError`.
   * @default true
   */
  breaker?: boolean | undefined;
  /** Limits of your own. None by default; what a service tells in its headers is kept in any case. */
  limits?: LimitOptions | undefined;
  /**
   * Higher goes first when calls wait for their turn.
   * @default 0
   */
  priority?: number | undefined;
  /**
   * How long an endpoint may take to wake from zero, in milliseconds: it answers 502 or 503 meanwhile, and is
   * asked again every few seconds (`retry` events with `waking: true`).
   * @default 300_000 for `*.endpoints.huggingface.cloud`, 0 for others
   */
  wakeTimeout?: number | undefined;
  /**
   * Keep complete answers, and give them again to calls that ask the same of the same service with the same
   * key: as a stream, with their text, reasoning, tool calls and usage. An answer from the cache has
   * `trace.cache.hit`. `true` keeps them in the client's memory, `"refresh"` asks anew, and `false` for a
   * call leaves it out.
   *
   * An answer that was cut at a length is kept when the request set that length, one with no known reason for
   * its end never. What does not count when requests are compared: the order of an object's members,
   * `stream_options`, `user`, `safety_identifier`, `prompt_cache_key`, and all options but those that say who
   * is asked (`provider`, `endpointUrl`, `baseUrl`, `fallbacks`, `billTo`) and `headers`. A streamed answer is
   * kept apart from a whole one.
   * @default false
   */
  cache?: CacheOptions | boolean | "refresh" | undefined;
  /**
   * Calls that ask the same at the same time share one request: who comes later reads the answer from its
   * start, each at its own pace, and the connection closes a moment (25 ms) after the last reader has left, so
   * that an effect which is run twice sends one request. The request is made with the options of who came first
   * (its retries, limits and listeners); `signal` and `timeout.total` of each call are its own. An error
   * reaches all. Not across the requests of Cloudflare's workers.
   * @default true for answers that `cache` keeps, false for others
   */
  singleFlight?: boolean | undefined;
  /**
   * Names and values by which the ledger and budgets tell calls apart: `{ user: "u1", feature: "search" }`. They
   * stay here: no service sees them.
   */
  tags?: Readonly<Record<string, string>> | undefined;
  /**
   * The conversation that the call belongs to, under a name of yours. It goes first to the provider (or the fallback)
   * that answered the conversation's last call, which has its beginning in its prompt cache: where the router chooses
   * (`provider: "auto"` without a provider's suffix), that provider is pinned; of `fallbacks`, the one that answered
   * goes first. Where that target is left alone, makes all wait for longer than `retry.maxRetryAfter` or fails, the call
   * goes on as it would without this, and the conversation moves to whoever answers.
   *
   * Kept for ten minutes after an answer, for the last 1,000 conversations of the client, each apart by model and key.
   * The name itself is neither kept nor sent, and nothing of it is in {@link InferenceClient.snapshot}.
   * `trace.affinity` says what became of it. Pages in which the router's headers cannot be read do not learn who
   * answered: there the router's choice is left to it.
   */
  sessionAffinity?: string | undefined;
  /** Told when a call is over, however it ended: its tokens, and its cost where that is known. */
  onUsage?: ((record: UsageRecord) => void) | undefined;
  /** Told when a request is sent. */
  onAttempt?: ((event: AttemptNotice) => void) | undefined;
  /** Told before the wait for a retry. */
  onRetry?: ((event: RetryNotice) => void) | undefined;
  /** Told when a call goes to its next target. */
  onFallback?: ((event: FallbackNotice) => void) | undefined;
  /** Told which target was chosen and why, when a call with `route` is over that sent a request. */
  onRoute?: ((choice: RouteChoice) => void) | undefined;
  /** Told when a target is left alone, tried, or trusted again. */
  onStateChange?: ((event: StateNotice) => void) | undefined;
  /**
   * Allow a user's token (`hf_…`) in a page, where every visitor can read it. OAuth tokens
   * (`hf_oauth_…`) need no permission.
   * @default false
   */
  dangerouslyAllowBrowser?: boolean | undefined;
}

/** A request is sent. */
export interface AttemptNotice {
  /** Its number in the call, from 1. */
  attempt: number;
  provider: string;
  model: string;
}

/** An attempt failed, and another follows. */
export interface RetryNotice {
  /** The number of the attempt that follows. */
  attempt: number;
  /** The wait before it, in milliseconds. */
  delay: number;
  /** An endpoint wakes from zero: this does not count as a retry. */
  waking?: boolean;
  error: InferenceError;
}

/** A call goes to its next target. */
export interface FallbackNotice {
  from: { provider: string; model: string };
  to: { provider?: string; model?: string; endpointUrl?: string };
  error: InferenceError;
}

/** A target is left alone, tried, or trusted again. */
export interface StateNotice {
  /** Its URL and model. */
  target: string;
  state: "closed" | "open" | "half-open";
}

/** The options of a client. Those of {@link CallOptions} can also be given with a call. */
export interface ClientOptions extends CallOptions {
  /**
   * What the router's providers take: its list of models, or a function that gives it, for pages that may not
   * read it from the router. `true` reads it from the router before the first call and every five minutes;
   * so does, without it, a budget or an alert in USD. `false` never does. Calls wait three seconds for it at
   * most, and none fails for want of it: what they cost is not known then.
   */
  catalog?: Catalog | (() => Catalog | Promise<Catalog>) | boolean | undefined;
  /**
   * What others take: providers called with their own key, endpoints. The first entry that fits holds, before the
   * catalogue.
   */
  prices?: readonly PriceEntry[] | undefined;
  /** What may be spent: one budget or several, all of which must allow a call. */
  budget?: Budget | readonly Budget[] | undefined;
  /** Tells of spending that is out of the ordinary. */
  spikes?: SpikeOptions | undefined;
  /** What {@link InferenceClient.snapshot} of an earlier client gave: which targets to leave alone. */
  snapshot?: string | undefined;
}

/** The members of a request that are options: `@huggingface/inference` takes them there. */
const IN_REQUEST = ["accessToken", "provider", "endpointUrl"] as const;

/** The options that a request may carry itself, as `@huggingface/inference` has it. */
export type RequestOptions = Pick<CallOptions, (typeof IN_REQUEST)[number]>;

/** Parts a request from the options that it carries, and from the schema of its answer. */
export function split(request: object): { body: Record<string, unknown>; options: RequestOptions; schema: unknown } {
  const { schema, ...body } = request as Record<string, unknown>;
  const options: Record<string, unknown> = {};
  for (const name of IN_REQUEST) {
    if (body[name] !== undefined) options[name] = body[name];
    delete body[name];
  }
  return { body, options, schema };
}

/** Lays one set of options over another; what is `undefined` leaves what is below. */
export function merge(below: CallOptions, above: CallOptions | undefined): CallOptions {
  if (above === undefined) return below;
  const merged: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) {
    if (value !== undefined) merged[name] = value;
  }
  for (const name of ["timeout", "limits", "retry", "tags"] as const) {
    if (isRecord(below[name]) && isRecord(above[name])) merged[name] = { ...(below[name] as object), ...(above[name] as object) };
  }
  // `true` and `"refresh"` leave the client's own cache what it is.
  if (isRecord(below.cache) && above.cache) {
    merged["cache"] = { ...below.cache, ...(isRecord(above.cache) ? above.cache : { refresh: above.cache === "refresh" }) };
  }
  if (below.headers && above.headers) merged["headers"] = [...entries(below.headers), ...entries(above.headers)];
  return merged;
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function entries(headers: HeadersLike): [string, string][] {
  if (!isRecord(headers)) throw optionError("headers", "an object, a list of pairs, or Headers");
  const pairs = Symbol.iterator in headers ? [...headers] : Object.entries(headers);
  // Later entries of a name replace earlier ones, so a set of `Headers` must not join them.
  return [...new Map(pairs.map(([name, value]) => [String(name).toLowerCase(), String(value)]))];
}

/** Options in the shape in which they cross to the core. */
export function toCore(options: CallOptions): object {
  const { accessToken: _, fetch: __, signal: ___, cache: ____, singleFlight: _____, route: ______, headers, retry, fallbacks, tags, ...plain } = options;
  return {
    ...plain,
    headers: headers === undefined ? [] : flat(headers),
    tags: Object.entries(tags ?? {}).flat().map(String),
    retry: typeof retry === "number" ? { limit: retry } : retry === false ? { limit: 0 } : retry,
    fallbacks: fallbacks === "auto" ? "throughput" : ((fallbacks as { auto?: string } | undefined)?.auto ?? fallbacks),
    notices: listens(options),
    inPage: inPage(),
  };
}

const LISTENERS = ["onAttempt", "onRetry", "onFallback", "onStateChange", "onRoute", "onUsage", "budget", "spikes"] as const;

function listens(options: ClientOptions): boolean {
  return LISTENERS.some((name) => options[name] !== undefined);
}

/** The shares of a budget at which to tell, ascending. @internal */
export function alertsOf({ alertAt }: Budget): number[] {
  return [...(alertAt ?? [0.5, 0.8, 1])].sort((a, b) => a - b);
}

/** One or several as a list. @internal */
export function listOf<Item>(given: Item | readonly Item[] | undefined): readonly Item[] {
  return given === undefined ? [] : Array.isArray(given) ? given : [given as Item];
}

/** Hands the core's notices to the caller's listeners. What a listener throws is reported, and harms no call. */
export function listener(options: ClientOptions): ((notices: string) => void) | undefined {
  if (!listens(options)) return undefined;
  const { onAttempt: attempt, onRetry: retry, onFallback: fallback, onStateChange: state, onRoute: route, onUsage: usage } = options;
  const budget = ({ threshold, ...stands }: BudgetState & { threshold: number }): void => {
    const own = listOf(options.budget)[stands.index];
    own?.onAlert?.({ ...stands, budget: own, reached: alertsOf(own)[threshold]! } satisfies BudgetAlert);
  };
  const spike = (alert: SpikeAlert): void => options.spikes?.onSpike?.(alert);
  const listeners: Record<string, ((event: never) => void) | undefined> = { attempt, retry, fallback, state, route, usage, budget, spike };
  return (notices) => {
    for (const { type, error, ...rest } of JSON.parse(`[${notices}]`) as { type: string; error?: ErrorFacts }[]) {
      const event = error ? { ...rest, error: errorOf(error) } : rest;
      try {
        listeners[type]?.(event as never);
      } catch (thrown) {
        queueMicrotask(() => {
          throw thrown;
        });
      }
    }
  };
}

/** The keys of a call and of its other targets: those that its route tries first, and its fallbacks. */
export function accessTokens({ accessToken, fallbacks }: CallOptions, targets: readonly Fallback[] = []): unknown[] {
  const others = Array.isArray(fallbacks) ? [...targets, ...fallbacks] : targets;
  return [accessToken, ...others.map((target: Fallback) => target?.accessToken)];
}

/** Whether a promise of one request may not be settled by another's doing: in Cloudflare's workers. */
export function alone(): boolean {
  return (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent === "Cloudflare-Workers";
}

function flat(headers: HeadersLike): string[] {
  try {
    // `Headers` checks names and values as `fetch` would.
    return [...new Headers(entries(headers))].flat();
  } catch (cause) {
    throw optionError("headers", "names and values that HTTP headers can have", cause);
  }
}

/** The caller's signals, which must be such. */
export function signals(...given: unknown[]): AbortSignal[] {
  return given.filter((signal): signal is AbortSignal => {
    if (signal === undefined || signal === null) return false;
    if (typeof (signal as AbortSignal).addEventListener === "function") return true;
    throw optionError("signal", "an AbortSignal");
  });
}

function optionError(option: string, expected: string, cause?: unknown): InputError {
  return new InputError("input", `${option}: expected ${expected}`, { option, expected }, cause);
}

/** Whether a visitor can read this code: a page or one of its workers, but no server-side runtime. */
function inPage(): boolean {
  const scope = globalThis as {
    window?: unknown;
    document?: unknown;
    WorkerGlobalScope?: unknown;
    Deno?: unknown;
    Bun?: unknown;
    navigator?: { userAgent?: string };
  };
  if (scope.Deno !== undefined || scope.Bun !== undefined) return false;
  if (scope.window !== undefined && scope.document !== undefined) return true;
  return scope.WorkerGlobalScope !== undefined && /^Mozilla\//.test(scope.navigator?.userAgent ?? "");
}

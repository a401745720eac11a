/** The options of a client and of a call. */

import { InputError } from "./errors.js";

/** An access token, or a function that gives one (asked again for each call). */
export type AccessToken = string | (() => string | undefined | null | Promise<string | undefined | null>);

/** Headers in any of the forms that `new Headers()` takes. */
export type HeadersLike = Headers | Iterable<readonly [string, string]> | Readonly<Record<string, string>>;

/** Limits in milliseconds; `Infinity` switches one off. */
export interface TimeoutOptions {
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
  /**
   * Allow a user's token (`hf_…`) in a page, where every visitor can read it. OAuth tokens
   * (`hf_oauth_…`) need no permission.
   * @default false
   */
  dangerouslyAllowBrowser?: boolean | undefined;
}

/** The options of a client; each can also be given with a call. */
export type ClientOptions = CallOptions;

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
  if (isRecord(below.timeout) && isRecord(above.timeout)) merged["timeout"] = { ...below.timeout, ...above.timeout };
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
export function toCore({ accessToken: _, fetch: __, signal: ___, headers, ...plain }: CallOptions): object {
  return { ...plain, headers: headers === undefined ? [] : flat(headers), inPage: inPage() };
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

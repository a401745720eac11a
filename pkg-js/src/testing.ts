/**
 * For the tests of your own app: a service that fails on purpose, as a `fetch` to give to any client, and a
 * clock that waits for nothing. It shares no code with the rest of the package and loads no WebAssembly.
 */

/** Time in milliseconds, for tests to hold in their hands. {@link VirtualClock} is one. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  setTimeout(callback: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}

/**
 * One way to fail. `after` counts the deltas of the answer (text, reasoning and tool calls) that come before
 * it; without it, the seed draws a place inside the answer. An answer that is not streamed has no deltas:
 * there `after: 0` is before its first byte, and anything else in the middle of its JSON.
 */
export type Fault =
  | StatusFault
  /** No answer: `fetch` rejects as it does when the network fails, or when CORS forbids the answer. */
  | { kind: "network-error"; message?: string }
  /**
   * Silence: before the headers when `after` is `"request"`, otherwise in the answer. `keepAlive` sends
   * comments meanwhile, at that interval in milliseconds.
   */
  | { kind: "stall"; after?: number | "request"; keepAlive?: number }
  /** The connection is lost in the answer: reading its body rejects. */
  | { kind: "reset"; after?: number }
  /**
   * The body ends early, as if that were its end: between two events, or with `inLine` in the middle of
   * one. An answer cut between events can only be told by its missing end.
   */
  | { kind: "cut"; after?: number; inLine?: boolean }
  /** An event that is not JSON takes the place of a delta (`frame` is its data); the answer then goes on. */
  | { kind: "bad-frame"; after?: number; frame?: string }
  /** An error inside an answer of status 200, then `[DONE]` where `done` is true, then the end. */
  | { kind: "error-event"; after?: number; shape?: ErrorShape; message?: string; done?: boolean }
  /** The body trickles: so many bytes at a time (1), each after so many milliseconds (0). */
  | { kind: "drip"; bytes?: number; delay?: number }
  /** The headers are late by so many milliseconds; then the answer is good. */
  | { kind: "slow-start"; delay: number }
  /** A web page with status 200, as a captive portal or a wrong address gives it. */
  | { kind: "html" }
  /** A good answer under another content type. */
  | { kind: "content-type"; contentType: string }
  /** A whole JSON answer although a stream was asked for. */
  | { kind: "no-stream" }
  /** `[DONE]` comes twice. */
  | { kind: "done-twice" }
  /** The answer is complete, and the connection stays open. `done: false` leaves `[DONE]` out. */
  | { kind: "held-open"; done?: boolean }
  /** A good answer, written in another of the ways that server-sent events allow. */
  | FramingFault;

/** A refusal, with whatever it says about when to come back. */
export interface StatusFault {
  kind: "status";
  status: number;
  /**
   * The body: `"json"` is an error in OpenAI's form, `"html"` a proxy's page; an object is sent as JSON,
   * any other text as it is.
   * @default "json"
   */
  body?: "json" | "html" | "text" | "empty" | (string & {}) | object;
  headers?: Readonly<Record<string, string>>;
  /** `Retry-After`: seconds, whole or not; or as an HTTP date so many seconds from now; or any text. */
  retryAfter?: number | string | { date: number };
  /** OpenAI's `retry-after-ms`. */
  retryAfterMs?: number;
  /** OpenAI's `x-should-retry`. */
  shouldRetry?: boolean;
  /**
   * What is left of the quota, and in how many seconds it begins anew: as `x-ratelimit-*-requests`, or with
   * `standard` as the `RateLimit` header that Hugging Face sends.
   */
  rateLimit?: { limit?: number; remaining?: number; reset: number; standard?: boolean };
}

/** How server-sent events are written. */
export interface FramingFault {
  kind: "framing";
  /** What ends a line. */
  newline?: "\n" | "\r\n" | "\r";
  /** A byte order mark comes first. */
  bom?: boolean;
  /** `false`: no space after `data:`. */
  space?: boolean;
  /** Comments and keep-alives between the events. */
  comments?: boolean;
  /** JSON over several lines, each in a `data:` line of its own. */
  pretty?: boolean;
  /** `false`: no `[DONE]` at the end. */
  done?: boolean;
  /** `false`: the body ends without the blank line that ends its last event. */
  terminated?: boolean;
  /** Bytes that come at a time: 1 cuts every character and every line end in two. */
  bytes?: number;
}

/**
 * How an error inside a stream looks: OpenAI's object (vLLM, most providers), Text Generation Inference's
 * string and its object for chats, an older vLLM's bare object, llama.cpp's `error:` field, an `event: error`.
 */
export type ErrorShape = "openai" | "tgi" | "tgi-chat" | "vllm" | "llama-cpp" | "named";

/** Each request fails with these probabilities, as the seed has it; together they are 1 at most. */
export interface Flapping {
  random: readonly { rate: number; fault: Fault }[];
}

/** What a healthy service says. */
export interface Answer {
  /** The text, as one piece (then a delta is about a word) or as the deltas themselves. */
  text?: string | readonly string[];
  /** Reasoning that comes before the text. */
  reasoning?: string | readonly string[];
  /** Calls of functions; `arguments` is their JSON text. */
  toolCalls?: readonly { id?: string; name: string; arguments: string }[];
  /** @default "stop", or "tool_calls" */
  finishReason?: string;
  /** The finish reason comes with the last delta instead of in a chunk of its own. */
  finishWithLast?: boolean;
  /** `usage: null` on every chunk before the one that has it, as some services send it. */
  nullUsage?: boolean;
}

/** A request that was sent to a {@link FaultyFetch}. */
export interface FaultyRequest {
  /** Its number among the requests that could fail, from 1; 0 for a look-up of who serves a model. */
  attempt: number;
  url: string;
  method: string;
  /** Its headers under lower-case names. Credentials read `[redacted]`. */
  headers: Record<string, string>;
  /** Its body, parsed if it is JSON. */
  body: unknown;
  /** When it came, on the clock. */
  at: number;
  /** What it was answered with; `undefined` for a good answer. */
  fault: Fault | undefined;
  /** The deltas that were taken from its answer. */
  deltas: number;
  /** The client aborted the request or cancelled its body before the end. */
  aborted: boolean;
  /** Nothing of it is open any more. */
  closed: boolean;
}

/** What a {@link faultyFetch} is to do. */
export interface FaultyFetchOptions {
  /**
   * How the requests fail: each in the same way; one after the other, as a list says (`null` is a good answer,
   * and so is what follows the list); at {@link Flapping random}; or as a function decides.
   * @default none fails
   */
  faults?: Fault | readonly (Fault | null | undefined)[] | Flapping | ((request: FaultyRequest, attempt: number) => Fault | null | undefined);
  /** What good answers say, always or to each request. */
  answer?: string | readonly string[] | Answer | ((request: FaultyRequest) => string | readonly string[] | Answer);
  /** Who serves every model, for clients that ask the Hub or the router. */
  providers?: readonly string[];
  /** The same seed and the same requests give the same faults in the same places. */
  seed?: number;
  /**
   * What delays and moments are taken from.
   * @default the global timers and `Date.now`, looked up at each use, so that your test runner's fake timers work
   */
  clock?: Clock;
}

/** A function to give to a client as its `fetch`. */
export type FaultyFetch = typeof globalThis.fetch & {
  /** The requests so far. The entries change while their answers are read. */
  readonly requests: readonly FaultyRequest[];
};

type Kind = "chat" | "completion" | "generation";
type Step = { bytes: Uint8Array; deltas: number };

const globalClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

const encoder = new TextEncoder();
const JSON_TYPE = "application/json";
const PAGE = "<!DOCTYPE html>\n<html><head><title>Oops</title></head><body><h1>Something is in the way</h1></body></html>\n";

/**
 * Makes a `fetch` that answers as an inference service does, and fails as told.
 *
 * It answers chats (`…/chat/completions`), text completions (`…/completions`) and everything else as Text
 * Generation Inference would, streamed or whole as the request asks, and the look-ups of who serves a model. It
 * returns real `Response`s, heeds the signal, and touches no network.
 *
 * @example
 * ```ts
 * const clock = new VirtualClock();
 * const restore = clock.install();
 * const fetch = faultyFetch({
 *   clock,
 *   answer: "The sky is blue.",
 *   faults: [{ kind: "status", status: 429, retryAfter: 30 }, { kind: "reset", after: 2 }],
 * });
 * const client = new InferenceClient({ endpointUrl: "https://llm.example", fetch });
 *
 * // The first request is refused, the second, 30 s later, breaks off after two words.
 * const error = await clock.run(client.chat.stream(request).final().catch((error) => error));
 * assert.equal(error.partial.text, "The sky");
 * assert.equal(fetch.requests[1].at - fetch.requests[0].at, 30_000);
 * restore();
 * ```
 */
export function faultyFetch(options: FaultyFetchOptions = {}): FaultyFetch {
  const { clock = globalClock, providers = ["groq", "together", "hf-inference"] } = options;
  const random = generator(options.seed ?? 1);
  const requests: FaultyRequest[] = [];
  let attempts = 0;

  const fetch = async (input: unknown, init?: { method?: string; headers?: unknown; body?: unknown; signal?: AbortSignal | null }): Promise<Response> => {
    const from = typeof input === "object" && input !== null && "url" in input ? (input as Request) : undefined;
    const signal = init?.signal ?? from?.signal;
    signal?.throwIfAborted();
    const url = String(from?.url ?? input);
    const method = (init?.method ?? from?.method ?? "GET").toUpperCase();
    const body = init?.body ?? (from && method !== "GET" && method !== "HEAD" ? await from.clone().text() : undefined);
    const request: FaultyRequest = {
      attempt: 0,
      url,
      method,
      headers: readable(new Headers((init?.headers ?? from?.headers) as HeadersInit | undefined)),
      body: typeof body === "string" ? parsed(body) : body == null ? undefined : parsed(await new Response(body as BodyInit).text()),
      at: clock.now(),
      fault: undefined,
      deltas: 0,
      aborted: false,
      closed: false,
    };
    requests.push(request);
    const path = new URL(url, "http://localhost").pathname;
    if (method === "GET") return whole(request, 200, JSON_TYPE, JSON.stringify(lookUp(path, providers)));

    request.attempt = ++attempts;
    // Drawn for each request, whether or not it is used: otherwise one fault would move all later ones.
    const [draw, place] = [random(), random()];
    request.fault = choose(options.faults, request, draw) ?? undefined;
    const said = typeof options.answer === "function" ? options.answer(request) : options.answer;
    return answer(request, path, said, place, clock, signal ?? undefined);
  };
  return Object.assign(fetch as typeof globalThis.fetch, { requests });
}

function choose(faults: FaultyFetchOptions["faults"], request: FaultyRequest, draw: number): Fault | null | undefined {
  if (typeof faults === "function") return faults(request, request.attempt);
  if (faults === undefined || "kind" in faults) return faults;
  if (!("random" in faults)) return faults[request.attempt - 1];
  let below = 0;
  return faults.random.find(({ rate }) => draw < (below += rate))?.fault;
}

async function answer(
  request: FaultyRequest,
  path: string,
  said: string | readonly string[] | Answer | undefined,
  place: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const { fault } = request;
  const body = (typeof request.body === "object" ? request.body : {}) as { stream?: unknown; model?: unknown; stream_options?: { include_usage?: unknown } };
  const waiter = new Waiter(clock, signal, request);
  switch (fault?.kind) {
    case "status":
      return refusal(request, fault, clock);
    case "network-error":
      request.closed = true;
      // What is thrown comes later, as from a real network.
      await Promise.resolve();
      throw new TypeError(fault.message ?? "fetch failed");
    case "html":
      return whole(request, 200, "text/html; charset=utf-8", PAGE);
    case "slow-start":
      await waiter.wait(fault.delay);
      break;
    case "stall":
      if (fault.after === "request") await waiter.wait(Infinity);
  }

  const kind: Kind = /\/chat\/completions$/.test(path) ? "chat" : /\/completions$/.test(path) ? "completion" : "generation";
  const streamed = (body.stream === true || /\/generate_stream$/.test(path)) && fault?.kind !== "no-stream";
  const model = typeof body.model === "string" ? body.model : "test-model";
  const full = typeof said === "object" && "length" in said ? { text: said } : typeof said === "object" ? said : { text: said ?? "Nothing is lost, nothing hangs, and nobody is told a lie." };
  const script = new Script(kind, model, full, body.stream_options?.include_usage === true);
  const { steps, ending } = streamed ? streamSteps(script, fault, place) : wholeSteps(script, fault, /\/generate$/.test(path));
  const type = streamed ? "text/event-stream" : JSON_TYPE;
  return new Response(bodyOf(steps, ending, fault, waiter, signal, request), {
    headers: { "content-type": fault?.kind === "content-type" ? fault.contentType : type, "x-request-id": `request-${request.attempt}` },
  });
}

function refusal(request: FaultyRequest, fault: StatusFault, clock: Clock): Response {
  const { status, body = "json", retryAfter, retryAfterMs, shouldRetry, rateLimit } = fault;
  const headers: Record<string, string> = { "x-request-id": `request-${request.attempt}` };
  if (typeof retryAfter === "object") {
    // Such a date has whole seconds only: it must not come too early.
    headers["retry-after"] = new Date(Math.ceil((clock.now() + retryAfter.date * 1000) / 1000) * 1000).toUTCString();
  } else if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
  if (retryAfterMs !== undefined) headers["retry-after-ms"] = String(retryAfterMs);
  if (shouldRetry !== undefined) headers["x-should-retry"] = String(shouldRetry);
  if (rateLimit) {
    const { limit = 100, remaining = 0, reset, standard } = rateLimit;
    if (standard) headers["ratelimit"] = `"api";r=${remaining};t=${reset}`;
    else Object.assign(headers, { "x-ratelimit-limit-requests": `${limit}`, "x-ratelimit-remaining-requests": `${remaining}`, "x-ratelimit-reset-requests": `${reset}s` });
  }
  const forms: Record<string, [string, string]> = {
    json: [JSON_TYPE, JSON.stringify({ error: { message: `Refused with status ${status}`, type: status < 500 ? "invalid_request_error" : "server_error", code: null } })],
    html: ["text/html; charset=utf-8", PAGE],
    text: ["text/plain; charset=utf-8", `Refused with status ${status}`],
    empty: ["text/plain", ""],
  };
  const [type, text] = typeof body === "object" ? [JSON_TYPE, JSON.stringify(body)] : (forms[body] ?? ["text/plain; charset=utf-8", body]);
  return whole(request, status, type, text, { ...headers, ...fault.headers });
}

function whole(request: FaultyRequest, status: number, type: string, text: string, headers: Record<string, string> = {}): Response {
  request.closed = true;
  // The only statuses that `Response` refuses to give a body.
  const none = status === 204 || status === 205 || status === 304;
  return new Response(none ? null : text, { status, headers: { "content-type": type, ...headers } });
}

/** How a body ends: as it should, broken, or never. */
type Ending = "end" | "break" | "never";

function streamSteps(script: Script, fault: Fault | undefined, place: number): { steps: Step[]; ending: Ending } {
  const framing: Partial<FramingFault> = fault?.kind === "framing" ? fault : {};
  const line = framing.newline ?? "\n";
  const field = (name: string, value: string): string => `${name}:${framing.space === false ? "" : " "}${value}${line}`;
  const data = (json: unknown): string => {
    const text = typeof json === "string" ? json : JSON.stringify(json, null, framing.pretty ? 1 : undefined);
    return text.split("\n").map((part) => field("data", part)).join("") + line;
  };
  const { chunks } = script;
  const total = chunks.filter(({ delta }) => delta).length;
  const drawn = 1 + Math.floor(place * Math.max(total - 1, 0));
  const after = fault && "after" in fault && typeof fault.after === "number" ? fault.after : drawn;
  const breaks = fault && ["stall", "reset", "cut", "bad-frame", "error-event"].includes(fault.kind);

  const steps: Step[] = [];
  const say = (text: string, deltas = 0): void => void steps.push({ bytes: encoder.encode(text), deltas });
  if (framing.bom) say("\ufeff");
  let shown = 0;
  for (const { json, delta } of chunks) {
    if (breaks && delta && shown++ === after) {
      if (fault.kind === "reset") return { steps, ending: "break" };
      if (fault.kind === "stall") return { steps, ending: "never" };
      if (fault.kind === "cut") {
        const text = data(json);
        if (fault.inLine) say(text.slice(0, text.length / 2));
        return { steps, ending: "end" };
      }
      if (fault.kind === "error-event") {
        say(errorEvent(fault.shape ?? "openai", fault.message ?? "The engine has died", data, field, line));
        if (fault.done) say(data("[DONE]"));
        return { steps, ending: "end" };
      }
      if (fault.kind === "bad-frame") {
        say(data(fault.frame ?? `${JSON.stringify(json).slice(0, -2)}`));
        continue;
      }
    }
    if (framing.comments) say(`:${line}${line}: keep-alive${line}${line}`);
    say(data(json), delta ? 1 : 0);
  }
  if (script.kind !== "generation" && framing.done !== false && !(fault?.kind === "held-open" && fault.done === false)) {
    say(data("[DONE]"));
    if (fault?.kind === "done-twice") say(data("[DONE]"));
  }
  if (framing.terminated === false) {
    const last = steps.at(-1)!;
    last.bytes = last.bytes.subarray(0, last.bytes.length - 2 * line.length);
  }
  return { steps, ending: fault?.kind === "held-open" ? "never" : "end" };
}

function wholeSteps(script: Script, fault: Fault | undefined, single: boolean): { steps: Step[]; ending: Ending } {
  const text = JSON.stringify(script.kind === "generation" && !single ? [script.whole] : script.whole);
  const cut = fault && "after" in fault && fault.after === 0 ? 0 : text.length / 2;
  const steps = (part: string): Step[] => [{ bytes: encoder.encode(part), deltas: 0 }];
  switch (fault?.kind) {
    case "reset":
      return { steps: steps(text.slice(0, cut)), ending: "break" };
    case "stall":
      return { steps: steps(text.slice(0, cut)), ending: "never" };
    case "cut":
    case "bad-frame":
      return { steps: steps(text.slice(0, cut)), ending: "end" };
    case "error-event":
      return { steps: steps(JSON.stringify({ error: fault.message ?? "The engine has died" })), ending: "end" };
    case "held-open":
      return { steps: steps(text), ending: "never" };
    default:
      return { steps: steps(text), ending: "end" };
  }
}

function errorEvent(shape: ErrorShape, message: string, data: (json: unknown) => string, field: (name: string, value: string) => string, line: string): string {
  switch (shape) {
    case "openai":
      return data({ error: { message, type: "server_error", param: null, code: 503 } });
    case "tgi":
      return data({ error: message, error_type: "generation" });
    case "tgi-chat":
      return data({ error: { message, http_status_code: 422 } });
    case "vllm":
      return data({ object: "error", message, type: "InternalServerError", param: null, code: 500 });
    case "llama-cpp":
      return field("error", JSON.stringify({ code: 500, message, type: "server_error" })) + line;
    case "named":
      return field("event", "error") + data({ message });
  }
}

function bodyOf(
  steps: Step[],
  ending: Ending,
  fault: Fault | undefined,
  waiter: Waiter,
  signal: AbortSignal | undefined,
  request: FaultyRequest,
): ReadableStream<Uint8Array> {
  const drip = fault?.kind === "drip" ? fault : undefined;
  const size = drip ? (drip.bytes ?? 1) : fault?.kind === "framing" ? fault.bytes : undefined;
  const pieces = size === undefined ? steps : steps.flatMap((step) => cutUp(step, size));
  const keepAlive = fault?.kind === "stall" ? fault.keepAlive : undefined;
  let at = 0;
  let stop: () => void = () => {};
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const abort = (): void => {
          if (request.closed) return;
          request.aborted = request.closed = true;
          controller.error(signal!.reason);
        };
        if (signal?.aborted) return abort();
        signal?.addEventListener("abort", abort);
        stop = () => {
          request.closed = true;
          signal?.removeEventListener("abort", abort);
        };
      },
      async pull(controller) {
        if (request.closed) return;
        const step = pieces[at++];
        if (step) {
          if (drip?.delay) await waiter.wait(drip.delay).catch(() => {});
          if (request.closed) return;
          request.deltas += step.deltas;
          controller.enqueue(step.bytes);
        } else if (ending === "never") {
          await waiter.wait(keepAlive ?? Infinity).catch(() => {});
          if (!request.closed) controller.enqueue(encoder.encode(": keep-alive\n\n"));
        } else {
          stop();
          if (ending === "end") controller.close();
          else controller.error(new TypeError("terminated"));
        }
      },
      cancel() {
        request.aborted = true;
        stop();
        waiter.end();
      },
    },
    // Nothing is made before it is read, so that `deltas` says what the client took.
    { highWaterMark: 0 },
  );
}

function cutUp({ bytes, deltas }: Step, size: number): Step[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => ({
    bytes: bytes.subarray(at * size, (at + 1) * size),
    deltas: at === count - 1 ? deltas : 0,
  }));
}

/** Waits on the clock, until the client has enough of it. */
class Waiter {
  /** Ends the wait that is under way. */
  end: () => void = () => {};

  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #request: FaultyRequest;

  constructor(clock: Clock, signal: AbortSignal | undefined, request: FaultyRequest) {
    this.#clock = clock;
    this.#signal = signal;
    this.#request = request;
  }

  /** Rejects with the signal's reason. */
  wait(milliseconds: number): Promise<void> {
    const clock = this.#clock;
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      const release = (): void => {
        if (timer !== undefined) clock.clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      const abort = (): void => {
        release();
        this.#request.aborted = this.#request.closed = true;
        reject(signal!.reason);
      };
      this.end = () => {
        release();
        resolve();
      };
      signal?.addEventListener("abort", abort);
      const timer = milliseconds === Infinity ? undefined : clock.setTimeout(() => this.end(), milliseconds);
    });
  }
}

/** What a healthy service says to one request, in its protocol. */
class Script {
  readonly kind: Kind;
  readonly chunks: { json: object; delta: boolean }[] = [];
  readonly whole: object;

  constructor(kind: Kind, model: string, answer: Answer, includeUsage: boolean) {
    this.kind = kind;
    const words = deltasOf(answer.text);
    const text = words.join("");
    const calls = kind === "chat" ? (answer.toolCalls ?? []).map((call, index) => ({ index, id: call.id ?? `call_${index + 1}`, ...call })) : [];
    const reasoning = kind === "chat" ? deltasOf(answer.reasoning) : [];
    const finish = answer.finishReason ?? (calls.length > 0 ? "tool_calls" : kind === "generation" ? "eos_token" : "stop");
    const count = words.length + reasoning.length + calls.length;
    const usage = { prompt_tokens: 7, completion_tokens: count, total_tokens: 7 + count };

    if (kind === "generation") {
      words.forEach((word, position) => {
        const last = position === words.length - 1;
        const token = { id: position, text: word, logprob: -0.5, special: false };
        const details = last ? { finish_reason: finish, generated_tokens: words.length, seed: null } : null;
        this.chunks.push({ json: { index: position + 1, token, generated_text: last ? text : null, details }, delta: true });
      });
      this.whole = { generated_text: text, details: { finish_reason: finish, generated_tokens: words.length, seed: null, prefill: [], tokens: [] } };
      return;
    }

    const head = { id: "answer-1", object: kind === "chat" ? "chat.completion.chunk" : "text_completion", created: 1_767_225_600, model };
    const chunk = (choice: object | undefined, delta: boolean, usage?: object): void => {
      const choices = choice ? [{ index: 0, ...choice }] : [];
      this.chunks.push({ json: { ...head, choices, ...(usage ? { usage } : answer.nullUsage ? { usage: null } : {}) }, delta });
    };
    const finishing = (position: number): string | null => (answer.finishWithLast && position === words.length - 1 ? finish : null);
    if (kind === "chat") {
      chunk({ delta: { role: "assistant", content: "" }, finish_reason: null }, false);
      for (const part of reasoning) chunk({ delta: { reasoning_content: part }, finish_reason: null }, true);
      words.forEach((content, at) => chunk({ delta: { content }, finish_reason: finishing(at) }, true));
      for (const { index, id, name, arguments: json } of calls) {
        const call = (own: object): object => ({ delta: { tool_calls: [{ index, ...own }] }, finish_reason: null });
        chunk(call({ id, type: "function", function: { name, arguments: "" } }), true);
        chunk(call({ function: { arguments: json } }), true);
      }
      if (!answer.finishWithLast) chunk({ delta: {}, finish_reason: finish }, false);
    } else {
      words.forEach((word, at) => chunk({ text: word, logprobs: null, finish_reason: finishing(at) }, true));
      if (!answer.finishWithLast) chunk({ text: "", logprobs: null, finish_reason: finish }, false);
    }
    if (includeUsage) chunk(undefined, false, usage);

    const tool_calls = calls.map(({ id, name, arguments: json }) => ({ id, type: "function", function: { name, arguments: json } }));
    const message = {
      role: "assistant",
      content: calls.length > 0 && text === "" ? null : text,
      ...(reasoning.length > 0 ? { reasoning_content: reasoning.join("") } : {}),
      ...(calls.length > 0 ? { tool_calls } : {}),
    };
    const choice = { index: 0, ...(kind === "chat" ? { message } : { text }), logprobs: null, finish_reason: finish };
    this.whole = { ...head, object: kind === "chat" ? "chat.completion" : "text_completion", choices: [choice], usage };
  }
}

function deltasOf(text: string | readonly string[] | undefined): readonly string[] {
  if (typeof text !== "string") return text ?? [];
  return text.match(/\s*\S+\s*$|\s*\S+/g) ?? [];
}

/** What the Hub (`/api/models/…`) and the router (`/v1/models/…`) say of who serves a model. */
function lookUp(path: string, providers: readonly string[]): object {
  const id = decodeURIComponent(path.replace(/^.*?\/models\/?/, ""));
  const entries = providers.map((provider) => [provider, { status: "live", providerId: id, task: "conversational" }]);
  const offers = providers.map((provider) => ({ provider, status: "live", context_length: 131_072, supports_tools: true, supports_structured_output: true }));
  return { id, object: "model", inferenceProviderMapping: Object.fromEntries(entries), providers: offers };
}

function readable(headers: Headers): Record<string, string> {
  const secret = /^(authorization|cookie|x-api-key|api-key)$/;
  return Object.fromEntries([...headers].map(([name, value]) => [name, secret.test(name) ? "[redacted]" : value]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What makes time pass in truth, whatever replaces the globals later. */
const inTruth = globalThis.setTimeout;

/**
 * A clock that waits for nothing: time passes when you say so. Install it, and everything that keeps time by
 * the global timers, this package among it, is on it.
 *
 * @example
 * ```ts
 * const clock = new VirtualClock();
 * const restore = clock.install();
 * try {
 *   const answer = await clock.run(client.chatCompletion(request)); // however long that takes
 * } finally {
 *   restore();
 * }
 * ```
 */
export class VirtualClock implements Clock {
  readonly #start: number;
  #now: number;
  /** In the order in which they were set. */
  readonly #timers = new Set<VirtualTimer>();

  /** @param start Milliseconds since 1970; by default the beginning of 2026. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#start = this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** Timers have whole milliseconds, and none comes early. */
  setTimeout(callback: () => void, milliseconds = 0): object {
    const delay = Math.ceil(Math.max(0, Number(milliseconds) || 0));
    const timer = new VirtualTimer(callback, () => {
      // Set again, it comes after the others of its moment.
      this.#timers.delete(timer);
      this.#timers.add(timer);
      timer.at = this.#now + delay;
    });
    timer.refresh();
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as VirtualTimer);
  }

  /** How long it is to the next timer; `undefined` when there is none. */
  get next(): number | undefined {
    const first = this.#first();
    return first && first.at - this.#now;
  }

  /** Lets so many milliseconds pass, and everything happen that is due by then. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      await turn();
      const first = this.#first();
      if (!first || first.at > until) break;
      this.#fire(first);
    }
    this.#now = until;
  }

  /**
   * Lets time pass until the promise settles. Nothing may happen meanwhile that is not on this clock or in
   * memory: a real network would find that years have passed.
   *
   * @param patience For how many milliseconds in truth nothing may happen before that counts as hanging: what is
   *   loaded or compiled takes its time.
   * @throws when nothing is left to happen and the promise is still pending: it would hang.
   */
  async run<Value>(promise: Promise<Value>, patience = 5_000): Promise<Value> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    for (let idle = 0; !settled; ) {
      await turn();
      if (settled) break;
      const first = this.#first();
      if (first) {
        idle = 0;
        this.#fire(first);
      } else if ((idle += 5) > patience) {
        throw new Error("It hangs: nothing is left to happen, and the promise is still pending");
      } else {
        await new Promise<void>((resolve) => inTruth(resolve, 5));
      }
    }
    return promise;
  }

  /**
   * Puts this clock in the place of `setTimeout`, `clearTimeout`, `performance.now` and `Date.now`.
   *
   * @returns What puts them back.
   */
  install(): () => void {
    const { clearTimeout } = globalThis;
    const places: [object, string, unknown][] = [
      [globalThis, "setTimeout", (callback: (...values: unknown[]) => void, milliseconds?: number, ...values: unknown[]) => this.setTimeout(() => callback(...values), milliseconds)],
      // Timers from before are still the platform's.
      [globalThis, "clearTimeout", (timer: unknown) => (timer instanceof VirtualTimer ? this.clearTimeout(timer) : clearTimeout(timer as number))],
      [globalThis.performance, "now", () => this.#now - this.#start],
      [Date, "now", () => this.#now],
    ];
    const undo = places.map(([object, name, value]) => {
      const own = Object.getOwnPropertyDescriptor(object, name);
      Object.defineProperty(object, name, { value, configurable: true, writable: true });
      return () => {
        if (own) Object.defineProperty(object, name, own);
        else delete (object as Record<string, unknown>)[name];
      };
    });
    return () => undo.forEach((restore) => restore());
  }

  #first(): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this.#timers) if (!first || timer.at < first.at) first = timer;
    return first;
  }

  #fire(timer: VirtualTimer): void {
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.callback();
  }
}

/** What Node's own parts expect of a timer. */
class VirtualTimer {
  at = 0;
  readonly callback: () => void;
  readonly #set: () => void;

  constructor(callback: () => void, set: () => void) {
    this.callback = callback;
    this.#set = set;
  }

  refresh(): this {
    this.#set();
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

/** Lets happen what can happen now. */
async function turn(): Promise<void> {
  for (let count = 0; count < 2; count++) await new Promise<void>((resolve) => inTruth(resolve, 0));
}

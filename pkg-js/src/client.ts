/** The client: what callers construct and call. */

import { fromFacts, InputError, InternalError } from "./errors.js";
import { Exchange, nothing, type Hooks } from "./exchange.js";
import * as glue from "./hf_inference_wasm.js";
import { afterThrow, generation, init, isLoaded } from "./instance.js";
import { accessTokens, alone, listener, merge, signals, split, toCore, type AccessToken, type CallOptions, type ClientOptions, type RequestOptions } from "./options.js";
import type { Recalls } from "./recall.js";
import type { Routing } from "./route.js";
import { prepareSchema } from "./schema.js";
import { ChatStream, GenerationStream, type ChatFinal } from "./stream.js";
import { readObject } from "./structured.js";
import type { Accounts } from "./accounts.js";
import type { Batch, BatchAnswer, BatchInput, BatchOptions, Run } from "./batch.js";
import type { ChatCompletion, ChatCompletionRequest } from "./types/chat.js";
import type { TextGenerationOutput, TextGenerationRequest } from "./types/generation.js";
import type { LedgerSummary, ModelFilter, ModelInfo } from "./types/money.js";
import type { InferSchema, InferSchemaInput, Schema } from "./types/schema.js";

/** A chat request that may carry its own options, as `@huggingface/inference` has it. */
export type ChatArguments = ChatCompletionRequest & RequestOptions;
/** A chat request whose answer may be anything. */
export type PlainChatArguments = ChatArguments & { schema?: never };
/** A chat request whose answer is to be a value of a schema. */
export type StructuredChatArguments<Wanted extends Schema> = ChatArguments & {
  /**
   * What the answer is to be: a JSON Schema, or a schema of any library that implements Standard Schema
   * (Zod, Valibot, ArkType, …). It is sent as the request's `response_format`, in the form that the
   * provider wants, unless the request has one of its own; the answer is validated in any case.
   */
  schema: Wanted;
};
/** The whole of an answer that is a value. */
export type ParsedAnswer<Value> = ChatFinal<Value> & {
  /** The value. */
  object: Value;
};
/** A text-generation request that may carry its own options, as `@huggingface/inference` has it. */
export type GenerationArguments = TextGenerationRequest & RequestOptions;

const CHAT = false;
const GENERATION = true;

/**
 * A client of Hugging Face Inference Providers, dedicated Inference Endpoints and any
 * OpenAI-compatible server.
 *
 * @example
 * ```ts
 * const client = new InferenceClient({ accessToken: () => process.env.HF_TOKEN });
 * const stream = await client.chat.completions.create({
 *   model: "openai/gpt-oss-120b",
 *   messages: [{ role: "user", content: "Why is the sky blue?" }],
 *   stream: true,
 * });
 * for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
 * ```
 */
export class InferenceClient {
  /** Chat completions, in OpenAI's arrangement. */
  readonly chat: Chat;

  /** What the calls of this client have used. */
  readonly ledger: Ledger;

  readonly #options: ClientOptions;
  #core: { client: glue.Client; generation: number } | undefined;
  #recalls: Recalls | undefined;
  #accounts: Accounts | undefined;

  /** @param options What all calls of this client have in common. */
  constructor(options?: ClientOptions);
  /**
   * @param accessToken A Hugging Face token or a provider's own key, or a function that gives one.
   * @param options What all calls of this client have in common.
   */
  constructor(accessToken: AccessToken | undefined, options?: ClientOptions);
  constructor(first?: ClientOptions | AccessToken, second?: ClientOptions) {
    const isToken = typeof first === "string" || typeof first === "function";
    this.#options = isToken ? { ...second, accessToken: first } : { ...second, ...(first as ClientOptions | undefined) };
    this.chat = {
      completions: {
        create: ((request: ChatArguments & { stream?: boolean | null }, options?: CallOptions) =>
          request?.stream
            ? this.#opened(this.chatCompletionStream(request, options))
            : this.chatCompletion(request, options)) as ChatCompletions["create"],
      },
      stream: (request: ChatArguments, options?: CallOptions) => this.chatCompletionStream(request, options),
      parse: (request, options) => this.#parsed(this.chatCompletionStream(request, options)),
    };
    const summary = (): LedgerSummary => this.#summary();
    this.ledger = { summary, toJSON: summary };
  }

  /**
   * The models that the router serves, who serves them, and on what terms: the router's own list, kept for
   * five minutes, or what the option `catalog` gives. From then on the cost of calls is known, too.
   *
   * @throws {@link NetworkError} when the list cannot be read (in pages perhaps because of CORS: see the option
   *   `catalog`), {@link InvalidResponseError} when it is none.
   */
  async models(filter?: ModelFilter): Promise<ModelInfo[]> {
    return (await this.#account()).models(filter);
  }

  /**
   * Asks for a whole answer.
   *
   * @returns The service's answer, untouched.
   * @throws {@link InferenceError}, or the reason of an aborted signal.
   */
  async chatCompletion(request: ChatArguments, options?: CallOptions): Promise<ChatCompletion> {
    return JSON.parse(await this.#whole(CHAT, request, options)) as ChatCompletion;
  }

  /**
   * Asks for a streamed answer that is a value of `schema`. The request is sent at once; errors reach
   * whoever reads the stream.
   */
  chatCompletionStream<const Wanted extends Schema>(
    request: StructuredChatArguments<Wanted>,
    options?: CallOptions,
  ): ChatStream<InferSchema<Wanted>, InferSchemaInput<Wanted>>;
  /** Asks for a streamed answer. The request is sent at once; errors reach whoever reads the stream. */
  chatCompletionStream(request: PlainChatArguments, options?: CallOptions): ChatStream;
  chatCompletionStream(request: ChatArguments & { schema?: Schema }, options?: CallOptions): ChatStream {
    return new ChatStream(this.#exchange(CHAT, true, request, options), request?.schema);
  }

  /**
   * Generates text after `inputs`: with TGI's own protocol or an OpenAI completion route, whichever
   * the target speaks.
   *
   * @throws {@link InferenceError}, or the reason of an aborted signal.
   */
  async textGeneration(request: GenerationArguments, options?: CallOptions): Promise<TextGenerationOutput> {
    return JSON.parse(await this.#whole(GENERATION, request, options)) as TextGenerationOutput;
  }

  /** Generates text as a stream of token events in TGI's shape, whatever the target speaks. */
  textGenerationStream(request: GenerationArguments, options?: CallOptions): GenerationStream {
    return new GenerationStream(this.#exchange(GENERATION, true, request, options));
  }

  /**
   * Makes many calls, a few at a time: chats (requests with `messages`) and text generations (with `inputs`). Each is
   * an ordinary call, with this client's limits, retries, budgets and cache. Nothing is sent before the batch is read.
   *
   * @param requests Requests, or `{ request, id?, options? }`; an array, or anything else that gives one after the
   *   other. The next is taken when there is room for it.
   */
  batch<Item extends BatchInput>(requests: Iterable<Item> | AsyncIterable<Item>, options?: BatchOptions): Batch<BatchAnswer<Item>> {
    let loading: Promise<Run<Item>> | undefined;
    const load = (): Promise<Run<Item>> => (loading ??= import("./batch.js").then(({ Run }) => new Run<Item>(this, this.#options, requests, options)));
    return {
      next: async () => (await load()).next(),
      return: async () => (await load()).return(),
      throw: async (error) => (await load()).throw(error),
      results: async () => (await load()).results(),
      abort: (reason) => void load().then((run) => run.abort(reason), () => {}),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * This client, bound to a dedicated endpoint or an OpenAI-compatible server. It has the same options, and books
   * of its own: a ledger, and what its budgets have spent.
   *
   * @param endpointUrl Its host, its `…/v1`, a sub-path or a full route.
   */
  endpoint(endpointUrl: string): InferenceClient {
    const { provider: _, baseUrl: __, ...options } = this.#options;
    return new InferenceClient({ ...options, endpointUrl });
  }

  /**
   * What this client has learned and another may go on from, as JSON without secrets: which targets it
   * leaves alone, and until when. For runtimes whose instances live for a few requests: keep it where your
   * platform keeps things, and give it as `snapshot`.
   */
  async snapshot(): Promise<string> {
    if (!isLoaded()) await init();
    return this.#client().snapshot();
  }

  async #parsed<Value, Written>(stream: ChatStream<Value, Written>): Promise<ParsedAnswer<Value>> {
    const final = await stream.final();
    // The model called tools instead: there is no text to be read.
    if (!("object" in final)) readObject(final);
    return final as ParsedAnswer<Value>;
  }

  async #opened(stream: ChatStream): Promise<ChatStream> {
    await stream.opened;
    return stream;
  }

  async #whole(generation: boolean, request: object, options: CallOptions | undefined): Promise<string> {
    const exchange = this.#exchange(generation, false, request, options);
    await exchange.pull(nothing, nothing);
    if (exchange.failure) throw exchange.failure.error;
    return exchange.result;
  }

  #exchange(isGeneration: boolean, streamed: boolean, request: object, options: CallOptions | undefined): Exchange {
    let ready = this.#ready();
    let recall: typeof import("./recall.js") | undefined;
    let router: typeof import("./route.js") | undefined;
    let routing: Routing | undefined;
    let tokens: unknown[] | undefined;
    const { cache, singleFlight, route } = merge(this.#options, options);
    if (cache || singleFlight) {
      // Who cannot load it does without.
      ready = Promise.all([ready, import("./recall.js").then((module) => (recall = module), () => {})]).then(() => {});
    }
    if (route) {
      const loading = import("./route.js").then(
        (module) => (router = module),
        (cause) => { throw new InternalError("internal", "route.js could not be loaded", undefined, cause); },
      );
      ready = Promise.all([ready, loading]).then(() => {});
    }
    const begin = (hooks: Hooks, core?: object): glue.Call => {
      const { json, own, body, schema } = written(request);
      const call = merge(own, options);
      const all = merge(this.#options, call);
      if (router) routing ??= router.prepare(all, body, schema, { InputError, prepareSchema, readObject });
      // The call and its flight ask for one token together.
      if (!tokens) {
        tokens = accessTokens(all, routing?.targets);
        if (recall) tokens = tokens.map(recall.once);
      }
      if (recall) core ??= (this.#recalls ??= new recall.Recalls({ Exchange, InputError, alone: alone() })).attach(hooks, all, begin, listener(all));
      const overrides = core || routing || Object.keys(call).length > 0 ? { ...toCore(all), ...routing?.core, ...core } : undefined;
      const { fetch, retry } = all;
      const ask = typeof retry === "object" ? retry?.shouldRetry : undefined;
      // An error's facts begin with its kind, and nothing else that is asked does.
      hooks.ask = async (question) => (question.startsWith('{"kind"') ? String(await ask!(fromFacts(question))) : routing!.ask(question));
      return guarded(() =>
        this.#client().call(isGeneration, streamed, json, overrides, tokens!, fetch, !!ask, hooks),
      );
    };
    try {
      const listen = listener(merge(this.#options, options));
      return new Exchange(begin, ready, signals(this.#options.signal, options?.signal), listen);
    } catch (error) {
      // Whatever is wrong with a call reaches whoever reads its answer.
      return new Exchange(() => { throw error; }, ready, []);
    }
  }

  #client(): glue.Client {
    if (this.#core?.generation !== generation) {
      const { snapshot, ...options } = this.#options;
      const client = guarded(() => new glue.Client(toCore(options), snapshot, alone()));
      this.#core = { client, generation };
      if (this.#accounts) client.setAccounts(this.#accounts.json, this.#accounts.catalog);
    }
    return this.#core.client;
  }

  /** What a call has to wait for; `undefined` when that is nothing. */
  #ready(): Promise<void> | undefined {
    const loading = isLoaded() ? undefined : init();
    const { catalog, prices, budget, spikes } = this.#options;
    if ((catalog ?? prices ?? budget ?? spikes) === undefined) return loading;
    const waits = this.#accounts ? this.#accounts.ready() : this.#account().then((accounts) => accounts.ready());
    return loading && waits ? Promise.all([loading, waits]).then(() => {}) : (loading ?? waits);
  }

  async #account(): Promise<Accounts> {
    const { Accounts } = await import("./accounts.js");
    if (!this.#accounts) {
      const accounts: Accounts = new Accounts(this.#options, () => {
        if (this.#core?.generation === generation) this.#core.client.setAccounts("", accounts.catalog);
      });
      if (this.#core?.generation === generation) this.#core.client.setAccounts(accounts.json, "");
      this.#accounts = accounts;
    }
    return this.#accounts;
  }

  #summary(): LedgerSummary {
    const zero = { requests: 0, unpriced: 0, estimated: 0, promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0, usd: 0 };
    const { rows, budgets } = JSON.parse(isLoaded() ? this.#client().ledger() : '{"rows":[],"budgets":[]}');
    const summary: Record<string, unknown[]> = { models: [], providers: [], tags: [], hours: [], days: [] };
    let total = zero;
    for (const { by, key, ...totals } of rows) {
      if (by === "total") total = totals;
      else summary[`${by}s`]!.push(by === "hour" || by === "day" ? { start: +key, ...totals } : { key, ...totals });
    }
    return { total, ...summary, budgets } as unknown as LedgerSummary;
  }
}

/** `client.ledger`. */
export interface Ledger {
  /** What this client's calls have used so far, by model, provider, tag, hour and day. */
  summary(): LedgerSummary;
  /** The same, for `JSON.stringify`. */
  toJSON(): LedgerSummary;
}

/** `client.chat`. */
export interface Chat {
  readonly completions: ChatCompletions;
  /** The same as {@link InferenceClient.chatCompletionStream}. */
  stream<const Wanted extends Schema>(
    request: StructuredChatArguments<Wanted>,
    options?: CallOptions,
  ): ChatStream<InferSchema<Wanted>, InferSchemaInput<Wanted>>;
  /** The same as {@link InferenceClient.chatCompletionStream}. */
  stream(request: PlainChatArguments, options?: CallOptions): ChatStream;
  /**
   * Asks for an answer that is a value of `schema`, and gives the value, validated.
   *
   * @throws {@link InvalidResponseError} when the answer is not JSON or does not fit (`issues` says
   *   where), when the model refused, and when it called tools instead; {@link TruncatedError} when the
   *   answer was cut at `max_tokens`.
   */
  parse<const Wanted extends Schema>(
    request: StructuredChatArguments<Wanted>,
    options?: CallOptions,
  ): Promise<ParsedAnswer<InferSchema<Wanted>>>;
}

/** `client.chat.completions`, as in OpenAI's client. */
export interface ChatCompletions {
  /** Asks for a streamed answer; resolves when it begins, rejects when there is none. */
  create(request: ChatArguments & { stream: true }, options?: CallOptions): Promise<ChatStream>;
  /** Asks for a whole answer. */
  create(request: ChatArguments & { stream?: false | null | undefined }, options?: CallOptions): Promise<ChatCompletion>;
  /** Asks for a whole or a streamed answer, as `stream` says. */
  create(
    request: ChatArguments & { stream?: boolean | null | undefined },
    options?: CallOptions,
  ): Promise<ChatStream | ChatCompletion>;
}

/** A request as the core reads it, and the options that it carries. @internal */
export function written(request: object): { json: string; own: RequestOptions; body: Record<string, unknown>; schema: unknown } {
  const { body, options: own, schema } = split(request);
  if (schema !== undefined) {
    const prepared = prepareSchema(schema);
    body["response_format"] ??= prepared.responseFormat;
  }
  try {
    return { json: JSON.stringify(body), own, body, schema };
  } catch (cause) {
    throw new InputError("input", `The request cannot be written as JSON: ${String(cause)}`, { option: "request" }, cause);
  }
}

/** Runs a call into the core whose errors are facts in JSON. @internal */
export function guarded<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (thrown) {
    throw typeof thrown === "string" ? fromFacts(thrown) : afterThrow(thrown);
  }
}

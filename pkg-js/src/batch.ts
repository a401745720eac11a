/**
 * Many calls, a few at a time: what `client.batch()` gives. Every item is an ordinary call of the client, so whatever
 * holds of calls (limits, gate, retries, budgets, cache, tags) holds of these. Loaded by those who use it.
 */

import { guarded, written, type ChatArguments, type GenerationArguments, type InferenceClient } from "./client.js";
import { InferenceError, InputError, InternalError } from "./errors.js";
import * as glue from "./hf_inference_wasm.js";
import { init, isLoaded } from "./instance.js";
import { merge, signals, type CallOptions } from "./options.js";
import type { ChatFinal, ChatStream, GenerationFinal, GenerationStream } from "./stream.js";
import { withObject } from "./structured.js";
import type { InferSchema, Schema } from "./types/schema.js";

/** A request of a batch: with `messages` it is a chat, with `inputs` a text generation. */
export type BatchRequest = (ChatArguments & { schema?: Schema }) | GenerationArguments;

/** A request of a batch with what is its own. */
export interface BatchItem {
  request: BatchRequest;
  /** A name of yours, which its result has too. */
  id?: string | undefined;
  /** Options of this call alone, over those of the batch. */
  options?: Omit<CallOptions, "signal"> | undefined;
}

/** What a batch takes. */
export type BatchInput = BatchRequest | BatchItem;

type AnswerTo<Request> = Request extends { inputs: unknown }
  ? GenerationFinal
  : Request extends { schema: infer Wanted extends Schema }
    ? ChatFinal<InferSchema<Wanted>>
    : ChatFinal;

/** The answer to an item of a batch: what `final()` of its stream gives. */
export type BatchAnswer<Item> = Item extends { request: infer Request } ? AnswerTo<Request> : AnswerTo<Item>;

/** What became of one item. */
export type BatchResult<Answer = ChatFinal | GenerationFinal> = {
  /** Its position among the requests, from 0. */
  index: number;
  /** Its name, if it was given one. */
  id?: string;
} & (
  | {
      status: "ok";
      /** The whole answer. */
      answer: Answer;
      /** It comes from the checkpoint: no request was sent for it this time. */
      resumed?: true;
    }
  | {
      status: "failed";
      /** Why. The other items are not concerned. */
      error: InferenceError;
    }
);

/** How far a batch is. Sums are those of this run: what came from the checkpoint costs nothing again. */
export interface BatchProgress {
  /** How many items there are: known from the start of an array or a `Set`, of others at their end. */
  total?: number;
  /** Items that have their answer, `resumed` included. */
  done: number;
  /** Items that failed. */
  failed: number;
  /** Items whose call is under way, be it in a queue. */
  running: number;
  /** Items whose answer was in the checkpoint. */
  resumed: number;
  /** The tokens of the calls that are over, told or else estimated. */
  promptTokens: number;
  completionTokens: number;
  /** `completionTokens` by the seconds since the start. */
  tokensPerSecond: number;
  /** What the calls that are over cost, in USD, as far as it is known; absent while nothing is. */
  usd?: number;
  /** How many calls used something whose price is not known: that is not in `usd`. */
  unpriced: number;
  /** The time since the start, in milliseconds. */
  elapsed: number;
  /**
   * About how long it will take still, in milliseconds: the items that are left, at the pace of those that were
   * called so far. Absent while there is none, or `total` is not known.
   */
  eta?: number;
}

/**
 * Where a batch keeps what is finished, so that a later one with the same requests need not ask again. It only ever
 * grows at its end, by one line for each answer (several at once when they come faster than they are written).
 *
 * What is kept are answers, and a SHA-256 of what was asked: no request, no token. A request is known by its content
 * (and its `id`, if it has one), whatever its position: the request itself, who is asked (`model`, `provider`,
 * `endpointUrl`, `baseUrl`), and not the other options. Equal ones count one by one.
 */
export interface BatchCheckpoint {
  /**
   * All that was appended so far, whole or in pieces; nothing at first. A last line that was cut off (by a crash) is
   * passed over.
   */
  load(): CheckpointText | Promise<CheckpointText>;
  /** Adds this text at the end. Called again when its promise has resolved, never at the same time. */
  append(text: string): unknown;
}

/** What {@link BatchCheckpoint.load} may give. */
export type CheckpointText = string | undefined | null | Iterable<string> | AsyncIterable<string>;

/**
 * Options of a batch, and of all its calls: what an item has of its own goes over them. Aborting `signal` stops the
 * batch: whoever reads it gets the reason thrown.
 */
export interface BatchOptions extends CallOptions {
  /**
   * How many calls are under way at the same time, those included that wait for their turn: more than
   * `limits.concurrency` and `limits.queue` take together are refused with a `QueueFullError`.
   * @default 8
   */
  concurrency?: number | undefined;
  /** Told after each item. */
  onProgress?: ((progress: BatchProgress) => void) | undefined;
  /** Where finished items are kept, and found again. Failed ones are not: a later batch calls them anew. */
  checkpoint?: BatchCheckpoint | undefined;
}

/**
 * Many calls under way. Iterate it for results as they come; leaving the loop closes what is in flight.
 *
 * A failed item is a result like any other: the loop throws only for what concerns the batch as a whole (its options,
 * an error of the iterable that gives the requests or of the checkpoint, an abort). Of these, but for an abort, it
 * learns after the items that were under way have come to their end.
 *
 * As many results as calls may be under way wait for the loop; then no further request is taken or sent.
 */
export interface Batch<Answer = ChatFinal | GenerationFinal> extends AsyncIterableIterator<BatchResult<Answer>, undefined> {
  /** Leaves the batch. */
  return(): Promise<IteratorResult<BatchResult<Answer>, undefined>>;
  /** Leaves the batch and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<BatchResult<Answer>, undefined>>;
  /**
   * All results, in the order of the requests, once all are there. Instead of a loop, or called before it: a batch
   * does not keep what a loop has taken unless it knows that it will be asked for.
   *
   * @throws What the loop would.
   */
  results(): Promise<BatchResult<Answer>[]>;
  /**
   * Stops at once: closes what is in flight, takes no further request. Whoever reads gets `reason` thrown, as soon as
   * the checkpoint has what had come.
   *
   * @param reason By default a `DOMException` named `AbortError`.
   */
  abort(reason?: unknown): void;
}

/** How a checkpoint begins. The version changes with its form. */
const HEADER = '{"checkpoint":"hf-inference-wasm","version":1}';

/** What is known of an item before its call is made. */
interface Prepared {
  request: BatchRequest;
  options: CallOptions;
  key: string | undefined;
}

/** A batch under way. @internal */
export class Run<Item extends BatchInput> implements Omit<Batch<BatchAnswer<Item>>, typeof Symbol.asyncIterator> {
  readonly #client: InferenceClient;
  /** The options of the client and of the batch together, and those of the batch's calls alone. */
  readonly #all: CallOptions;
  readonly #common: CallOptions = {};
  readonly #requests: Iterable<Item> | AsyncIterable<Item>;
  #source: Iterator<Item> | AsyncIterator<Item> | undefined;
  #concurrency = 8;
  #onProgress: BatchOptions["onProgress"];
  #checkpoint: BatchCheckpoint | undefined;
  #release: () => void = () => {};

  readonly #running = new Set<ChatStream | GenerationStream>();
  /** Results that wait to be taken. */
  readonly #ready: BatchResult<BatchAnswer<Item>>[] = [];
  /** All results by position, if they are wanted. */
  #kept: BatchResult<BatchAnswer<Item>>[] | undefined;
  #begun = false;
  /** A loop reads it, has taken something, or has come too late for something. */
  #iterated = false;
  #taken = false;
  #dropped = false;
  /** No further request is taken. */
  #ended = false;
  #stopped: { reason: unknown; told: boolean } | undefined;
  /** What is wrong with the batch itself. */
  #fault: { error: unknown; told: boolean } | undefined;
  #change: Promise<void> | undefined;
  #signal: (() => void) | undefined;

  /** Answers of the checkpoint as text, by key. */
  readonly #finished = new Map<string, string[]>();
  /** Lines that wait to be appended, what appends them, and what was begun before. */
  #lines = "";
  #turn: Promise<void> | undefined;
  #written: Promise<void> = Promise.resolve();

  readonly #started = performance.now();
  #total: number | undefined;
  #index = 0;
  #done = 0;
  #failed = 0;
  #calls = 0;
  #resumed = 0;
  #over = 0;
  #promptTokens = 0;
  #completionTokens = 0;
  /** In pico-dollars, so that many small amounts do not drift. */
  #cost: bigint | undefined;
  #unpriced = 0;

  constructor(client: InferenceClient, inherited: CallOptions, requests: Iterable<Item> | AsyncIterable<Item>, options: BatchOptions = {}) {
    this.#client = client;
    this.#requests = requests;
    this.#all = inherited;
    try {
      check("options", isRecord(options), "an object");
      const { concurrency = 8, onProgress, checkpoint, signal, ...common } = options;
      this.#all = merge(inherited, common);
      this.#common = common;
      check("requests", typeof requests !== "string" && (isIterable(requests) || isAsyncIterable(requests)), "an array of requests, or another iterable of them");
      check("concurrency", Number.isInteger(concurrency) && concurrency > 0, "a whole number, 1 or more");
      check("onProgress", onProgress === undefined || typeof onProgress === "function", "a function");
      check("checkpoint", checkpoint === undefined || (typeof checkpoint?.load === "function" && typeof checkpoint.append === "function"), "an object with load and append");
      this.#concurrency = concurrency;
      this.#onProgress = onProgress;
      this.#checkpoint = checkpoint;
      this.#total = Array.isArray(requests) ? requests.length : requests instanceof Set ? requests.size : undefined;
      this.#listen(signals(inherited.signal, signal));
    } catch (error) {
      this.#fault = { error, told: false };
      this.#ended = true;
    }
  }

  async next(): Promise<IteratorResult<BatchResult<BatchAnswer<Item>>, undefined>> {
    this.#iterated = true;
    if (this.#dropped) throw misuse("A batch whose results() are awaited is iterated from its start or not at all");
    this.#begin();
    for (;;) {
      if (this.#stopped) return this.#left(this.#stopped);
      const value = this.#ready.shift();
      if (value) {
        this.#taken = true;
        this.#changed();
        return { done: false, value };
      }
      if (this.#isOver()) return this.#left(this.#fault);
      await this.#next();
    }
  }

  async return(): Promise<IteratorResult<BatchResult<BatchAnswer<Item>>, undefined>> {
    this.#stop(new DOMException("The batch was left", "AbortError"), true);
    await this.#settled();
    return { done: true, value: undefined };
  }

  async throw(error?: unknown): Promise<IteratorResult<BatchResult<BatchAnswer<Item>>, undefined>> {
    await this.return();
    throw error;
  }

  async results(): Promise<BatchResult<BatchAnswer<Item>>[]> {
    if (!this.#kept && this.#taken) throw misuse("What a loop has taken is not kept: call results() before it, or instead of it");
    this.#kept ??= [...this.#ready];
    this.#begin();
    while (!this.#stopped && !this.#isOver()) await this.#next();
    const wrong = this.#stopped ? { error: this.#stopped.reason } : this.#fault;
    await this.#settled();
    if (wrong) throw wrong.error;
    return this.#kept.sort((one, other) => one.index - other.index);
  }

  abort(reason: unknown = new DOMException("The batch was aborted", "AbortError")): void {
    this.#stop(reason, false);
  }

  /** The end of the loop: throws once what there is to be thrown. */
  async #left(wrong: { error?: unknown; reason?: unknown; told: boolean } | undefined): Promise<IteratorReturnResult<undefined>> {
    await this.#settled();
    if (wrong && !wrong.told) {
      wrong.told = true;
      throw "reason" in wrong ? wrong.reason : wrong.error;
    }
    return { done: true, value: undefined };
  }

  #listen(given: AbortSignal[]): void {
    const removals = given.map((signal) => {
      const listener = (): void => this.abort(signal.reason);
      signal.addEventListener("abort", listener, { once: true });
      return () => signal.removeEventListener("abort", listener);
    });
    this.#release = () => removals.forEach((remove) => remove());
    const aborted = given.find((signal) => signal.aborted);
    if (aborted) this.abort(aborted.reason);
  }

  /** Resolves when nothing is under way any more, and what has come is kept. */
  async #settled(): Promise<void> {
    while (this.#calls > 0) await this.#next();
    await this.#written;
  }

  #isOver(): boolean {
    return this.#ended && this.#calls === 0;
  }

  /** Resolves when something happens. */
  #next(): Promise<void> {
    return (this.#change ??= new Promise((resolve) => {
      this.#signal = resolve;
    }));
  }

  #changed(): void {
    if (this.#isOver()) this.#release();
    this.#signal?.();
    this.#change = this.#signal = undefined;
  }

  #stop(reason: unknown, told: boolean): void {
    if (this.#stopped || (this.#isOver() && this.#ready.length === 0)) return;
    this.#stopped = { reason, told };
    this.#release();
    for (const stream of this.#running) stream.abort(reason);
    this.#ready.length = 0;
    this.#close();
    this.#changed();
  }

  /** Lets the source go. Nobody waits for it: it may be waiting itself. */
  #close(): void {
    try {
      void Promise.resolve(this.#source?.return?.()).catch(() => {});
    } catch {
      // A source that cannot be closed is none of the reader's concern.
    }
  }

  #fails(error: unknown): void {
    this.#fault ??= { error, told: false };
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (!this.#ended && !this.#stopped) void this.#run();
  }

  /** Takes one request after the other, as there is room. */
  async #run(): Promise<void> {
    try {
      if (this.#checkpoint) await this.#load(this.#checkpoint);
      const source = (this.#source = isAsyncIterable<Item>(this.#requests)
        ? this.#requests[Symbol.asyncIterator]()
        : (this.#requests as Iterable<Item>)[Symbol.iterator]());
      for (;;) {
        while (!this.#stopped && !this.#fault && !this.#hasRoom()) await this.#next();
        if (this.#stopped) return;
        if (this.#fault) {
          this.#close();
          break;
        }
        const { done, value } = await source.next();
        if (this.#stopped) return;
        if (done) {
          const isNews = this.#total !== this.#index;
          this.#total = this.#index;
          if (isNews) this.#report();
          break;
        }
        await this.#take(await value, this.#index++);
      }
    } catch (error) {
      this.#fails(error);
      this.#close();
    }
    this.#ended = true;
    this.#changed();
  }

  #hasRoom(): boolean {
    return this.#calls < this.#concurrency && this.#ready.length < this.#concurrency;
  }

  async #take(given: Item, index: number): Promise<void> {
    const item = (isRecord(given) && "request" in given ? given : { request: given }) as BatchItem;
    const place = { index, ...(item.id === undefined ? {} : { id: item.id }) };
    this.#calls += 1;
    let prepared: Prepared;
    try {
      prepared = await this.#prepare(item);
      const kept = this.#finished.get(prepared.key ?? "")?.shift();
      const answer = kept === undefined ? undefined : await restored<BatchAnswer<Item>>(kept, prepared.request);
      if (answer) {
        this.#resumed += 1;
        return this.#finish({ ...place, status: "ok", answer, resumed: true });
      }
    } catch (error) {
      return this.#finish({ ...place, status: "failed", error: typed(error) });
    }
    if (this.#stopped) {
      this.#calls -= 1;
      return this.#changed();
    }
    void this.#call(prepared, place);
  }

  /** Checks an item, and finds out what it is known by. */
  async #prepare({ request, id, options }: BatchItem): Promise<Prepared> {
    check("request", isRecord(request) && ("messages" in request) !== ("inputs" in request), "an object with either messages (a chat) or inputs (a text generation)");
    check("id", id === undefined || typeof id === "string", "a string");
    check("options", options === undefined || isRecord(options), "an object");
    check("options.signal", (options as CallOptions | undefined)?.signal === undefined, "absent: the batch has a signal, an item has options.timeout");
    let key: string | undefined;
    if (this.#checkpoint) {
      if (!isLoaded()) await init();
      const { json, own } = written(request);
      const { model, provider, endpointUrl, baseUrl } = merge(this.#all, merge(own, options));
      const named = (request as { model?: string }).model ?? model;
      const form = JSON.stringify(["inputs" in request, id ?? null, named, provider, endpointUrl, baseUrl]);
      key = guarded(() => glue.keyOf(form, json));
    }
    return { request, options: merge(this.#common, options), key };
  }

  async #call({ request, options, key }: Prepared, place: { index: number; id?: string }): Promise<void> {
    const stream = "inputs" in request ? this.#client.textGenerationStream(request as GenerationArguments, options) : this.#client.chatCompletionStream(request as ChatArguments, options);
    this.#running.add(stream);
    let result: BatchResult<BatchAnswer<Item>>;
    try {
      const answer = await stream.final();
      this.#count(answer);
      result = { ...place, status: "ok", answer: answer as BatchAnswer<Item> };
      // What the schema made of it may be no JSON: it is made anew.
      const { object: _, ...plain } = answer as ChatFinal;
      if (key !== undefined) await this.#append(JSON.stringify([key, plain])).catch((error: unknown) => this.#fails(error));
    } catch (thrown) {
      const error = typed(thrown);
      this.#count(error);
      result = { ...place, status: "failed", error };
    }
    this.#running.delete(stream);
    this.#finish(result);
  }

  /** Adds up what a call used. One whose answer was kept, or was another's, used nothing. */
  #count({ usage, cost, trace }: Partial<Pick<ChatFinal, "usage" | "cost" | "trace">>): void {
    if (trace?.cache?.hit) return;
    this.#promptTokens += usage?.prompt_tokens ?? 0;
    this.#completionTokens += usage?.completion_tokens ?? 0;
    if (cost) this.#cost = (this.#cost ?? 0n) + BigInt(Math.round(cost.usd * 1e12));
    else if (usage) this.#unpriced += 1;
  }

  #finish(result: BatchResult<BatchAnswer<Item>>): void {
    this.#calls -= 1;
    this.#over += 1;
    if (this.#stopped) return this.#changed();
    if (result.status === "ok") this.#done += 1;
    else this.#failed += 1;
    this.#kept?.push(result);
    if (this.#iterated) this.#ready.push(result);
    else this.#dropped = true;
    this.#report();
    this.#changed();
  }

  #report(): void {
    if (!this.#onProgress) return;
    const total = this.#total;
    const elapsed = performance.now() - this.#started;
    const called = this.#over - this.#resumed;
    const progress: BatchProgress = {
      ...(total === undefined ? {} : { total }),
      done: this.#done,
      failed: this.#failed,
      running: this.#calls,
      resumed: this.#resumed,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      tokensPerSecond: elapsed > 0 ? (1000 * this.#completionTokens) / elapsed : 0,
      ...(this.#cost === undefined ? {} : { usd: Number(this.#cost) / 1e12 }),
      unpriced: this.#unpriced,
      elapsed,
      ...(total === undefined || called === 0 ? {} : { eta: ((total - this.#over) * elapsed) / called }),
    };
    try {
      this.#onProgress(progress);
    } catch (thrown) {
      // As with the listeners of calls: it is reported, and harms nothing.
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }

  /** Reads what is finished. */
  async #load(checkpoint: BatchCheckpoint): Promise<void> {
    const loaded = await checkpoint.load();
    const pieces = typeof loaded === "string" ? [loaded] : (loaded ?? []);
    check("checkpoint.load", isIterable(pieces) || isAsyncIterable(pieces), "to give text, or pieces of it");
    let rest = "";
    let begun = false;
    const read = (line: string): void => {
      if (begun) return this.#remember(line);
      // A beginning that was cut off is no beginning yet.
      check("checkpoint", HEADER.startsWith(line), "one that a batch of this version wrote");
      begun = line === HEADER;
    };
    for await (const piece of pieces) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop()!;
      lines.forEach(read);
    }
    if (rest !== "") read(rest);
    // Whatever is appended begins on a line of its own.
    this.#lines = (rest === "" ? "" : "\n") + (begun ? "" : `${HEADER}\n`);
  }

  #remember(line: string): void {
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      // It was cut off: the item is not finished.
      return;
    }
    if (!Array.isArray(record) || typeof record[0] !== "string") return;
    const known = this.#finished.get(record[0]);
    if (known) known.push(line);
    else this.#finished.set(record[0], [line]);
  }

  /** Appends a line; those that come while others are written go together. Rejects when it is not kept. */
  #append(line: string): Promise<void> {
    this.#lines += `${line}\n`;
    if (!this.#turn) {
      const turn = this.#written.then(async () => {
        const text = this.#lines;
        this.#lines = "";
        this.#turn = undefined;
        await this.#checkpoint!.append(text);
      });
      this.#turn = turn;
      this.#written = turn.catch(() => {
        // Some of it may be there.
        this.#lines = `\n${this.#lines}`;
      });
    }
    return this.#turn;
  }
}

/** An answer of the checkpoint; `undefined` when it does not fit the request's schema any more. */
async function restored<Answer>(line: string, request: BatchRequest): Promise<Answer | undefined> {
  const [, answer] = JSON.parse(line) as [string, ChatFinal];
  if (!("schema" in request) || request.schema === undefined) return answer as Answer;
  try {
    return (await withObject(answer, request.schema as Schema)) as Answer;
  } catch {
    return undefined;
  }
}

function typed(error: unknown): InferenceError {
  return error instanceof InferenceError ? error : new InternalError("internal", String(error), undefined, error);
}

function check(option: string, fits: boolean, expected: string): void {
  if (!fits) throw new InputError("input", `${option}: expected ${expected}`, { option, expected });
}

function misuse(message: string): InputError {
  return new InputError("input", message);
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Iterable<unknown> | undefined | null)?.[Symbol.iterator] === "function";
}

function isAsyncIterable<Item>(value: unknown): value is AsyncIterable<Item> {
  return typeof (value as AsyncIterable<Item> | undefined | null)?.[Symbol.asyncIterator] === "function";
}

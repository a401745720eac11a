/**
 * One request and its answer: the loop that reads the body and feeds the core.
 *
 * The core decides everything; this loop only moves bytes. It is here, and not in Rust, because a
 * promise that Rust waits for costs more than reading the chunk does. It begins when an attempt has something
 * to show: until then the core reads for itself.
 */

import { fromFacts, InternalError, type PartialAnswer, type Trace } from "./errors.js";
import * as glue from "./hf_inference_wasm.js";
import { afterThrow, generation, onReplacement, writeInput } from "./instance.js";

/** What the core is to put into the batches. The numbers are the core's. */
export const WANT = { text: 1, events: 2, chunks: 3, object: 4 } as const;

const MORE = 0;
const COMPLETE = 1;
const FAILED = 2;
const AGAIN = 3;

interface Chunk {
  done: boolean;
  value?: Uint8Array | undefined;
}

/** Anything a body can be read from, chunk by chunk. */
export interface ChunkReader {
  read(): Promise<Chunk>;
  cancel(): Promise<void>;
}

/** Where a call's answer may come from that costs no request. It must not hold on to the exchange. */
export interface Source {
  /** Looks under a key: a tape, whose `age` is a number if it was kept. */
  recall(key: string, deterministic: boolean): Promise<(ChunkReader & { age?: number }) | undefined>;
  /** The call wants no more of it. */
  leave(): void;
  /** The error of the request that the call shares, once the call has come to it. */
  readonly failure: { error: unknown } | undefined;
  /** The result and the trace of that request, when it is this call's own. */
  result(): string | undefined;
  trace(): Trace | undefined;
}

/** Why requests are given up. One for all: to make it takes longer than to send a request. */
let over: DOMException | undefined;

/** What the core asks of, and tells, the loop. It must not hold on to the exchange. */
export class Hooks {
  /** For how many milliseconds in all the consumer was busy with what it had. */
  busy = 0;
  /** Since when it is; `undefined` while the loop waits for a chunk. */
  busySince: number | undefined;
  /** What was thrown, for the error's `cause`. */
  cause: unknown;
  /** The core's call, while it is. */
  call: glue.Call | undefined;
  /** The body that is the loop's to read. */
  reader: ChunkReader | undefined;
  /** There is a batch to be taken. */
  due = false;
  /** The call is over, as far as the core is concerned. */
  settled = false;
  source: Source | undefined;
  /** Answers what the core asks about a call's route, and whether to try again. */
  ask!: (question: string) => Promise<string>;
  /** Told after each piece that the call took, and at its end. */
  tap: ((call: glue.Call, failure: { error: unknown } | undefined) => void) | undefined;

  readonly #controllers: AbortController[] = [];
  readonly #readers: ChunkReader[] = [];
  readonly #listen: ((notices: string) => void) | undefined;
  #signal: (() => void) | undefined;
  #change: Promise<void> | undefined;

  constructor(listen?: (notices: string) => void) {
    this.#listen = listen;
  }

  /** Resolves when something happens that the loop did not bring about. */
  get change(): Promise<void> {
    this.#change ??= new Promise((resolve) => {
      this.#signal = resolve;
    });
    return this.#change;
  }

  busyUntil(now: number): number {
    return this.busySince === undefined ? this.busy : this.busy + now - this.busySince;
  }

  setCause(cause: unknown): void {
    this.cause = cause;
  }

  newController(): AbortController {
    const controller = new AbortController();
    this.#controllers.push(controller);
    return controller;
  }

  readerOf(response: Response): ChunkReader {
    const reader = chunkReader(response);
    this.#readers.push(reader);
    return reader;
  }

  close(controller: AbortController): void {
    controller.abort((over ??= new DOMException("The call is over", "AbortError")));
  }

  /** Closes what a core that is no more has left open. */
  giveUp(): void {
    for (const controller of this.#controllers) this.close(controller);
    for (const reader of this.#readers) this.cancel(reader);
  }

  cancel(reader: ChunkReader): void {
    reader.cancel().catch(ignore);
  }

  wait(promise: Promise<unknown>, leg: number, turn: number): void {
    const { call } = this;
    const settle = (answer: unknown, thrown: boolean): void => {
      try {
        // What a call that is over still waited for is nobody's any more.
        if (call !== undefined && call === this.call && call.settled(leg, turn, answer, thrown)) return;
      } catch (trap) {
        if (afterThrow(trap) === trap) throw trap;
      }
      refuse(answer);
    };
    promise.then(
      (answer) => settle(answer, false),
      (error: unknown) => settle(error, true),
    );
  }

  recall(key: string, deterministic: boolean): ReturnType<Source["recall"]> {
    return this.source!.recall(key, deterministic);
  }

  lead(reader: ChunkReader): void {
    this.reader = reader;
    this.changed(false);
  }

  changed(settled: boolean): void {
    this.due = true;
    this.settled ||= settled;
    this.#signal?.();
    this.#change = this.#signal = undefined;
  }

  notify(notices: string): void {
    this.#listen?.(notices);
  }
}

/** What a call holds on to after its consumer is gone. */
interface Pending {
  call: glue.Call;
  hooks: Hooks;
}

const abandoned = new FinalizationRegistry<Pending>(({ call, hooks }) => {
  live.delete(hooks);
  hooks.reader?.cancel().catch(ignore);
  hooks.source?.leave();
  try {
    call.abort();
  } catch {
    // The instance that the call belonged to was replaced: there is nothing left to abort.
  }
});

/** Who waits for a core that is no more. */
const live = new Set<Hooks>();

onReplacement(() => {
  for (const hooks of live) {
    hooks.call = undefined;
    hooks.giveUp();
    hooks.changed(true);
  }
});

function ignore(): void {}

/** What a loop gives that reads for no result. */
export function nothing(): undefined {}

/** One call, from the request to its result. */
export class Exchange {
  /** Settles when there is an answer to read: rejects with the call's error if there is none. */
  readonly opened: Promise<void>;
  /** Whether it is over. */
  over = false;
  /** The error that ended it, if one did. */
  failure: { error: unknown } | undefined;
  /** The result as the core's JSON, once it is over without a failure. */
  result = "";
  /** Takes what a piece gave, while it lies in memory: before anything else calls the core. */
  take: () => void = ignore;

  #call: glue.Call | undefined;
  #want = 0;
  readonly #hooks: Hooks;
  #generation = 0;
  #error: { error: unknown } | undefined;
  /** What the core had to say last, as JSON. */
  #last = '{"trace":{"startedAt":0,"state":"open","attempts":[]}}';
  #release: () => void = ignore;
  /** Somebody waits for the next piece, and others for `#turn`. */
  #reads = false;
  #turn: Promise<void> | undefined;
  #endTurn: (() => void) | undefined;

  /**
   * @param begin Makes the core's call.
   * @param ready Resolves when the core is loaded; absent when it is.
   * @param signals The caller's signals.
   * @param listen Takes notices for the caller's listeners, as JSON objects with commas between.
   */
  constructor(
    begin: (hooks: Hooks) => glue.Call,
    ready: Promise<void> | undefined,
    signals: AbortSignal[],
    listen?: (notices: string) => void,
  ) {
    this.#hooks = new Hooks(listen);
    this.#listen(signals);
    this.opened = this.#open(begin, ready);
    // Whoever reads the answer learns of a failure; nobody has to.
    this.opened.catch(ignore);
  }

  #listen(signals: AbortSignal[]): void {
    const weak = new WeakRef(this);
    const removals = signals.map((signal) => {
      const listener = (): void => weak.deref()?.abort(signal.reason);
      signal.addEventListener("abort", listener, { once: true });
      return () => signal.removeEventListener("abort", listener);
    });
    this.#release = () => removals.forEach((remove) => remove());
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted) this.abort(aborted.reason);
  }

  async #open(begin: (hooks: Hooks) => glue.Call, ready: Promise<void> | undefined): Promise<void> {
    const hooks = this.#hooks;
    try {
      if (ready) await ready;
      if (!this.over) {
        const call = begin(hooks);
        this.#generation = generation;
        this.#call = hooks.call = call;
        abandoned.register(this, { call, hooks }, this);
        live.add(hooks);
        if (this.#want !== 0) call.want(this.#want);
        call.start();
      }
    } catch (thrown) {
      this.#fail(this.#explain(thrown));
    }
    while (!this.over && !hooks.settled && hooks.reader === undefined) await hooks.change;
    if (hooks.settled && !this.over) {
      this.#check();
      const call = this.#call!;
      if (call.progress() === FAILED) {
        // Whoever reads has first to be told what there is to be told.
        if (this.#want === 0) this.#end(FAILED);
        throw this.#errorOf(call);
      }
    }
    if (this.failure) throw this.failure.error;
  }

  /** Chooses what later batches hold. */
  want(want: number): void {
    this.#want = want;
    if (this.over || !this.#call || this.#generation !== generation) return;
    this.#call.want(want);
    // What came before anybody said how to read it is told now.
    this.#hooks.due = true;
  }

  /**
   * Reads on until `ready` gives something, and gives that; or, when the answer is over, what `end` gives.
   * What each piece brings goes to `take`, whoever reads. `over` and `failure` tell how it went.
   */
  async pull<Result>(ready: () => Result | undefined, end: () => Result | Promise<Result>): Promise<Result> {
    const hooks = this.#hooks;
    for (;;) {
      const result = ready();
      if (result !== undefined) return result;
      if (this.over) return end();
      if (this.#reads) {
        await (this.#turn ??= new Promise((resolve) => {
          this.#endTurn = resolve;
        }));
      } else if (hooks.due && this.#call) {
        hooks.due = false;
        // What the consumer does with it is no stall either.
        hooks.busySince ??= performance.now();
        this.#guard((call) => call.take());
      } else {
        this.#wait();
        if (hooks.reader) {
          let chunk: Chunk;
          try {
            chunk = await hooks.reader.read();
          } catch (thrown) {
            this.#break(thrown);
            continue;
          }
          this.#feed(chunk);
        } else {
          await hooks.change;
          hooks.busySince = performance.now();
          this.#endReading();
        }
      }
    }
  }

  /** {@link Exchange.pull} for who reads on and on: without an async function, or new callbacks, for each piece. */
  puller<Result>(ready: () => Result | undefined, end: () => Result | Promise<Result>): () => Promise<Result> {
    const goOn = (): Result | Promise<Result> => ready() ?? this.pull(ready, end);
    const onChunk = (chunk: Chunk): Result | Promise<Result> => {
      this.#feed(chunk);
      return goOn();
    };
    const onThrow = (thrown: unknown): Result | Promise<Result> => {
      this.#break(thrown);
      return goOn();
    };
    return () => {
      const { reader, due } = this.#hooks;
      if (!reader || due || this.#reads || this.over) return this.pull(ready, end);
      // The usual case: one promise for a chunk, where an async function takes twice the time.
      this.#wait();
      return reader.read().then(onChunk, onThrow);
    };
  }

  /** Nobody else is to read now; and the consumer is not busy any more. */
  #wait(): void {
    const hooks = this.#hooks;
    this.#reads = true;
    if (hooks.busySince !== undefined) hooks.busy += performance.now() - hooks.busySince;
    hooks.busySince = undefined;
  }

  #endReading(): void {
    this.#reads = false;
    if (this.#endTurn) {
      this.#endTurn();
      this.#turn = this.#endTurn = undefined;
    }
  }

  /** Feeds what was read. */
  #feed({ done, value }: Chunk): void {
    const hooks = this.#hooks;
    if (!this.over) {
      const now = (hooks.busySince = performance.now());
      // What lies ready comes with what this brings: taken apart, it would come twice.
      hooks.due = false;
      // What #guard does, without a closure for each piece: that would be 5 to 10 % of one.
      try {
        this.#check();
        const call = this.#call!;
        const outcome = done ? call.end(false) : this.#write(value!) ? call.feed(value!.length, now, hooks.busy) : call.end(true);
        this.take();
        if (outcome !== MORE || hooks.tap) this.#end(outcome);
      } catch (thrown) {
        this.#caught(thrown);
      }
    }
    this.#endReading();
  }

  /** Writes a chunk to where the core reads it. What a stand-in for a body gives may be no bytes. */
  #write(chunk: Uint8Array): boolean {
    try {
      writeInput(chunk);
      return true;
    } catch (thrown) {
      if (thrown instanceof WebAssembly.RuntimeError) throw thrown;
      this.#hooks.setCause(thrown);
      return false;
    }
  }

  /** The body broke off. */
  #break(thrown: unknown): void {
    if (!this.over) {
      this.#hooks.setCause(thrown);
      this.#hooks.due = false;
      this.#guard((call) => call.end(true));
    }
    this.#endReading();
  }

  /** Has the core do something that leaves a batch, and takes that. */
  #guard(work: (call: glue.Call) => number): void {
    try {
      this.#check();
      const outcome = work(this.#call!);
      this.take();
      this.#end(outcome);
    } catch (thrown) {
      this.#caught(thrown);
    }
  }

  #caught(thrown: unknown): void {
    if (!this.over) this.#fail(this.#explain(thrown));
  }

  /** A core that was replaced knows nothing of this call. */
  #check(): void {
    if (this.#generation !== generation) throw this.#explain(undefined);
  }

  #end(outcome: number): void {
    const call = this.#call!;
    const { tap } = this.#hooks;
    if (outcome === MORE) return tap?.(call, undefined);
    if (outcome === AGAIN) {
      // The core closes that body.
      this.#hooks.reader = undefined;
      return tap?.(call, undefined);
    }
    if (outcome === COMPLETE) this.#last = this.result = this.#hooks.source?.result() ?? call.result();
    else this.failure = { error: this.#errorOf(call) };
    tap?.(call, this.failure);
    this.over = true;
    this.#settle();
  }

  /** Ends the call at once and closes its connection. */
  abort(reason: unknown): void {
    if (this.over) return;
    const call = this.#call;
    if (call && this.#generation === generation) {
      try {
        call.abort();
        this.#last = call.error();
      } catch (thrown) {
        afterThrow(thrown);
      }
    }
    this.#fail(reason);
  }

  /** What has come of the answer, and what happened to the call, so far. */
  report(): { partial?: PartialAnswer; trace: Trace } {
    const alive = this.#call !== undefined && this.#generation === generation;
    const report = JSON.parse(alive ? this.#call!.error() : this.#last) as { partial?: PartialAnswer; trace: Trace };
    report.trace = this.#hooks.source?.trace() ?? report.trace;
    return report;
  }

  #fail(error: unknown): void {
    if (this.over) return;
    this.failure = { error };
    this.over = true;
    this.#settle();
  }

  /** Lets go of everything. */
  #settle(): void {
    this.#release();
    abandoned.unregister(this);
    live.delete(this.#hooks);
    if (this.#hooks.reader) this.#hooks.cancel(this.#hooks.reader);
    this.#hooks.reader = undefined;
    this.#hooks.source?.leave();
    const call = this.#call;
    // Later: what ends the call may be a function of the caller's that the core has just called.
    queueMicrotask(() => {
      if (generation === this.#generation) call?.free();
    });
    this.#call = this.#hooks.call = undefined;
    this.#hooks.changed(true);
  }

  #errorOf(call: glue.Call): unknown {
    if (this.#error === undefined) {
      this.#last = call.error();
      this.#error = this.#hooks.source?.failure ?? { error: fromFacts(this.#last, this.#hooks.cause) };
    }
    return this.#error.error;
  }

  #explain(thrown: unknown): unknown {
    if (this.#call && this.#generation !== generation) {
      return new InternalError("internal", "The WebAssembly core was replaced after a trap in another call");
    }
    return afterThrow(thrown);
  }
}

/** A reader over whatever kind of body a `Response` has. */
function chunkReader(response: Response): ChunkReader {
  const body = response.body as (ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>) | null | undefined;
  if (typeof body?.getReader === "function") return body.getReader() as ChunkReader;
  const chunks = typeof body?.[Symbol.asyncIterator] === "function" ? body[Symbol.asyncIterator]() : whole(response);
  // Such a body may not heed being closed.
  let stop: (end: { done: true }) => void = ignore;
  const stopped = new Promise<{ done: true }>((resolve) => {
    stop = resolve;
  });
  return {
    async read() {
      const { done, value } = await Promise.race([chunks.next() as Promise<IteratorResult<Uint8Array>>, stopped.then(() => ({ done: true, value: undefined }) as const)]);
      return { done: done === true, value };
    },
    async cancel() {
      stop({ done: true });
      await chunks.return?.(undefined);
    },
  };
}

/** A `fetch` that ignores its signal may still answer: nobody reads that. */
function refuse(answer: unknown): void {
  if (typeof answer !== "object" || answer === null || !("body" in answer)) return;
  try {
    chunkReader(answer as Response).cancel().catch(ignore);
  } catch {
    // Somebody else reads it.
  }
}

/** A body that cannot be read in pieces (a stand-in for `Response`, or an old platform). */
async function* whole(response: Response): AsyncGenerator<Uint8Array> {
  const text = await response.text();
  if (text !== "") yield new TextEncoder().encode(text);
}

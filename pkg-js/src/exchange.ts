/**
 * One request and its answer: the loop that reads the body and feeds the core.
 *
 * The core decides everything; this loop only moves bytes. It is here, and not in Rust, because a
 * Rust future per chunk costs more than reading the chunk does.
 */

import { fromFacts, InternalError } from "./errors.js";
import { afterThrow, generation, glue, writeInput } from "./instance.js";

/** What the core is to put into the batches. The numbers are the core's. */
export const WANT = { text: 1, events: 2, chunks: 3, object: 4 } as const;

const MORE = 0;
const COMPLETE = 1;

/** Anything a body can be read from, chunk by chunk. */
interface ChunkReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** What a call holds on to after its consumer is gone. */
interface Pending {
  call: glue.Call;
  reader: ChunkReader | undefined;
}

/** What the core asks of, and tells, the loop. It must not hold on to the exchange. */
export class Hooks {
  /** For how many milliseconds in all the consumer was busy with what it had. */
  busy = 0;
  /** Since when it is; `undefined` while the loop waits for a chunk. */
  busySince: number | undefined;
  /** What was thrown, for the error's `cause`. */
  cause: unknown;
  reader: ChunkReader | undefined;

  busyUntil(now: number): number {
    return this.busySince === undefined ? this.busy : this.busy + now - this.busySince;
  }

  setCause(cause: unknown): void {
    this.cause = cause;
  }

  /** The request was aborted, by a deadline or the caller. A body may not heed its signal. */
  interrupted(): void {
    this.reader?.cancel().catch(ignore);
  }
}

const abandoned = new FinalizationRegistry<Pending>(({ call, reader }) => {
  try {
    call.abort();
  } catch {
    // The instance that the call belonged to was replaced: there is nothing left to abort.
  }
  reader?.cancel().catch(ignore);
});

function ignore(): void {}

/** Takes what a chunk gave, while it lies in memory: before anything else calls the core. */
type Take = () => void;

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

  #call: glue.Call | undefined;
  #reader: ChunkReader | undefined;
  #want = 0;
  #hooks = new Hooks();
  #pending: Pending | undefined;
  #generation = 0;
  #aborted: { reason: unknown } | undefined;
  #release: () => void = ignore;

  /**
   * @param begin Makes the core's call.
   * @param ready Resolves when the core is loaded; absent when it is.
   * @param signals The caller's signals.
   */
  constructor(
    begin: (hooks: Hooks) => glue.Call,
    ready: Promise<void> | undefined,
    signals: AbortSignal[],
  ) {
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
    let response: Response | undefined;
    try {
      if (ready) await ready;
      if (!this.over) {
        const call = begin(this.#hooks);
        this.#generation = generation;
        this.#call = call;
        this.#pending = { call, reader: undefined };
        abandoned.register(this, this.#pending, this);
        if (this.#want !== 0) call.want(this.#want);
        response = await new Promise<Response | undefined>((done) => call.open(done));
        if (response === undefined && !this.over) this.#fail(this.#error(call));
      }
    } catch (thrown) {
      this.#fail(this.#explain(thrown));
    }
    const reader = response && chunkReader(response);
    if (this.over) {
      reader?.cancel().catch(ignore);
      throw this.failure!.error;
    }
    this.#reader = this.#pending!.reader = reader;
    this.#hooks.reader = reader;
    this.#hooks.busySince = performance.now();
  }

  /** Chooses what later batches hold. */
  want(want: number): void {
    this.#want = want;
    if (!this.over) this.#call?.want(want);
  }

  /**
   * Reads one chunk of the body, feeds it, and has `take` take what it gave. Does not throw: `over`
   * and `failure` tell how it went.
   */
  async pull(take: Take): Promise<void> {
    try {
      if (this.#reader === undefined) await this.opened;
      const call = this.#call!;
      let outcome: number;
      const hooks = this.#hooks;
      if (hooks.busySince !== undefined) hooks.busy += performance.now() - hooks.busySince;
      hooks.busySince = undefined;
      try {
        const { done, value } = await this.#reader!.read();
        if (this.over) return;
        const now = (hooks.busySince = performance.now());
        if (done) {
          outcome = call.end();
        } else {
          writeInput(value!);
          outcome = call.feed(value!.length, now, hooks.busy);
        }
      } catch (thrown) {
        if (this.over || thrown instanceof WebAssembly.RuntimeError) throw thrown;
        hooks.setCause(thrown);
        outcome = call.breakOff();
      }
      take();
      if (outcome === MORE) return;
      if (outcome === COMPLETE) this.result = call.result();
      else this.failure = { error: this.#error(call) };
      this.over = true;
      this.#settle();
    } catch (thrown) {
      if (!this.over) this.#fail(this.#explain(thrown));
    }
  }

  /** Ends the call at once and closes its connection. */
  abort(reason: unknown): void {
    if (this.over) return;
    this.#aborted = { reason };
    try {
      this.#call?.abort();
    } catch (thrown) {
      afterThrow(thrown);
    }
    this.#fail(reason);
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
    this.#reader?.cancel().catch(ignore);
    this.#reader = this.#pending = undefined;
    if (generation === this.#generation) this.#call?.free();
    this.#call = undefined;
  }

  #error(call: glue.Call): unknown {
    if (this.#aborted) return this.#aborted.reason;
    return fromFacts(call.error(), this.#hooks.cause);
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
  return {
    async read() {
      const { done, value } = await chunks.next();
      return { done: done === true, value };
    },
    async cancel() {
      await chunks.return?.(undefined);
    },
  };
}

/** A body that cannot be read in pieces (a stand-in for `Response`, or an old platform). */
async function* whole(response: Response): AsyncGenerator<Uint8Array> {
  const text = await response.text();
  if (text !== "") yield new TextEncoder().encode(text);
}

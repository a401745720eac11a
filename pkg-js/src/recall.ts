/**
 * Answers that cost no request: those that are kept, and those of the same request in flight. Loaded by the
 * first call that has `cache` or `singleFlight`.
 *
 * A call whose answer is not kept makes a flight: a call of its own that nobody reads, and whose answer goes
 * onto a tape. Whoever asks for the same meanwhile reads that tape from its start, at its own pace; the body
 * is read on when the foremost reader waits. The flight ends with its last reader.
 */

// Types only: what it needs of the rest is given to it. A bundler that found more
// would cut what every page loads into more files.
import type { InputError, Trace } from "./errors.js";
import type { ChunkReader, Exchange, Hooks, Source } from "./exchange.js";
import type * as glue from "./hf_inference_wasm.js";
import type { CacheOptions, CacheStore, CallOptions } from "./options.js";

/** Of the form of what is kept; changes with it. */
const VERSION = 1;
/** How long a flight without readers goes on: a reader may be about to come back. In milliseconds. */
const GRACE = 25;
/** How the core ends a tape whose answer may be given again. */
const KEEPABLE = ": keepable\n\n";
/** The longest tape that is there for those who come late, in bytes. */
const LONGEST = 64 * 1024 * 1024;
const FAILED = new TextEncoder().encode("event: failed\ndata: {}\n\n");

/** Makes the core's call, with these options besides the caller's. */
type Begin = (hooks: Hooks, core: object) => glue.Call;
type Listen = ((notices: string) => void) | undefined;

/** Where and how an answer is kept. */
interface Keeping {
  store: CacheStore;
  ttl: number;
  timeout: number;
  always: boolean;
  refresh: boolean;
}

/** What is needed of the rest. */
export interface Tools {
  Exchange: typeof Exchange;
  InputError: typeof InputError;
  /** A call must not wait for what another's request brings: in Cloudflare's workers. */
  alone: boolean;
}

/** What the calls of a client share. */
export class Recalls {
  readonly flights = new Map<string, Flight>();
  readonly memory = new MemoryStore();

  constructor(readonly tools: Tools) {}

  /**
   * Has a call look for its answer first. Returns what the core is to know of it; `undefined` when the call
   * is to be made as any other.
   */
  attach(hooks: Hooks, options: CallOptions, begin: Begin, listen: Listen): object | undefined {
    const { cache, singleFlight } = options;
    const check = (option: string, value: unknown, fits: (value: unknown) => boolean, expected: string): void => {
      if (value === undefined || (value !== null && fits(value))) return;
      throw new this.tools.InputError("input", `${option}: expected ${expected}`, { option, expected });
    };
    check("singleFlight", singleFlight, (value) => typeof value === "boolean", "true or false");
    const expected = 'true, false, "refresh", or an object { ttl?, maxBytes?, store?, shared?, when?, timeout?, refresh? }';
    check("cache", cache, (value) => typeof value === "boolean" || value === "refresh" || typeof value === "object", expected);
    if (!cache && !singleFlight) return undefined;
    const own: CacheOptions = typeof cache === "object" ? cache : cache === "refresh" ? { refresh: true } : {};
    const positive = (value: unknown): boolean => (value as number) > 0;
    check("cache.ttl", own.ttl, positive, "a positive number of milliseconds");
    check("cache.timeout", own.timeout, positive, "a positive number of milliseconds");
    check("cache.maxBytes", own.maxBytes, (value) => (value as number) >= 0, "a number of bytes, 0 or more");
    check("cache.when", own.when, (value) => value === "deterministic" || value === "always", '"deterministic" or "always"');
    for (const name of ["shared", "refresh"] as const) {
      check(`cache.${name}`, own[name], (value) => typeof value === "boolean", "true or false");
    }
    const methods = ["get", "put", "delete"] as const;
    check("cache.store", own.store, (value) => methods.every((name) => typeof (value as CacheStore)[name] === "function"), "an object with get, put and delete");
    const { ttl = 3_600_000, timeout = 1_000, store = this.memory, refresh = false } = own;
    if (own.maxBytes !== undefined) this.memory.resize(own.maxBytes);
    const keeping = cache ? { store, ttl, timeout, refresh, always: own.when === "always" } : undefined;
    hooks.source = new Seat(this, keeping, singleFlight, begin, listen);
    return { recalls: true, sharesAnswers: own.shared ?? false };
  }
}

/** A function that asks once, however often it is asked. */
export function once(given: unknown): unknown {
  if (typeof given !== "function") return given;
  let answer: { value: unknown } | undefined;
  return () => (answer ??= { value: (given as () => unknown)() }).value;
}

/** One call's place: at the tape of a flight, or of an answer that was kept. */
class Seat implements Source {
  #flight: Flight | undefined;
  #left = false;
  /** Which piece of the tape it reads next. */
  at = 0;

  constructor(
    readonly recalls: Recalls,
    readonly keeping: Keeping | undefined,
    readonly singleFlight: boolean | undefined,
    readonly begin: Begin,
    readonly listen: Listen,
  ) {}

  async recall(key: string, deterministic: boolean): Promise<(ChunkReader & { age?: number }) | undefined> {
    const { flights, tools } = this.recalls;
    const keeping = deterministic || this.keeping?.always ? this.keeping : undefined;
    const joins = (this.singleFlight ?? keeping !== undefined) && !tools.alone;
    if (!joins && !keeping) return undefined;
    // Never within the core's own call.
    await undefined;
    let note: string | undefined;
    if (keeping?.refresh) note = "refresh";
    else if (keeping && !(joins && flights.has(key))) {
      const found = await lookUp(key, keeping);
      if (typeof found === "object") return kept(found);
      note = found;
    }
    if (this.#left) return undefined;
    let flight = joins ? flights.get(key) : undefined;
    // One that is over is on its way into the store.
    if (!flight || (flight.over && keeping?.refresh)) {
      flight = new Flight(tools, key, joins ? flights : undefined, this.begin, note, this.listen);
      if (joins) flights.set(key, flight);
    }
    this.#flight = flight;
    flight.join(this, keeping);
    return { read: () => this.#read(flight), cancel: async () => this.leave() };
  }

  async #read(flight: Flight): Promise<{ done: boolean; value?: Uint8Array }> {
    for (;;) {
      if (this.#left) return { done: true };
      const piece = flight.tape[this.at];
      if (piece) {
        this.at += 1;
        flight.shed();
        return { done: false, value: piece };
      }
      if (flight.over) return { done: true };
      await flight.more();
    }
  }

  leave(): void {
    this.#left = true;
    this.#flight?.leave(this);
  }

  get failure(): { error: unknown } | undefined {
    const flight = this.#flight;
    // What befell the reader before it came so far is its own.
    return flight && this.at >= flight.tape.length ? flight.failure : undefined;
  }

  result(): string | undefined {
    return this.#flight?.isFor(this) ? this.#flight.result : undefined;
  }

  trace(): Trace | undefined {
    return this.#flight?.isFor(this) ? this.#flight.trace : undefined;
  }
}

/** A request whose answer several calls read. */
class Flight {
  readonly tape: (Uint8Array | undefined)[] = [];
  #bytes = 0;
  /** How many pieces of a tape that is too long to be kept have been read by all. */
  #shed = 0;
  over = false;
  failure: { error: unknown } | undefined;
  #keepable = false;
  readonly #exchange: Exchange;
  #call: glue.Call | undefined;
  readonly #seats = new Set<Seat>();
  /** Whose call it is: of those who read it the first. */
  #owner: Seat | undefined;
  readonly #keepings = new Map<CacheStore, Keeping>();
  #waiting: (() => void)[] = [];
  #pulls = false;

  constructor(
    tools: Tools,
    readonly key: string,
    readonly flights: Map<string, Flight> | undefined,
    begin: Begin,
    note: string | undefined,
    listen: Listen,
  ) {
    const encoder = new TextEncoder();
    const tap = (call: glue.Call, failure: { error: unknown } | undefined): void => {
      const frames = call.tape();
      if (frames !== "") {
        const piece = encoder.encode(frames);
        this.#bytes += piece.length;
        this.tape.push(piece);
      }
      if (this.#bytes > LONGEST) this.#forget();
      this.#keepable = frames.endsWith(KEEPABLE);
      this.failure = failure;
    };
    const make = (hooks: Hooks): glue.Call => {
      hooks.tap = tap;
      return (this.#call = begin(hooks, { tapes: true, notices: true, cacheNote: note }));
    };
    this.#exchange = new tools.Exchange(make, undefined, [], (notices) => {
      listen?.(notices);
      // The core is in the midst of it.
      queueMicrotask(() => {
        // Its end comes with its result: 0 and 3 are not the end.
        if (!this.#exchange.over && this.#call!.progress() % 3 === 0) tap(this.#call!, undefined);
        this.#wake();
      });
    });
  }

  get result(): string {
    return this.#exchange.result;
  }

  get trace(): Trace {
    return this.#exchange.report().trace;
  }

  isFor(seat: Seat): boolean {
    const [first] = this.#seats;
    const owner = this.#owner ?? first;
    // The result is there a little before the call is over.
    if (this.#exchange.over || this.result !== "") this.#owner = owner;
    return owner === seat;
  }

  join(seat: Seat, keeping: Keeping | undefined): void {
    this.#seats.add(seat);
    if (keeping) this.#keepings.set(keeping.store, keeping);
  }

  leave(seat: Seat): void {
    this.isFor(seat);
    if (!this.#seats.delete(seat) || this.#seats.size > 0 || this.#exchange.over) return;
    if (this.flights) setTimeout(() => this.#seats.size === 0 && this.#abort(), GRACE);
    else this.#abort();
  }

  #abort(): void {
    this.#exchange.abort(new DOMException("Nobody reads the answer", "AbortError"));
    this.#close();
  }

  /** Nobody will come to read a tape of this length from its start: what all have read can go. */
  shed(): void {
    if (this.#bytes <= LONGEST) return;
    const last = Math.min(...[...this.#seats].map(({ at }) => at));
    while (this.#shed < last) this.tape[this.#shed++] = undefined;
  }

  #forget(): void {
    if (this.flights?.get(this.key) === this) this.flights.delete(this.key);
  }

  /** Settles when there may be more on the tape. */
  more(): Promise<void> {
    const more = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (!this.#pulls) {
      this.#pulls = true;
      const from = this.tape.length;
      void this.#exchange.pull(() => this.tape.length > from || undefined, () => true).then(() => {
        this.#pulls = false;
        if (this.#exchange.over) this.#close();
        this.#wake();
      });
    }
    return more;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #close(): void {
    if (this.over) return;
    this.over = true;
    this.failure = this.#exchange.failure;
    if (this.failure) this.tape.push(FAILED);
    if (this.failure || !this.#keepable || this.#bytes > LONGEST || this.#keepings.size === 0) return this.#forget();
    const decoder = new TextDecoder();
    const tape = this.tape.map((piece) => decoder.decode(piece)).join("");
    // From where the answer begins that became complete: not the attempts before it.
    const sealed = seal(this.key, tape.slice(Math.max(0, tape.lastIndexOf("event: start\n"))));
    // Until it is there, whoever asks reads the tape.
    const puts = [...this.#keepings.values()].map(({ store, ttl, timeout }) => within(timeout, () => store.put(this.key, sealed, ttl)));
    void Promise.allSettled(puts).then(() => this.#forget());
  }
}

/** What is kept: a line that tells what follows, and the tape. */
function seal(key: string, tape: string): string {
  return `${JSON.stringify([VERSION, key, Date.now(), checksum(tape)])}\n${tape}`;
}

/** An answer that was kept, or why there is none; `undefined` when it simply is not there. */
async function lookUp(key: string, { store, ttl, timeout }: Keeping): Promise<{ tape: string; age: number } | string | undefined> {
  let text: unknown;
  try {
    text = await within(timeout, () => store.get(key));
  } catch (error) {
    return error === LATE ? "timeout" : "failed";
  }
  if (text === undefined || text === null) return undefined;
  const opened = open(key, text, ttl);
  // What cannot be used only takes room.
  if (typeof opened === "string") within(timeout, () => store.delete(key)).catch(() => {});
  return opened;
}

function open(key: string, text: unknown, ttl: number): { tape: string; age: number } | string {
  if (typeof text !== "string") return "corrupt";
  const end = text.indexOf("\n");
  const tape = text.slice(end + 1);
  try {
    const [version, own, at, sum] = JSON.parse(text.slice(0, end)) as unknown[];
    if (version !== VERSION) return "version";
    if (end < 0 || own !== key || typeof at !== "number" || !tape.endsWith(KEEPABLE) || sum !== checksum(tape)) return "corrupt";
    const age = Math.max(0, Date.now() - at);
    return age < ttl ? { tape, age } : "expired";
  } catch {
    return "corrupt";
  }
}

/** FNV-1a over the UTF-16 units, with the length: against accidents, not against forgers. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return `${text.length}-${(hash >>> 0).toString(16)}`;
}

function kept({ tape, age }: { tape: string; age: number }): ChunkReader & { age: number } {
  let rest: Uint8Array | undefined = new TextEncoder().encode(tape);
  return {
    age,
    async read() {
      const value = rest;
      rest = undefined;
      return value ? { done: false, value } : { done: true };
    },
    async cancel() {
      rest = undefined;
    },
  };
}

/** No `Error`: its trace would keep the call alive that was the first to load this. */
const LATE = Symbol("late");

/** Does something that a store does, and waits no longer than this. */
async function within<Result>(timeout: number, work: () => Result): Promise<Awaited<Result>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(LATE), Math.min(timeout, 2_147_483_647));
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps answers in memory, those that were used last. A character counts as two bytes. */
class MemoryStore implements CacheStore {
  readonly #entries = new Map<string, string>();
  #bytes = 0;
  #most = 16 * 1024 * 1024;

  get(key: string): string | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      // The last in order is the last that was used.
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  put(key: string, value: string): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#bytes += sizeOf(key, value);
    this.resize(this.#most);
  }

  delete(key: string): void {
    const value = this.#entries.get(key);
    if (value !== undefined) this.#bytes -= sizeOf(key, value);
    this.#entries.delete(key);
  }

  resize(most: number): void {
    this.#most = most;
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= most) return;
      this.delete(key);
    }
  }
}

function sizeOf(key: string, value: string): number {
  return 2 * (key.length + value.length);
}

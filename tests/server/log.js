import { createHash } from "node:crypto";

/** How long a question about a run may wait for its answer. */
const longestWait = 10_000;

/**
 * Remembers what each run of a check asked for, and lets the check wait for something to happen instead of sleeping.
 */
export class RequestLog {
  #runs = new Map();

  /** @returns {Run} */
  run(id) {
    let run = this.#runs.get(id);
    if (!run) this.#runs.set(id, (run = new Run()));
    return run;
  }
}

class Run {
  /** @type {ReturnType<typeof entryOf>[]} */
  requests = [];
  /** How many requests were being answered at the same time, at most. */
  mostAtOnce = 0;
  #answering = new Set();
  /** @type {{ headers: Record<string, string> }[]} Preflight requests, kept apart since only browsers send them. */
  preflights = [];
  #gates = new Set();
  #barrier = [];
  #barrierOpen = false;
  #waiting = new Set();

  add(entry) {
    this.requests.push(entry);
    this.#answering.add(entry);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#answering.size);
    this.changed();
  }

  /** The last of the answer is about to be sent, or the connection has closed. */
  answered(entry) {
    this.#answering.delete(entry);
  }

  /** To be called after each change to an entry: it wakes those who wait. */
  changed() {
    for (const check of [...this.#waiting]) check();
  }

  /** Waits until the check lets the run go on. `signal` ends the wait when the client leaves. */
  gate(signal) {
    return new Promise((resolve) => {
      this.#gates.add(resolve);
      signal.addEventListener("abort", () => this.#gates.delete(resolve) && resolve());
      this.changed();
    });
  }

  /** Lets every request go on that waits at its gate now, or the first to arrive at one. */
  async open() {
    const inTime = await this.#until(() => this.#gates.size > 0);
    for (const resolve of this.#gates) resolve();
    this.#gates.clear();
    return inTime;
  }

  /** Waits until `count` requests of the run wait here at the same time. */
  barrier(count, signal) {
    if (this.#barrierOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.#barrier.push(resolve);
      signal.addEventListener("abort", resolve);
      if (this.#barrier.length < count) return;
      this.#barrierOpen = true;
      for (const release of this.#barrier) release();
    });
  }

  /** Waits until `count` requests have arrived. */
  seen(count) {
    return this.#until(() => this.requests.length >= count);
  }

  /** Waits until `count` requests have arrived and nothing of the run is open any more. */
  closed(count) {
    return this.#until(() => this.requests.length >= count && this.requests.every((request) => request.closed));
  }

  /** @returns {Promise<boolean>} whether it came true in time */
  #until(condition) {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (value) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(value);
      };
      const check = () => condition() && settle(true);
      const timer = setTimeout(() => settle(condition()), longestWait);
      this.#waiting.add(check);
    });
  }

  toJSON() {
    return { requests: this.requests, preflights: this.preflights, mostAtOnce: this.mostAtOnce };
  }
}

/** @param {import("node:http").IncomingMessage} request */
export function entryOf(request, { path, query, body, origin }) {
  return {
    method: request.method,
    path,
    query,
    headers: readableHeaders(request.headers),
    bodyText: body,
    body: parsed(body),
    origin,
    tokensSent: 0,
    /** Whether the client closed the connection before the server had ended its answer. */
    closedByClient: false,
    closedByServer: false,
    closed: false,
  };
}

/** Credentials are kept as a digest: enough to compare them, and a printed log shows none. */
export function readableHeaders(headers) {
  const readable = { ...headers };
  for (const name of ["authorization", "cookie"]) if (readable[name]) readable[name] = digest(readable[name]);
  return readable;
}

function digest(text) {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

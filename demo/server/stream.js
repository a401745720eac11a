/** Sending at a reader's pace: server-sent events, back-pressure, and an end the moment nobody listens. */

import { setImmediate as nextTurn } from "node:timers/promises";

/** @typedef {import("node:http").ServerResponse} ServerResponse */

/** The client has gone; whatever is being sent ends here. */
export class ClientGone extends Error {}

/** @param {ServerResponse} response @returns {AbortSignal} aborted when the client closes before the answer is complete */
export function clientSignal(response) {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(new ClientGone("the client closed the connection"));
  });
  return gone.signal;
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Tells when each token is due. Times count from the start, so that a slow turn of the event loop is caught up with.
 * @param {{ rate: number, latency: number, signal: AbortSignal }} options  rate 0: no waiting at all
 */
export function createPacer({ rate, latency, signal }) {
  const start = performance.now();
  let sent = 0;
  return {
    async next() {
      signal.throwIfAborted();
      sent++;
      if (rate > 0) {
        const due = latency + ((sent - 1) * 1000) / rate;
        const wait = start + due - performance.now();
        if (wait > 0) await pause(wait, signal);
      } else if (sent % 16 === 0) {
        // Without a wait the loop would starve the event that says the client has gone.
        await nextTurn();
        signal.throwIfAborted();
      }
    },
  };
}

/** @param {ServerResponse} response @param {AbortSignal} signal */
export function createEventWriter(response, signal) {
  return {
    /** @param {string} data */
    async send(data) {
      signal.throwIfAborted();
      if (!response.write(`data: ${data}\n\n`)) await drained(response, signal);
    },
  };
}

/** @param {ServerResponse} response @param {AbortSignal} signal @returns {Promise<void>} */
function drained(response, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      response.off("drain", go);
      reject(signal.reason);
    };
    const go = () => {
      signal.removeEventListener("abort", stop);
      resolve();
    };
    response.once("drain", go);
    signal.addEventListener("abort", stop, { once: true });
  });
}

export const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

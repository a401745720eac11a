/** Faults of real sockets, from a server in another process: what the call ends with, how often it asks, and that it lets go of the connection. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { usePackage } from "../schema/support.js";
import { useService } from "./service.js";

const { library } = await usePackage();
const service = await useService();
const partial = "one two";
const answer = "one two three";

const cases = [
  { fault: "reset-at-once", requests: 3, error: "NetworkError" },
  { fault: "close-at-once", requests: 3, error: "NetworkError" },
  { fault: "reset-at-once", options: { retry: false }, requests: 1, error: "NetworkError" },
  { fault: "reset-once", requests: 2, text: answer },
  { fault: "reset-after-headers", requests: 2, text: answer },
  { fault: "reset-midway", requests: 1, error: "StreamInterruptedError", partial },
  { fault: "close-inside-chunk", requests: 1, error: "StreamInterruptedError", partial },
  { fault: "end-midway", requests: 1, error: "TruncatedError", partial },
  { fault: "stall-at-once", options: { timeout: { firstToken: 100 } }, requests: 3, error: "TimeoutError", phase: "firstToken" },
  { fault: "stall-at-once", options: { timeout: { total: 100 } }, requests: 1, error: "TimeoutError", phase: "total" },
  { fault: "stall-midway", options: { timeout: { stall: 100 } }, requests: 1, error: "TimeoutError", phase: "stall", partial },
  { fault: "stall-midway", options: { timeout: { total: 300 } }, requests: 1, error: "TimeoutError", phase: "total", partial },
  { fault: "held-open", requests: 1, text: answer },
  { fault: "held-open-without-done", options: { timeout: { stall: 100 } }, requests: 1, text: answer },
  { fault: "refusal-held-open", options: { timeout: { stall: 100 } }, requests: 3, error: "ServerError" },
];

describe("a server whose sockets fail", { concurrency: 4 }, () => {
  for (const [number, { fault, options, requests, text, error, phase, partial }] of cases.entries()) {
    const name = `${fault}${options ? ` with ${JSON.stringify(options)}` : ""}: ${text ? "an answer" : error} after ${requests} request${requests > 1 ? "s" : ""}`;
    test(name, { timeout: 20_000 }, async () => {
      const run = service.fault(fault, number);
      const client = new library.InferenceClient({ baseUrl: run.url, model: "m", retry: { backoffLimit: 5 } });
      const stream = client.chat.stream({ messages: [{ role: "user", content: "Hello" }] }, options);
      const [outcome] = await Promise.allSettled([stream.final()]);
      if (text) {
        assert.equal(outcome.status, "fulfilled", String(outcome.reason?.stack));
        assert.equal(outcome.value.text, text);
        assert.equal(outcome.value.trace.state, "complete");
      } else {
        assert.equal(outcome.status, "rejected");
        const thrown = outcome.reason;
        assert.equal(thrown.name, error, String(thrown.stack));
        assert.equal(thrown.phase, phase);
        assert.equal(thrown.partial?.text, partial);
        assert.equal(thrown.trace.attempts.length, requests, "attempts in the trace");
      }
      // It answers only when no connection is open any more.
      assert.equal((await run.closed()).requests, requests, "requests that the server saw");
    });
  }

  test("whoever stops reading closes the connection", { timeout: 20_000 }, async () => {
    const run = service.fault("stall-midway", "break");
    const client = new library.InferenceClient({ baseUrl: run.url, model: "m" });
    for await (const piece of client.chat.stream({ messages: [{ role: "user", content: "Hello" }] }).textStream) {
      assert.match(piece, /^one/);
      break;
    }
    assert.equal((await run.closed()).requests, 1);
  });
});

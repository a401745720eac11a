/** An endpoint that was scaled to zero, on a virtual clock: it is waited for, and not for ever. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { usePackage } from "../testing/support.js";

const { library, testing } = await usePackage();
const { InferenceClient } = library;
const { faultyFetch, VirtualClock } = testing;

const question = { messages: [{ role: "user", content: "Hello" }] };

/** An endpoint that answers 503 for so long, and a call to it. */
async function ask({ sleeps, status = 503, ...options }) {
  const clock = new VirtualClock();
  const start = clock.now();
  const fetch = faultyFetch({
    clock,
    answer: "Good morning.",
    faults: ({ at }) => (at < start + sleeps ? { kind: "status", status, body: "html" } : null),
  });
  const retries = [];
  const states = [];
  const client = new InferenceClient({
    endpointUrl: "https://abc.us-east-1.aws.endpoints.huggingface.cloud",
    fetch,
    onRetry: ({ waking, delay }) => retries.push({ waking, delay }),
    onStateChange: ({ state }) => states.push(state),
    ...options,
  });
  const restore = clock.install();
  try {
    const outcome = await clock.run(client.chat.stream(question).final().catch((error) => error));
    return { outcome, retries, states, lasted: clock.now() - start, times: fetch.requests.map(({ at }) => at - start) };
  } finally {
    restore();
  }
}

test("it is asked every few seconds until it is awake, and nothing of that counts as a failure", async () => {
  for (const status of [502, 503]) {
    const { outcome, retries, states, lasted, times } = await ask({ sleeps: 120_000, status });
    assert.equal(outcome.text, "Good morning.");
    assert.ok(lasted >= 120_000 && lasted <= 125_001, `${lasted} ms`);
    assert.equal(retries.length, times.length - 1);
    assert.ok(retries.every(({ waking, delay }) => waking === true && delay >= 1_000 && delay <= 5_000), JSON.stringify(retries));
    assert.deepEqual(states, []);
  }
});

test("after wakeTimeout come the retries, and then the error", async () => {
  const { outcome, retries, lasted } = await ask({ sleeps: Infinity, wakeTimeout: 60_000 });
  assert.equal(outcome.name, "ServerError");
  assert.equal(outcome.status, 503);
  assert.equal(retries.filter(({ waking }) => !waking).length, 2);
  assert.ok(lasted > 50_000 && lasted <= 61_501, `${lasted} ms`);
});

test("timeout.total ends the wait too", async () => {
  const { outcome, lasted } = await ask({ sleeps: Infinity, timeout: { total: 30_000 } });
  assert.ok(["TimeoutError", "ServerError"].includes(outcome.name), outcome.name);
  assert.ok(lasted <= 30_001, `${lasted} ms`);
});

test("other servers are not waited for", async () => {
  const { retries, times } = await ask({ sleeps: Infinity, endpointUrl: "https://llm.example" });
  assert.equal(times.length, 3);
  assert.ok(retries.every(({ waking }) => waking === undefined));
});

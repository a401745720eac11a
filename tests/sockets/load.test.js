/**
 * Many calls of one client at a server that takes a third of them at a time: who has to wait, waits; nobody is lost,
 * nothing is sent that the server would refuse, once its limits are known. The server is in another process and counts
 * for itself. Waiting times are printed, not asserted: they are the machine's.
 */
import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { lastMemory } from "../trap/guest/memory.js";
import { usePackage } from "../schema/support.js";
import { useService } from "./service.js";

const calls = 1000;
const capacity = 333;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

// Node warns when many calls share a signal, as they do here.
setMaxListeners(0);

const { library } = await usePackage();
const service = await useService();

/** Asks once, and tells how it went and how long it took. */
async function ask(client, name, options) {
  const began = performance.now();
  try {
    const { text } = await client.chat.stream({ messages: [{ role: "user", content: String(name) }] }, options).final();
    return { name: String(name), text, took: performance.now() - began };
  } catch (error) {
    return { name: String(name), error, took: performance.now() - began };
  }
}

const askAll = (client, count = calls, options = () => undefined) =>
  Promise.all(Array.from({ length: count }, (_, number) => ask(client, number, options(number))));

function allAnswered(outcomes) {
  const failed = outcomes.filter(({ error }) => error);
  assert.equal(failed.length, 0, `${failed.length} of ${outcomes.length} failed, the first with ${failed[0]?.error.stack}`);
  for (const { text } of outcomes) assert.equal(text, "one two three");
}

/** Prints how long calls took. */
function tell(t, outcomes, { seen, refused, mostAtOnce, windows }) {
  const took = outcomes.map((outcome) => outcome.took).sort((a, b) => a - b);
  const percentile = (share) => Math.round(took[Math.min(took.length - 1, Math.floor(took.length * share))]);
  t.diagnostic(
    `${outcomes.length} calls: p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms, p99 ${percentile(0.99)} ms, last ${percentile(1)} ms; ` +
      `the server saw ${seen.length} requests, refused ${refused}, had ${mostAtOnce} at once; by window ${windows.map((own) => own.seen).join(" ")}`,
  );
}

describe("1,000 calls at three times what the server takes", () => {
  test("limits that headers tell are kept exactly, in ten rounds, and memory comes back", { timeout: 60_000 }, async (t) => {
    const run = await service.run("headers", { requests: capacity, window: 300, takes: 10 });
    const client = new library.InferenceClient({ baseUrl: run.url, model: "m" });
    // From here on the limits are known.
    allAnswered([await ask(client, "first")]);
    const memory = [];
    for (let round = 0; round < 10; round++) {
      const before = await run.report();
      const outcomes = await askAll(client);
      allAnswered(outcomes);
      const report = await run.report();
      const seen = report.seen.slice(before.seen.length);
      assert.equal(seen.length, calls, "requests in the round");
      // In order of arrival; only what is out at the same time can overtake.
      seen.forEach((name, position) => {
        const late = Math.abs(position - Number(name));
        assert.ok(late <= capacity, `call ${name} had its turn ${late} places from its own`);
      });
      if (round === 0 || round === 9) tell(t, outcomes, { ...report, seen, windows: report.windows.slice(before.windows.length) });
      memory.push(await sizes());
    }
    const { refused, windows } = await run.report();
    assert.equal(refused, 0, "requests refused");
    for (const own of windows) assert.ok(own.seen <= capacity, `the server saw ${own.seen} requests in a window`);
    t.diagnostic(`memory after each round, RSS: ${memory.map(({ rss }) => `${(rss / 2 ** 20).toFixed(0)}`).join(" ")} MiB; module: ${memory.map(({ module }) => `${(module / 2 ** 20).toFixed(1)}`).join(" ")} MiB`);
    // The first round makes room, and compiles.
    const [, first] = memory;
    const last = memory.at(-1);
    assert.ok(last.module <= first.module * 1.1, `the module's memory grew from ${first.module} to ${last.module} bytes`);
    assert.ok(last.rss <= first.rss * 1.1, `the process grew from ${first.rss} to ${last.rss} bytes`);
  });

  for (const [what, limits] of [
    ["a server that says when, by Retry-After", { requests: capacity, window: 1000, takes: 10, tells: "retry-after" }],
    ["a server that says nothing", { requests: capacity, window: 500, takes: 10, tells: "nothing" }],
    ["a server that takes so many at once, and says nothing", { concurrency: capacity, takes: 50, tells: "nothing" }],
  ]) {
    test(`${what}: all calls are answered, and none is sent while the gate is closed`, { timeout: 60_000 }, async (t) => {
      const run = await service.run(limits.tells + (limits.concurrency ?? ""), limits);
      const sent = [];
      const closed = [];
      const fetch = async (url, init) => {
        sent.push(performance.now());
        const response = await globalThis.fetch(url, init);
        if (response.status !== 429) return response;
        const body = await response.text();
        const until = performance.now() + Number(response.headers.get("retry-after")) * 1000;
        // In this turn of the event loop the core learns of it.
        void nextTurn().then(() => closed.push({ from: performance.now(), until }));
        return new Response(body, response);
      };
      // Nobody tells how many are too many: a call may meet more than two refusals.
      const client = new library.InferenceClient({ baseUrl: run.url, model: "m", fetch, retry: { limit: 6 } });
      const outcomes = await askAll(client);
      const report = await run.report();
      tell(t, outcomes, report);
      allAnswered(outcomes);
      assert.equal(report.seen.length - report.refused, calls, "requests granted");
      assert.ok(report.refused > 0, "nothing was refused: the test asks too little");
      if (limits.tells === "retry-after") {
        assert.ok(closed.length > 0);
        // Less what the clocks round.
        const tooEarly = sent.filter((at) => closed.some(({ from, until }) => at > from && at < until - 2));
        assert.equal(tooEarly.length, 0, `${tooEarly.length} requests were sent through a closed gate`);
      }
    });
  }
});

describe("limits of the caller's", () => {
  test("concurrency: never more at any instant", { timeout: 60_000 }, async (t) => {
    const run = await service.run("concurrency", { takes: 2 });
    const client = new library.InferenceClient({ baseUrl: run.url, model: "m", limits: { concurrency: 20 } });
    const outcomes = await askAll(client);
    const report = await run.report();
    tell(t, outcomes, report);
    allAnswered(outcomes);
    assert.equal(report.seen.length, calls);
    assert.ok(report.mostAtOnce <= 20, `${report.mostAtOnce} at once`);
  });

  test("requestsPerMinute and tokensPerMinute: so many, and no more", { timeout: 60_000 }, async () => {
    for (const [name, limits, granted] of [
      ["requests", { requestsPerMinute: 100 }, 100],
      // An answer whose length nobody tells counts for 512 tokens, and the question for a few.
      ["tokens", { tokensPerMinute: 5_300 }, 10],
    ]) {
      const run = await service.run(name, {});
      const client = new library.InferenceClient({ baseUrl: run.url, model: "m", limits });
      const controller = new AbortController();
      let answered = 0;
      const outcomes = Array.from({ length: granted + 50 }, async (_, number) => {
        const outcome = await ask(client, number, { signal: controller.signal });
        // Whatever is let through because others have ended would go out now.
        if (!outcome.error && ++answered === granted) await nextTurn().then(() => controller.abort());
        return outcome;
      });
      const all = await Promise.all(outcomes);
      allAnswered(all.slice(0, granted));
      for (const { error } of all.slice(granted)) assert.equal(error?.name, "AbortError");
      assert.equal((await run.report()).seen.length, granted, name);
    }
  });

  test("priority: higher first, then in order of arrival", { timeout: 60_000 }, async () => {
    const run = await service.run("priority", { takes: 1 });
    const client = new library.InferenceClient({ baseUrl: run.url, model: "m", limits: { concurrency: 1 } });
    const priorities = Array.from({ length: 60 }, (_, number) => [0, 5, -1, 2.5][(number * 7) % 4]);
    // The first has its turn before there are others.
    allAnswered(await askAll(client, priorities.length, (number) => ({ priority: priorities[number] })));
    const rest = priorities.map((priority, number) => ({ priority, number })).slice(1);
    const expected = [0, ...rest.sort((a, b) => b.priority - a.priority || a.number - b.number).map(({ number }) => number)];
    assert.deepEqual((await run.report()).seen.map(Number), expected);
  });

  test("half of the calls aborted in the queue: nothing of them is sent, the others are answered", { timeout: 60_000 }, async () => {
    const run = await service.run("aborted", { takes: 2 });
    const client = new library.InferenceClient({ baseUrl: run.url, model: "m", limits: { concurrency: 10 } });
    const controller = new AbortController();
    const reason = new Error("no longer needed");
    const sent = new Set();
    const outcomes = await askAll(client, calls, (number) => ({
      // Of each two calls one is given up; those first in the queue have gone out by then.
      signal: number % 2 === 1 ? controller.signal : undefined,
      onAttempt() {
        sent.add(String(number));
        if (sent.size === 50) controller.abort(reason);
      },
    }));
    const { seen, mostAtOnce } = await run.report();
    const aborted = outcomes.filter(({ error }) => error);
    assert.ok(aborted.length >= calls / 2 - 50, `only ${aborted.length} calls were aborted`);
    for (const { name, error } of aborted) {
      assert.equal(Number(name) % 2, 1, `call ${name} failed: ${error.stack}`);
      assert.equal(error, reason);
    }
    allAnswered(outcomes.filter(({ error }) => !error));
    assert.equal(mostAtOnce, 10);
    const queued = aborted.filter(({ name }) => !sent.has(name));
    assert.ok(queued.length >= calls / 2 - 50);
    for (const { name } of queued) assert.ok(!seen.includes(name), `call ${name} was sent although it had been aborted`);
    assert.equal(new Set(seen).size, seen.length, "no call was sent twice");
  });
});

/** What is left when all that can be freed is. */
async function sizes() {
  // Finalisers run between turns, and free more.
  for (let turn = 0; turn < 5; turn++) {
    collectGarbage();
    await nextTurn();
  }
  return { rss: process.memoryUsage.rss(), module: lastMemory().deref().buffer.byteLength };
}

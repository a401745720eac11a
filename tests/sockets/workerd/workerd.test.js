/**
 * One isolate of workerd, one client, many requests at once. A promise of one request must not be settled by another's
 * doing there, so who waits waits for a timer of its own, and who is cut off says nothing.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Log, LogLevel, Miniflare } from "miniflare";

import { createConsumer } from "../../packaging/support/consumer.js";
import { useService } from "../service.js";
import { workerModules } from "./modules.js";

describe("workerd: calls of simultaneous requests share limits and gate", { concurrency: true }, async () => {
  const service = await useService();
  const consumer = await createConsumer();
  let logged = "";
  const miniflare = new Miniflare({
    modules: await workerModules(consumer.directory, new URL("worker.js", import.meta.url)),
    compatibilityDate: "2026-04-01",
    host: "127.0.0.1",
    port: 0,
    log: new Log(LogLevel.ERROR),
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) stream.setEncoding("utf8").on("data", (text) => (logged += text));
    },
  });
  after(async () => {
    await miniflare.dispose();
    await consumer.remove();
    // workerd says so when a promise settles across requests, or when a request would wait for ever.
    assert.doesNotMatch(logged, /different request|hang|hung|uncaught/i);
  });
  const worker = await miniflare.ready;

  const urlOf = (path, parameters) => new URL(`${path}?${new URLSearchParams(parameters)}`, worker);

  /** Asks the worker, over a connection that the signal closes. */
  async function ask(run, id, { path = "/", signal } = {}) {
    const options = { baseUrl: run.url, retry: { limit: 6 }, limits: { concurrency: 2 } };
    const parameters = { name: run.name, id, options: JSON.stringify(options) };
    const response = await fetch(urlOf(path, parameters), { signal });
    return [response.status, await response.text()];
  }

  /** Resolves when so many calls of the run have begun. */
  async function begun(run, count) {
    while (Number(await (await fetch(urlOf("/begun", { name: run.name }))).text()) < count);
  }

  async function allAnswered(outcomes) {
    for (const outcome of await Promise.all(outcomes)) assert.deepEqual(outcome, [200, "one two three"]);
  }

  test("30 requests at once, 2 in flight at most", { timeout: 30_000 }, async () => {
    const run = await service.run("limit", { takes: 5 });
    await allAnswered(Array.from({ length: 30 }, (_, id) => ask(run, id)));
    const { seen, mostAtOnce } = await run.report();
    assert.equal(seen.length, 30);
    assert.equal(mostAtOnce, 2);
  });

  test("30 requests at once through a gate that refusals close", { timeout: 30_000 }, async (t) => {
    const run = await service.run("gate", { requests: 12, window: 500, tells: "nothing" });
    await allAnswered(Array.from({ length: 30 }, (_, id) => ask(run, id)));
    const { seen, refused, mostAtOnce, windows } = await run.report();
    t.diagnostic(`the server saw ${seen.length} requests, refused ${refused}; by window ${windows.map((own) => own.seen).join(" ")}`);
    assert.ok(refused > 0, "nothing was refused: the test asks too little");
    assert.ok(mostAtOnce <= 2, `${mostAtOnce} at once`);
    assert.equal(seen.length - refused, 30);
  });

  for (const [how, leave] of [
    ["whose client disconnects", { abort: true }],
    ["that workerd has ended", { path: "/forget" }],
  ]) {
    for (const where of ["in the queue", "in flight"]) {
      test(`a call of a request ${how} ${where} does not hold up the others`, { timeout: 30_000 }, async (t) => {
        const run = await service.run(`${where} ${how}`.replaceAll(" ", "-"), { takes: 200 });
        const controller = new AbortController();
        const gone = () => ask(run, "gone", { path: leave.path, signal: leave.abort && controller.signal });
        const outcomes = [];
        if (where === "in the queue") {
          outcomes.push(ask(run, "first"), ask(run, "first"));
          await run.seen(2);
        }
        // Those that go stand before those that stay.
        const leaving = Array.from({ length: 2 }, gone);
        await begun(run, outcomes.length + 2);
        if (where === "in flight") await run.seen(2);
        outcomes.push(...Array.from({ length: 4 }, () => ask(run, "staying")));
        await begun(run, outcomes.length + 2);
        controller.abort();
        const began = performance.now();
        await Promise.allSettled(leaving);
        await allAnswered(outcomes);
        const { seen, lost } = await run.report();
        t.diagnostic(`the others had their answers after ${Math.round(performance.now() - began)} ms; the server saw ${seen.length} requests, of which ${lost} were cut off`);
      });
    }
  }
});

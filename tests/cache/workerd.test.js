/** Answers that are kept in Workers KV, in a data centre's Cache API and in the isolate's memory, in workerd. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Log, LogLevel, Miniflare } from "miniflare";

import { createConsumer } from "../packaging/support/consumer.js";
import { startServer } from "../server/server.js";
import { workerModules } from "../sockets/workerd/modules.js";

describe("workerd", async () => {
  const server = await startServer();
  const consumer = await createConsumer();
  let logged = "";
  const miniflare = new Miniflare({
    modules: await workerModules(consumer.directory, new URL("workerd.worker.js", import.meta.url)),
    compatibilityDate: "2026-04-01",
    kvNamespaces: ["ANSWERS"],
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
    await server.close();
    // workerd says so when a promise settles across requests, or when a request would wait for ever.
    assert.doesNotMatch(logged, /different request|hang|hung|uncaught/i);
  });
  const worker = await miniflare.ready;

  const ask = async (run, parameters = {}, options = "") => {
    const service = `${server.url}/s/ok;run=${run};echo=1${options}`;
    const response = await fetch(new URL(`/?${new URLSearchParams({ service, id: "q", ...parameters })}`, worker));
    const answer = await response.json();
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer;
  };
  const requests = async (run) => (await (await fetch(`${server.url}/log/${run}`)).json()).requests;

  for (const store of ["kv", "cache", "memory"]) {
    test(`another request has the answer from ${store}`, { timeout: 30_000 }, async () => {
      const run = `kept-${store}`;
      const first = await ask(run, { store });
      assert.equal(first.cache.hit, false);
      // It is written behind the response.
      let second;
      do second = await ask(run, { store });
      while (!second.cache.hit && (await requests(run)).length < 10);
      assert.equal(second.cache.hit, true);
      assert.equal(second.text, first.text);
      const count = (await requests(run)).length;
      await ask(run, { store });
      assert.equal((await requests(run)).length, count);
      await ask(run, { store, token: "hf_oauth_b" });
      await ask(run, { store, id: "another" });
      assert.equal((await requests(run)).length, count + 2, "another key and another question");
    });
  }

  test("what lies in KV and is not ours is a miss", { timeout: 30_000 }, async () => {
    const run = "corrupt";
    const namespace = await miniflare.getKVNamespace("ANSWERS");
    const before = new Set((await namespace.list()).keys.map(({ name }) => name));
    await ask(run, { store: "kv" });
    const own = async () => (await namespace.list()).keys.find(({ name }) => !before.has(name));
    let entry;
    while (!(entry = await own()));
    assert.match(entry.name, /^hf-inference-wasm:[0-9a-f]{64}$/);
    assert.ok(entry.expiration > Date.now() / 1000 + 3_000, "it expires with its ttl");
    const value = await namespace.get(entry.name);
    assert.doesNotMatch(value, /hf_oauth/);
    await namespace.put(entry.name, value.slice(0, -20));
    const answer = await ask(run, { store: "kv" });
    assert.deepEqual(answer.cache, { hit: false, why: "corrupt" });
  });

  test("equal calls of simultaneous requests send a request each, and each has its answer", { timeout: 30_000 }, async () => {
    const run = "apart";
    // No answer goes on before all have begun: who waited for another's would wait for ever.
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(run, { share: 1, store: "kv" }, ";barrier=8")));
    assert.equal((await requests(run)).length, 8);
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    for (const { cache } of answers) assert.equal(cache.hit, false);
  });
});

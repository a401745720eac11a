import * as wire from "../../server/wire.js";
import { collect, turns } from "./harness.js";

const question = { model: "test-model", temperature: 0, messages: [{ role: "user", content: "Hello" }] };
const answer = wire.tokensOf({}).join("");

/** @type {import("./harness.js").Check[]} */
export const cacheChecks = [
  {
    name: "cache: an answer is asked for once, and replays in every way of reading",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { usage: "always" });
      const caching = client(service, { cache: true });
      const first = await caching.chat.stream(question).final();
      const second = await caching.chat.stream(question).final();
      assert.equal(first.trace.cache.hit, false);
      assert.equal(second.trace.cache.hit, true);
      assert.equal(second.text, answer);
      assert.deepEqual(second.usage, first.usage);
      assert.equal((await collect(caching.chat.stream(question).textStream)).join(""), answer);
      const chunks = await collect(caching.chat.stream(question));
      assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""), answer);
      const events = await collect(caching.chat.stream(question).events);
      assert.equal(events.at(-1).type, "finish");
      assert.equal((await service.requests()).length, 1);
      await caching.chat.stream(question, { accessToken: "hf_oauth_other" }).final();
      assert.equal((await service.requests()).length, 2);
    },
  },
  {
    name: "cache: a replay costs nothing, and tells what it has saved",
    async run({ assert, scenario, client }) {
      const records = [];
      const caching = client(scenario("ok"), { cache: true, prices: [{ input: 1, output: 2 }], onUsage: (record) => records.push(record) });
      const first = await caching.chat.stream(question).final();
      // 7 tokens in, 8 out.
      assert.equal(first.cost.usd, 0.000023);
      assert.equal(first.trace.cache.savedUsd, undefined);
      for (const replay of [await caching.chat.stream(question).final(), await caching.chat.stream(question).final()]) {
        assert.equal(replay.trace.cache.savedUsd, 0.000023);
        assert.equal(replay.cost, undefined);
        assert.ok(replay.trace.cache.age >= 0);
      }
      assert.equal(records.length, 1);
      assert.equal(caching.ledger.summary().total.requests, 1);
      // Unknown is no saving of nothing.
      const unpriced = client(scenario("ok"), { cache: true });
      await unpriced.chat.stream(question).final();
      const replay = await unpriced.chat.stream(question).final();
      assert.equal(`${replay.trace.cache.hit} ${replay.trace.cache.savedUsd}`, "true undefined");
    },
  },
  {
    name: "cache: an answer that breaks off is not kept",
    async run({ assert, scenario, client }) {
      const service = scenario("truncated", { after: 4 });
      const caching = client(service, { cache: true });
      for (let time = 1; time <= 2; time++) {
        const error = await assert.rejects(caching.chat.stream(question).final());
        assert.equal(error.partial.text, wire.tokensOf({ tokens: 4 }).join(""));
        assert.equal((await service.requests()).length, time);
      }
    },
  },
  {
    name: "cache: equal calls in flight share one request, each from its start",
    applies: ({ name }) => name !== "workerd",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { tokens: 30, pace: 1 });
      const sharing = client(service, { singleFlight: true });
      const early = sharing.chat.stream(question);
      const reading = early.textStream[Symbol.asyncIterator]();
      let text = (await reading.next()).value;
      const late = collect(sharing.chat.stream(question).textStream);
      for (let step = await reading.next(); !step.done; step = await reading.next()) text += step.value;
      const whole = wire.tokensOf({ tokens: 30 }).join("");
      assert.equal(text, whole);
      assert.equal((await late).join(""), whole);
      assert.equal((await service.requests()).length, 1);
    },
  },
  {
    name: "cache: the connection of a shared request closes behind its last reader",
    applies: ({ name }) => name !== "workerd",
    async run({ assert, scenario, client }) {
      const service = scenario("endless");
      const sharing = client(service, { singleFlight: true });
      const streams = [1, 2].map(() => sharing.chat.stream(question));
      const readers = streams.map((stream) => stream.textStream[Symbol.asyncIterator]());
      await Promise.all(readers.map((reader) => reader.next()));
      await readers[0].return();
      for (let count = 0; count < 3; count++) assert.equal((await readers[1].next()).done, false);
      await readers[1].return();
      assert.equal((await service.closed()).length, 1);
    },
  },
  {
    name: "cache: a shared request whose readers nobody holds any more is closed when they are collected",
    // Only where the collector can be called.
    applies: ({ name }) => typeof globalThis.gc === "function" && name !== "workerd",
    async run({ assert, scenario, client }) {
      const service = scenario("endless");
      const sharing = client(service, { singleFlight: true });
      await (async () => {
        const streams = [1, 2].map(() => sharing.chat.stream(question).textStream[Symbol.asyncIterator]());
        await Promise.all(streams.map((stream) => stream.next()));
      })();
      let request;
      do {
        globalThis.gc();
        await turns();
        [request] = await service.requests();
      } while (!request.closed);
      assert.equal(request.closedByClient, true);
    },
  },
];

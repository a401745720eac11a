/** Answers that are kept, with the packed package. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, library, mapStore, messages, question, slowService, stage, testing, turns } from "./support.js";

const toolAnswer = { reasoning: "Hm. ", text: "Look:", toolCalls: [{ name: "look", arguments: '{"at":"sky"}' }] };

test("the same question is asked once, and its answer replays in every way of reading", async () => {
  const { client, fetch } = stage({ service: { answer: toolAnswer } });
  const asked = client.chat.stream(question);
  const first = await asked.final();
  assert.deepEqual(asked.trace.cache, { hit: false });
  assert.equal(first.trace.attempts.length, 1);

  const again = client.chat.stream({ temperature: 0, messages, model: "test-model" });
  const second = await again.final();
  assert.equal(fetch.requests.length, 1);
  assert.equal(second.trace.cache.hit, true);
  assert.ok(second.trace.cache.age >= 0);
  assert.deepEqual(second.trace.attempts, []);
  const { trace: _, ...answer } = first;
  const { trace: __, ...replayed } = second;
  assert.deepEqual(replayed, answer);
  assert.equal(library.summary(second.trace), `complete: cached ${second.trace.cache.age} ms ago`);

  const plain = stage({ service: { answer: toolAnswer }, cache: false });
  for (const read of [(stream) => collect(stream.textStream), (stream) => collect(stream.events), (stream) => collect(stream)]) {
    const expected = await read(plain.client.chat.stream(question));
    const got = await read(client.chat.stream(question));
    const joined = (items) => JSON.stringify(typeof items[0] === "string" ? items.join("") : items.map(({ type, text, ...rest }) => (text === undefined ? { type, ...rest, id: 0, created: 0, requestId: 0 } : { type })).filter(({ type }, at, all) => type === undefined || type !== all[at - 1]?.type));
    assert.equal(joined(got), joined(expected));
  }
  assert.equal(fetch.requests.length, 1);
});

test("whole answers and generations are kept too, apart from streams", async () => {
  const { client, fetch } = stage();
  const [first, second] = [await client.chatCompletion(question), await client.chatCompletion(question)];
  assert.deepEqual(second, first);
  assert.equal(fetch.requests.length, 1);
  await client.chat.stream(question).final();
  assert.equal(fetch.requests.length, 2);

  const generation = { inputs: "Once", parameters: { do_sample: false, max_new_tokens: 20 } };
  const text = await client.textGeneration(generation);
  assert.deepEqual(await client.textGeneration(generation), text);
  const events = await collect(client.textGenerationStream(generation));
  assert.deepEqual(await collect(client.textGenerationStream(generation)), events);
  assert.equal(fetch.requests.length, 4);
});

test("a value of a schema comes from the cache, validated", async () => {
  const { client, fetch } = stage({ service: { answer: '{"sky":"blue"}' } });
  const request = { ...question, schema: { type: "object", properties: { sky: { type: "string" } }, required: ["sky"] } };
  for (let time = 0; time < 2; time++) assert.deepEqual((await client.chat.parse(request)).object, { sky: "blue" });
  assert.deepEqual((await collect(client.chat.stream(request).partialObject)).at(-1), { sky: "blue" });
  assert.equal(fetch.requests.length, 1);
});

test("create() resolves for an answer from the cache", async () => {
  const { client, fetch } = stage();
  const ask = async () => {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
    return text;
  };
  assert.equal(await ask(), await ask());
  assert.equal(fetch.requests.length, 1);
});

test("an answer that would be another each time is kept only when asked", async () => {
  const warm = { model: "test-model", messages };
  const { client, fetch } = stage();
  for (const temperature of [undefined, 0.7]) {
    const stream = client.chat.stream({ ...warm, temperature });
    await stream.final();
    assert.deepEqual(stream.trace.cache, { hit: false, why: "temperature" });
    await client.chat.stream({ ...warm, temperature }).final();
  }
  assert.equal(fetch.requests.length, 4);
  const always = { cache: { when: "always" } };
  await client.chat.stream(warm, always).final();
  assert.equal((await client.chat.stream(warm, always).final()).trace.cache.hit, true);
  assert.equal(fetch.requests.length, 5);
});

test("other requests, other credentials and other services are other answers", async () => {
  const { client, fetch } = stage({ endpointUrl: undefined, baseUrl: "https://gateway.example", accessToken: "hf_oauth_a" });
  const variants = [
    [question],
    [{ ...question, seed: 1 }],
    [{ ...question, messages: [...messages, ...messages] }],
    [{ ...question, model: "other" }],
    [question, { accessToken: "hf_oauth_b" }],
    [question, { accessToken: async () => "hf_oauth_c" }],
    [question, { baseUrl: "https://other.example" }],
    [question, { provider: "groq", hubUrl: "https://hub.example" }],
    [question, { headers: { "x-tenant": "1" } }],
    [question, { fallbacks: [{ model: "third" }] }],
  ];
  for (const [request, options] of variants) await client.chat.stream(request, options).final();
  const count = fetch.requests.filter(({ attempt }) => attempt > 0).length;
  assert.equal(count, variants.length);
  for (const [request, options] of variants) {
    assert.equal((await client.chat.stream(request, options).final()).trace.cache.hit, true, JSON.stringify([request, options]));
  }
  await client.chat.stream({ ...question, user: "u", stream_options: { include_usage: true } }).final();
  assert.equal(fetch.requests.filter(({ attempt }) => attempt > 0).length, count);
});

test("shared answers are given to other credentials, and only those", async () => {
  const { client, fetch } = stage({ accessToken: "a", cache: { shared: true } });
  await client.chat.stream(question).final();
  assert.equal((await client.chat.stream(question, { accessToken: "b" }).final()).trace.cache.hit, true);
  await client.chat.stream(question, { accessToken: "b", cache: { shared: false } }).final();
  assert.equal(fetch.requests.length, 2);
});

test("the token function is asked once for each call, also when it goes on to send a request", async () => {
  let asked = 0;
  const { client, fetch } = stage({ accessToken: () => `token-${(asked += 1) && "same"}` });
  await client.chat.stream(question).final();
  assert.equal(asked, 1);
  assert.ok(fetch.requests[0].headers.authorization);
  await client.chat.stream(question).final();
  assert.equal(asked, 2);
  assert.equal(fetch.requests.length, 1);
  const failing = stage({ accessToken: () => Promise.reject(new Error("no session")) });
  const error = await failing.client.chat.stream(question).final().catch((error) => error);
  assert.ok(library.isAuthenticationError(error), String(error));
  assert.equal(error.cause.message, "no session");
});

test("cache: false and \"refresh\" of a call", async () => {
  const store = mapStore();
  const { client, fetch } = stage({ cache: { store } });
  await client.chat.stream(question).final();
  const without = client.chat.stream(question, { cache: false });
  await without.final();
  assert.equal(without.trace.cache, undefined);
  const [before] = store.entries.values();
  const fresh = await client.chat.stream(question, { cache: "refresh" }).final();
  await turns();
  assert.deepEqual(fresh.trace.cache, { hit: false, why: "refresh" });
  assert.equal(fetch.requests.length, 3);
  assert.equal(store.entries.size, 1, "kept in the same place of the same store");
  assert.equal((await client.chat.stream(question).final()).trace.cache.hit, true);
  assert.notEqual([...store.entries.values()][0], before);

  const slow = { ...mapStore(), put: () => new Promise(() => {}) };
  const other = stage({ cache: { store: slow } });
  await other.client.chat.stream(question).final();
  await other.client.chat.stream(question, { cache: "refresh" }).final();
  assert.equal(other.fetch.requests.length, 2, "not the answer that is on its way into the store");
});

test("an answer is old after its ttl", async () => {
  const clock = new testing.VirtualClock();
  const restore = clock.install();
  try {
    const { client, fetch } = stage({ cache: { ttl: 60_000 } });
    await clock.run(client.chat.stream(question).final());
    await clock.advance(59_000);
    const young = await clock.run(client.chat.stream(question).final());
    assert.equal(young.trace.cache.age, 59_000);
    await clock.advance(1_000);
    const old = await clock.run(client.chat.stream(question).final());
    assert.deepEqual(old.trace.cache, { hit: false, why: "expired" });
    assert.equal(fetch.requests.length, 2);
  } finally {
    restore();
  }
});

test("only complete answers are kept", async () => {
  const faults = [
    { kind: "cut", after: 2 },
    { kind: "cut", after: 2, inLine: true },
    { kind: "reset", after: 2 },
    { kind: "error-event", after: 2 },
    { kind: "bad-frame", after: 2 },
    { kind: "html" },
    { kind: "status", status: 500 },
    { kind: "network-error" },
  ];
  for (const fault of faults) {
    const store = mapStore();
    const { client, fetch } = stage({ service: { faults: [fault] }, cache: { store } });
    await assert.rejects(client.chat.stream(question).final(), library.InferenceError, JSON.stringify(fault));
    await turns();
    assert.equal(store.entries.size, 0, JSON.stringify(fault));
    const final = await client.chat.stream(question).final();
    assert.equal(final.trace.cache.hit, false, JSON.stringify(fault));
    assert.equal(fetch.requests.length, 2);
    assert.equal((await client.chat.stream(question).final()).text, "The sky is blue because of Rayleigh.");
    assert.equal(fetch.requests.length, 2);
  }
  for (const [finishReason, request, kept] of [["length", question, false], ["length", { ...question, max_tokens: 9 }, true], ["content_filter", question, false], ["insufficient_system_resource", question, false]]) {
    const store = mapStore();
    const { client, fetch } = stage({ service: { answer: { text: "Blue.", finishReason } }, cache: { store } });
    for (let time = 0; time < 2; time++) {
      await client.chat.stream(request).final();
      await turns();
    }
    assert.equal(store.entries.size, kept ? 1 : 0, finishReason);
    assert.equal(fetch.requests.length, kept ? 1 : 2, finishReason);
  }
  const { fetch, requests } = slowService();
  const { client } = stage({ fetch });
  const left = client.chat.stream(question);
  const reading = left.textStream[Symbol.asyncIterator]();
  const first = reading.next();
  await turns();
  requests[0].say("Blu");
  assert.equal((await first).value, "Blu");
  await reading.return();
  const second = client.chat.stream(question, { singleFlight: false }).final();
  await turns();
  requests[1].say("Blue.");
  requests[1].end();
  assert.equal((await second).text, "Blue.");
});

test("errors are those of the request, with its trace and what had come", async () => {
  const { client } = stage({ service: { faults: [{ kind: "reset", after: 2 }] } });
  const stream = client.chat.stream(question);
  const error = await stream.final().catch((error) => error);
  assert.ok(library.isStreamInterruptedError(error), String(error));
  assert.equal(error.partial.text, "The sky");
  assert.equal(error.trace.attempts.length, 1);
  assert.equal(stream.trace.attempts.length, 1);
});

test("retries and fallbacks are told as they are without a cache", async () => {
  const service = { faults: [{ kind: "status", status: 503 }, { kind: "status", status: 503 }] };
  const told = [];
  const options = {
    service,
    retry: { limit: 1, backoffLimit: 1 },
    fallbacks: [{ model: "second" }],
    onAttempt: ({ attempt }) => told.push(`attempt ${attempt}`),
    onRetry: () => told.push("retry"),
    onFallback: () => told.push("fallback"),
  };
  const { client } = stage(options);
  const stream = client.chat.stream(question);
  const events = await collect(stream.events);
  const types = events.map(({ type }) => type);
  assert.deepEqual(types.filter((type) => type !== "text"), ["retry", "fallback", "start", "usage", "finish"]);
  assert.ok(library.isServerError(events[0].error));
  assert.equal(events.find(({ type }) => type === "start").model, "second");
  assert.deepEqual(told, ["attempt 1", "retry", "attempt 2", "fallback", "attempt 3"]);
  const final = await stream.final();
  assert.equal(final.trace.attempts.length, 3);
  assert.equal(final.model, "second");
  const again = client.chat.stream(question);
  assert.deepEqual((await collect(again.events)).map(({ type }) => type).filter((type) => type !== "text"), ["start", "usage", "finish"]);
  assert.equal((await again.final()).model, "second");
});

const bad = {
  "nothing of ours": () => "rubbish",
  "half of it": (value) => value.slice(0, value.length / 2),
  "a changed character": (value) => value.replace("blue", "grue"),
  "another version": (value) => value.replace("[1,", "[2,"),
  "another's": (value) => value.replace(/[0-9a-f]{64}/, (key) => [...key].reverse().join("")),
  "no text": () => 7,
  "an object": () => ({}),
  "an empty text": () => "",
};

for (const [what, change] of Object.entries(bad)) {
  test(`a store that gives ${what} is a miss, said in the trace, and put right`, async () => {
    const store = mapStore();
    const { client, fetch } = stage({ cache: { store } });
    await client.chat.stream(question).final();
    await turns();
    const [[key, value]] = store.entries;
    store.entries.set(key, change(value));
    const final = await client.chat.stream(question).final();
    await turns();
    assert.equal(final.text, "The sky is blue because of Rayleigh.");
    assert.deepEqual(final.trace.cache, { hit: false, why: what === "another version" ? "version" : "corrupt" });
    assert.equal(fetch.requests.length, 2);
    assert.equal((await client.chat.stream(question).final()).trace.cache.hit, true);
  });
}

test("a store that fails or is silent costs a request and a bounded wait", async () => {
  const fails = () => Promise.reject(new Error("disk full"));
  const throws = () => {
    throw new Error("no such store");
  };
  for (const misbehaves of [fails, throws]) {
    const { client, fetch } = stage({ cache: { store: { get: misbehaves, put: misbehaves, delete: misbehaves } } });
    for (let time = 1; time <= 2; time++) {
      const final = await client.chat.stream(question).final();
      await turns();
      assert.deepEqual(final.trace.cache, { hit: false, why: "failed" });
      assert.equal(fetch.requests.length, time);
    }
  }
  const clock = new testing.VirtualClock();
  const restore = clock.install();
  try {
    const never = () => new Promise(() => {});
    const { client, fetch } = stage({ cache: { store: { get: never, put: never, delete: never }, timeout: 300 }, service: { clock } });
    const start = clock.now();
    const final = await clock.run(client.chat.stream(question).final());
    assert.deepEqual(final.trace.cache, { hit: false, why: "timeout" });
    assert.equal(fetch.requests[0].at - start, 300);
    const late = client.chat.stream(question, { timeout: { total: 100 }, cache: { timeout: 60_000 }, singleFlight: false });
    const error = await clock.run(late.final().catch((error) => error));
    assert.ok(library.isTimeoutError(error), String(error));
    assert.equal(error.phase, "total");
  } finally {
    restore();
  }
});

test("a call that is aborted while its answer is looked for sends nothing", async () => {
  let answer;
  const store = { ...mapStore(), get: () => new Promise((resolve) => (answer = resolve)) };
  const { client, fetch } = stage({ cache: { store } });
  const stream = client.chat.stream(question);
  while (!answer) await turns();
  stream.abort();
  await assert.rejects(stream.final(), { name: "AbortError" });
  answer(undefined);
  await turns();
  assert.equal(fetch.requests.length, 0);
});

test("memory is bounded: what was used last stays", async () => {
  const answerOf = ({ body }) => ({ text: `${body.messages[0].content} ${"x".repeat(10_000)}` });
  const { client, fetch } = stage({ service: { answer: answerOf }, cache: { maxBytes: 100_000 } });
  const ask = async (id) => {
    const before = fetch.requests.length;
    await client.chat.stream({ ...question, messages: [{ role: "user", content: id }] }).final();
    return fetch.requests.length === before;
  };
  for (const id of ["a", "b", "c"]) await ask(id);
  assert.ok(await ask("a"), "a is kept");
  for (const id of ["d", "e"]) await ask(id);
  assert.ok(await ask("a"), "a was used");
  assert.ok(!(await ask("b")), "b was not");
  const none = stage({ cache: { maxBytes: 0 } });
  for (let time = 0; time < 2; time++) await none.client.chat.stream(question).final();
  assert.equal(none.fetch.requests.length, 2);
});

test("options that are none are told by name", async () => {
  const cases = [
    [{ cache: 7 }, "cache"],
    [{ cache: "always" }, "cache"],
    [{ cache: { ttl: -1 } }, "cache.ttl"],
    [{ cache: { ttl: "1h" } }, "cache.ttl"],
    [{ cache: { maxBytes: -1 } }, "cache.maxBytes"],
    [{ cache: { when: "never" } }, "cache.when"],
    [{ cache: { shared: "yes" } }, "cache.shared"],
    [{ cache: { store: new Map([["get", 1]]) } }, "cache.store"],
    [{ cache: { timeout: 0 } }, "cache.timeout"],
    [{ singleFlight: "yes" }, "singleFlight"],
  ];
  for (const [options, option] of cases) {
    const { client, fetch } = stage({ cache: undefined });
    const error = await client.chat.stream(question, options).final().catch((error) => error);
    assert.ok(library.isInputError(error), `${JSON.stringify(options)}: ${error}`);
    assert.equal(error.option, option);
    assert.ok(error.expected);
    assert.equal(fetch.requests.length, 0);
  }
});

test("a replay is not billed: ledger and onUsage hear of the request, once", async () => {
  const records = [];
  const { client, fetch } = stage({ onUsage: (record) => records.push(record), prices: [{ endpointUrl: "https://llm.example", input: 1, output: 2 }] });
  const [one, two] = await Promise.all([1, 2].map(() => client.chat.stream(question).final()));
  const three = await client.chat.stream(question).final();
  assert.equal(fetch.requests.length, 1);
  assert.deepEqual(two.usage, one.usage);
  assert.deepEqual(three.usage, one.usage);
  assert.equal(records.length, 1);
  assert.ok(one.cost?.usd === records[0].cost?.usd && two.cost?.usd === undefined && three.cost?.usd === undefined, JSON.stringify([one.cost, two.cost, three.cost, records]));
  const { total } = client.ledger.summary();
  assert.equal(total.requests, 1);
  assert.deepEqual([one, two, three].map(({ trace }) => trace.cache.savedUsd), [undefined, one.cost.usd, one.cost.usd]);
});

/** Small and large targets, with the packed package. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { LARGE, SMALL, library, messages, reported, stage } from "./support.js";

const question = { model: "m", messages };
const collect = async (iterable) => {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
};
const near = (found, expected) => assert.ok(Math.abs(found - expected) < 1e-12, `${found} is not ${expected}`);

test("a function chooses; what it leaves open the estimate decides, and what it throws is reported and means large", async () => {
  const seen = [];
  const cases = [
    [() => "small", "small", "function"],
    [async () => "large", "large", "function"],
    [() => undefined, "small", "estimate"],
    [(request, estimate) => { seen.push([request, estimate]); }, "small", "estimate"],
    [() => { throw new RangeError("mine"); }, "large", "function failed", "mine"],
    [async () => { throw new RangeError("mine"); }, "large", "function failed", "mine"],
    [() => "medium", "large", "function failed", /medium: expected "small", "large" or undefined/],
    [() => null, "large", "function failed", /null/],
  ];
  for (const [policy, chosen, reason, fault] of cases) {
    const { client, hosts, told } = stage({}, { policy });
    const errors = await reported(async () => {
      const { trace, text } = await client.chat.stream(question).final();
      assert.equal(text, `${chosen} answer`);
      assert.deepEqual([trace.route.chosen, trace.route.reason], [chosen, reason]);
    });
    assert.equal(hosts(), chosen);
    assert.deepEqual([told.length, told[0].chosen], [1, chosen]);
    assert.equal(errors.length, fault ? 1 : 0);
    if (fault) assert.match(errors[0].message, new RegExp(fault));
  }
  const [[request, estimate]] = seen;
  assert.deepEqual(request, question);
  assert.ok(estimate.score < 0.2 && estimate.features.length > 0);
});

test("a choice that never comes ends in time, and by an abort", async () => {
  const never = { policy: () => new Promise(() => {}) };
  const { client, requests } = stage({}, never, { timeout: { queue: 20 } });
  const error = await client.chat.stream(question).final().catch((error) => error);
  assert.ok(library.isTimeoutError(error) && error.phase === "queue", String(error));
  const other = stage({}, never);
  const controller = new AbortController();
  const answer = other.client.chat.stream(question, { signal: controller.signal }).final();
  controller.abort();
  await assert.rejects(answer, { name: "AbortError" });
  assert.deepEqual([requests, other.requests], [[], []]);
});

test("targets: a text is a model, what is left out is as in the call, and each has its own key", async () => {
  const { client, requests } = stage({}, { small: "tiny", large: { model: "huge", accessToken: () => "sk-huge" }, policy: () => undefined, threshold: 1 }, { accessToken: "sk-own" });
  await client.chat.stream(question).final();
  await client.chat.stream(question, { route: { small: { model: "tiny" }, policy: () => "large" } }).final();
  await client.chat.stream(question, { route: { small: "tiny", large: { model: "huge", accessToken: () => "sk-huge" }, policy: () => "large" } }).final();
  await client.chat.stream(question, { route: false }).final();
  assert.deepEqual(requests.map(({ body, key }) => [body.model, key]), [["tiny", "Bearer sk-own"], ["m", "Bearer sk-own"], ["huge", "Bearer sk-huge"], ["m", "Bearer sk-own"]]);
});

test("a small target that fails is followed by the large one and by fallbacks, and a large one never by the small", async () => {
  for (const policy of ["cascade", () => "small"]) {
    const { client, hosts } = stage({ small: { status: 503 }, large: { status: 503 }, third: "third answer" }, { policy }, { fallbacks: [{ endpointUrl: "https://third.example/v1" }] });
    const stream = client.chat.stream(question);
    const events = await collect(stream.events);
    const { text, trace } = await stream.final();
    assert.deepEqual([text, hosts()], ["third answer", "small large third"]);
    assert.deepEqual(events.filter(({ type }) => type === "fallback").map(({ to }) => to.endpointUrl), [LARGE, "https://third.example/v1"]);
    assert.equal(trace.route.escalated, "refused");
  }
  const { client, hosts } = stage({ large: { status: 503 } }, { policy: () => "large" });
  await assert.rejects(client.chat.stream(question).final(), { name: "ServerError" });
  assert.equal(hosts(), "large");
});

test("behind the large one come the other providers of its model, and what are no fallbacks is an error", async () => {
  const requests = [];
  const fetch = async (url, { body }) => {
    requests.push(body ? JSON.parse(body).model : new URL(url).pathname);
    if (!body) return Response.json({ id: "lab/large", providers: [{ provider: "groq", status: "live", pricing: { input: 1, output: 1 } }, { provider: "novita", status: "live", pricing: { input: 0.1, output: 0.1 } }] });
    return new Response("{}", { status: 503 });
  };
  const options = { accessToken: "hf_oauth_x", fetch, retry: false, route: { small: "lab/small", large: "lab/large", policy: "cascade" } };
  for (const fallbacks of [{ auto: "price" }, "auto"]) {
    requests.length = 0;
    await assert.rejects(new library.InferenceClient({ ...options, fallbacks }).chat.stream(question).final(), { name: "ServerError" });
    assert.deepEqual(requests.slice(0, 3), ["lab/small", "lab/large", "/v1/models/lab/large"]);
    assert.deepEqual(requests.slice(3).sort(), ["lab/large:groq", "lab/large:novita"]);
    if (fallbacks !== "auto") assert.equal(requests[3], "lab/large:novita", "the cheapest first");
  }
  for (const fallbacks of [5, "cheapest", { auto: "fast" }]) {
    await assert.rejects(new library.InferenceClient({ ...options, fallbacks }).chat.stream(question).final(), { name: "InputError", option: "fallbacks" });
  }
});

test("a cascade: what will do is shown, and what will not goes to the large one, is paid for and never shown", async () => {
  const rejections = {
    length: [{ text: "cut", finish: "length" }],
    content_filter: [{ text: "cut", finish: "content_filter" }],
    refusal: [{ text: "", refusal: "I cannot" }],
    logprob: [{ text: "not so sure", logprobs: [-0.1, -2, -3] }, { minLogprob: -1 }],
    json: [{ text: "no JSON" }, {}, { response_format: { type: "json_object" } }],
    schema: [{ text: '{"year":"no"}' }, {}, { schema: { type: "object", properties: { year: { type: "integer" } }, required: ["year"] } }],
    accept: ["small answer", { accept: () => false }],
  };
  const large = { json: '{"year":1}', schema: '{"year":1}' };
  const prices = [{ endpointUrl: SMALL, input: 1, output: 1 }, { endpointUrl: LARGE, input: 10, output: 10 }];
  for (const [reason, [small, route, request]] of Object.entries(rejections)) {
    const text = large[reason] ?? "large answer";
    const { client, hosts, told } = stage({ small, large: text }, { policy: "cascade", ...route }, { prices });
    const stream = client.chat.stream({ ...question, ...request });
    const shown = await collect(stream.textStream);
    assert.equal(shown.join(""), text, reason);
    const final = await stream.final();
    assert.deepEqual([final.text, hosts(), final.trace.route], [text, "small large", { chosen: "small", reason: "cascade", escalated: reason }]);
    assert.deepEqual(final.trace.attempts.map(({ outcome }) => outcome), ["rejected", "complete"]);
    near(final.cost.usd, 0.0022);
    assert.equal(final.usage.total_tokens, 200);
    near(client.ledger.summary().total.usd, 0.0022);
    assert.deepEqual(told, [final.trace.route]);
    assert.match(library.summary(final.trace), new RegExp(`^complete in \\d+ ms: small chosen \\(cascade; then large: ${reason}\\); endpoint rejected`));
  }
  const accepted = {
    plain: ["small answer"],
    sure: [{ text: "small answer", logprobs: [-0.1, -0.2] }, { minLogprob: -1 }],
    "no logprobs told": ["small answer", { minLogprob: -1 }],
    json: [{ text: '```json\n{"year":1}\n```' }, {}, { response_format: { type: "json_object" } }],
    accept: ["small answer", { accept: async ({ text }) => text.length > 5 }],
  };
  for (const [name, [small, route, request]] of Object.entries(accepted)) {
    const { client, hosts } = stage({ small }, { policy: "cascade", ...route });
    const final = await client.chat.stream({ ...question, ...request }).final();
    assert.deepEqual([hosts(), final.text, final.trace.route.escalated], ["small", small.text ?? small, undefined], name);
  }
});

test("a cascade in every way of reading, streamed and whole", async () => {
  const reads = {
    text: async (client) => (await collect(client.chat.stream(question).textStream)).join(""),
    events: async (client) => (await collect(client.chat.stream(question).events)).map(({ text = "" }) => text).join(""),
    chunks: async (client) => (await collect(await client.chat.completions.create({ ...question, stream: true }))).map(({ choices }) => choices[0]?.delta?.content ?? "").join(""),
    final: async (client) => (await client.chat.stream(question).final()).text,
    whole: async (client) => (await client.chatCompletion(question)).choices[0].message.content,
    generated: async (client) => (await client.textGeneration({ inputs: "Hello" })).generated_text,
  };
  for (const [name, read] of Object.entries(reads)) {
    for (const accept of [true, false]) {
      const seen = [];
      const { client, hosts } = stage({}, { policy: "cascade", accept: (answer) => (seen.push(answer), accept) });
      assert.equal(await read(client), accept ? "small answer" : "large answer", name);
      assert.equal(hosts(), accept ? "small" : "small large");
      const [{ text, finishReason, toolCalls, choices, provider }] = seen;
      assert.deepEqual([text, toolCalls, choices.length, provider], ["small answer", [], 1, "endpoint"], name);
      assert.equal(finishReason, "stop", name);
    }
  }
});

test("accept gets the value of a structured answer; its throw rejects; its silence ends in time", async () => {
  const schema = { type: "object", properties: { year: { type: "integer" } }, required: ["year"] };
  const values = [];
  const { client } = stage({ small: '{"year":1999}' }, { policy: "cascade", accept: ({ object }) => (values.push(object), true) });
  const { object } = await client.chat.parse({ ...question, schema });
  assert.deepEqual([object, values], [{ year: 1999 }, [{ year: 1999 }]]);

  for (const accept of [() => { throw new RangeError("mine"); }, async () => { throw new RangeError("mine"); }]) {
    const { client } = stage({}, { policy: "cascade", accept });
    const errors = await reported(async () => {
      const { text, trace } = await client.chat.stream(question).final();
      assert.deepEqual([text, trace.route.escalated], ["large answer", "accept failed"]);
    });
    assert.deepEqual(errors, [], "no process is to end by it");
  }

  const silent = stage({}, { policy: "cascade", accept: () => new Promise(() => {}) }, { timeout: { total: 60 } });
  const error = await silent.client.chat.stream(question).final().catch((error) => error);
  assert.ok(library.isTimeoutError(error) && error.phase === "total", String(error));
  assert.deepEqual([error.partial, error.trace.attempts[0].outcome, silent.hosts()], [undefined, "unjudged", "small"]);

  const aborted = stage({}, { policy: "cascade", accept: () => (stream.abort(), new Promise(() => {})) });
  const stream = aborted.client.chat.stream(question);
  await assert.rejects(stream.final(), { name: "AbortError" });
  assert.equal(stream.partial, undefined);
});

test("a cascade asks the small one for logprobs where they count, and nobody else", async () => {
  const { client, requests } = stage({ small: { text: "a b", logprobs: [-5, -5] } }, { policy: "cascade", minLogprob: -1 });
  await client.chat.stream(question).final();
  await client.chatCompletion({ ...question, logprobs: false });
  assert.deepEqual(requests.map(({ host, body }) => [host, body.logprobs]), [["small", true], ["large", undefined], ["small", false], ["large", false]]);
  const plain = stage({}, { policy: "cascade" });
  await plain.client.chat.stream(question).final();
  assert.equal("logprobs" in plain.requests[0].body, false);
});

test("with a threshold a hard request goes past the cascade", async () => {
  const hard = [{ role: "user", content: "Prove, step by step, that ∫ x² dx = x³/3 + C." }];
  const { client, hosts } = stage({}, { policy: "cascade", threshold: 0.4, accept: () => false });
  const { trace } = await client.chat.stream({ model: "m", messages: hard }).final();
  assert.deepEqual([hosts(), trace.route.chosen, trace.route.reason], ["large", "large", "estimate"]);
  assert.ok(trace.route.estimate.score >= 0.4);
  const easy = await client.chat.stream(question).final();
  assert.deepEqual([easy.trace.route.reason, easy.trace.route.escalated], ["cascade", "accept"]);
});

test("shadow changes nothing, and tells what would have been chosen and saved", async () => {
  const prices = [{ endpointUrl: SMALL, input: 1, output: 1 }, { endpointUrl: LARGE, input: 10, output: 10 }];
  for (const policy of ["estimate", "cascade", () => "small"]) {
    const { client, hosts, told } = stage({}, { policy, shadow: true, ...(policy === "cascade" && { accept: () => false }) }, { prices });
    const { text, trace } = await client.chat.stream(question).final();
    assert.deepEqual([text, hosts(), trace.route.chosen, trace.route.shadow], ["large answer", "large", "small", true]);
    near(trace.route.savedUsd, 0.0018);
    assert.deepEqual(told, [trace.route]);
  }
  const dearer = stage({}, { small: "m", large: { endpointUrl: "https://dear.example" }, policy: () => "large", shadow: true }, { prices: [...prices, { endpointUrl: "https://dear.example", input: 30, output: 30 }] });
  near((await dearer.client.chat.stream(question).final()).trace.route.savedUsd, -0.004);
  for (const known of [[], prices.slice(0, 1), prices.slice(1)]) {
    const { client } = stage({}, { shadow: true }, { prices: known });
    const { trace } = await client.chat.stream(question).final();
    assert.equal(trace.route.chosen, "small");
    assert.equal("savedUsd" in trace.route, false, "unknown is not 0");
  }
  // The keys of the call's fallbacks stay theirs.
  const fallbacks = [{ endpointUrl: "https://third.example/v1", accessToken: () => "sk-third" }];
  const { client, requests } = stage({ large: { status: 503 }, third: "third answer" }, { small: { endpointUrl: SMALL, accessToken: () => "sk-small" }, shadow: true }, { fallbacks });
  await client.chat.stream(question).final();
  assert.deepEqual(requests.map(({ host, key }) => [host, key]), [["large", null], ["third", "Bearer sk-third"]]);
});

test("with a cache, what was accepted is kept, and what was rejected never", async () => {
  const cold = { ...question, temperature: 0 };
  let judged = 0;
  const { client, hosts, told } = stage({}, { policy: "cascade", accept: () => (judged++, true) }, { cache: true });
  const [one, two] = await Promise.all([client.chat.stream(cold).final(), client.chat.stream(cold).final()]);
  const three = await client.chat.stream(cold).final();
  assert.deepEqual([one.text, two.text, three.text, hosts(), judged, told.length], ["small answer", "small answer", "small answer", "small", 1, 1]);
  assert.equal(three.trace.cache.hit, true);
  assert.equal(three.trace.route.chosen, "small");

  const strict = stage({}, { policy: "cascade", accept: ({ text }) => text === "large answer" }, { cache: true });
  const shown = await collect(strict.client.chat.stream(cold).textStream);
  const again = await strict.client.chat.stream(cold).final();
  assert.deepEqual([shown.join(""), again.text, again.trace.cache.hit, strict.hosts()], ["large answer", "large answer", true, "small large"]);
  // Another judge has another answer; so has another choice.
  await strict.client.chat.stream(cold, { route: { small: { endpointUrl: SMALL }, policy: "cascade", accept: () => true } }).final();
  await strict.client.chat.stream(cold, { route: { small: { endpointUrl: SMALL }, policy: () => "large" } }).final();
  await strict.client.chat.stream(cold, { route: { small: { endpointUrl: SMALL }, policy: () => "small" } }).final();
  assert.equal(strict.hosts(), "small large small large small");
});

test("a call and the flight that it shares have one choice and one judgement", async () => {
  let choices = 0;
  const { client, hosts } = stage({}, { policy: () => (choices++, "small") }, { singleFlight: true });
  const texts = await Promise.all([1, 2, 3].map(async () => (await client.chat.stream(question).final()).text));
  assert.deepEqual([texts, hosts(), choices], [Array(3).fill("small answer"), "small", 3], "each call chooses once");
});

test("what is no route is an error that says so, before anything is sent", async () => {
  const wrong = {
    route: ["small", true, 5],
    "route.small": [{}, { small: "" }, { small: 5 }, { small: null }],
    "route.large": [{ small: "a", large: "" }, { small: "a", large: 7 }],
    "route.policy": [{ small: "a", policy: "cheap" }, { small: "a", policy: 1 }],
    "route.threshold": [{ small: "a", threshold: 2 }, { small: "a", threshold: "high" }, { small: "a", threshold: NaN }],
    "route.accept": [{ small: "a", policy: "cascade", accept: true }, { small: "a", accept: () => true }],
    "route.minLogprob": [{ small: "a", policy: "cascade", minLogprob: 1 }, { small: "a", minLogprob: -1 }],
    "route.shadow": [{ small: "a", shadow: "yes" }],
    "route.small.model": [{ small: { model: 5 } }, { small: { model: "" } }],
    "route.small.provider": [{ small: { provider: 5 } }],
    "route.large.endpointUrl": [{ small: "a", large: { endpointUrl: 5 } }],
    accessToken: [{ small: { model: "a", accessToken: 5 } }],
    endpointUrl: [{ small: { endpointUrl: "not a URL" }, policy: () => "small" }],
  };
  for (const [option, routes] of Object.entries(wrong)) {
    for (const route of routes) {
      const { client, requests } = stage({}, undefined, { route });
      const error = await client.chat.stream(question).final().catch((error) => error);
      assert.ok(library.isInputError(error), `${option}: ${JSON.stringify(route)} ${error}`);
      assert.deepEqual([error.option, requests], [option, []], JSON.stringify(route));
    }
  }
});

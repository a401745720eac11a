/** What `hf-inference-wasm/opentelemetry` records, under the names of the semantic conventions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { usePackage } from "./support.js";

const { library, testing, entryOf } = await usePackage();
const { usageMetrics } = await import(pathToFileURL(entryOf("./opentelemetry")));

function meter() {
  const recorded = [];
  const instrument = (name, { unit }) => {
    const note = (value, attributes) => recorded.push([name, unit, value, attributes]);
    return { record: note, add: note };
  };
  return { recorded, createHistogram: instrument, createCounter: instrument };
}

const chat = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const common = { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "endpoint", "gen_ai.request.model": "test-model" };

function ask(faults, spy, options) {
  const client = new library.InferenceClient({
    endpointUrl: "https://service.example/v1",
    fetch: testing.faultyFetch({ faults, answer: ["one", " two"] }),
    prices: [{ input: 1, output: 1 }],
    retry: false,
    onUsage: usageMetrics(spy, options),
  });
  return client.chat.stream(chat).final();
}

test("a call's tokens, cost and duration", async () => {
  const spy = meter();
  const { usage, cost } = await ask([], spy);
  const [duration] = spy.recorded.splice(spy.recorded.findIndex(([name]) => name === "gen_ai.client.operation.duration"), 1);
  assert.ok(duration[2] >= 0 && duration[2] < 60);
  assert.deepEqual([duration[0], duration[1], duration[3]], ["gen_ai.client.operation.duration", "s", common]);
  const tokens = (type, count) => ["gen_ai.client.token.usage", "{token}", count, { ...common, "gen_ai.token.type": type }];
  assert.deepEqual(spy.recorded, [
    tokens("input", usage.prompt_tokens),
    tokens("output", usage.completion_tokens),
    ["hf_inference.client.cost", "USD", cost.usd, common],
  ]);
});

test("a call that fails has an error type; tokens that nobody told are recorded on request only", async () => {
  for (const estimated of [false, true]) {
    const spy = meter();
    await assert.rejects(ask([{ kind: "cut", after: 1 }], spy, { estimated }), library.isInferenceError);
    const durations = spy.recorded.filter(([name]) => name === "gen_ai.client.operation.duration");
    assert.equal(durations.length, 1);
    assert.ok(["truncated", "failed"].includes(durations[0][3]["error.type"]), durations[0][3]["error.type"]);
    assert.equal(spy.recorded.filter(([name]) => name === "gen_ai.client.token.usage").length, estimated ? 2 : 0);
  }
});

import * as wire from "../../server/wire.js";
import { collect } from "./harness.js";

const prompt = { inputs: "Once upon a time", parameters: { max_new_tokens: 8, temperature: 0.7, seed: 3 } };
const textOf = (events) => events.filter(({ token }) => !token.special).map(({ token }) => token.text).join("");

/** A client bound to one route of a scenario, as a dedicated endpoint would be. */
function endpoint({ library }, service, route) {
  return new library.InferenceClient().endpoint(service.url + route);
}

/** @type {import("./harness.js").Check[]} */
export const generationChecks = [
  {
    name: "generation: Text Generation Inference, streamed: the wire's events, untouched",
    async run(tools) {
      const { assert, scenario } = tools;
      const service = scenario("ok", { pace: 1 });
      const events = await collect(endpoint(tools, service, "/generate_stream").textGenerationStream(prompt));
      assert.deepEqual(events, wire.generationEvents());
      const [request] = await service.closed();
      assert.equal(request.path, "/generate_stream");
      assert.equal(request.body.inputs, prompt.inputs);
      assert.deepEqual(request.body.parameters, prompt.parameters);
    },
  },
  {
    name: "generation: Text Generation Inference, whole",
    async run(tools) {
      const { assert, scenario } = tools;
      const service = scenario("ok");
      const answer = await endpoint(tools, service, "/generate").textGeneration(prompt);
      assert.deepEqual(answer, wire.generation());
      const [request] = await service.closed();
      assert.equal(request.path, "/generate");
      assert.equal(request.body.inputs, prompt.inputs);
      assert.deepEqual(request.body.parameters, prompt.parameters);
    },
  },
  {
    name: "generation: /generate and /generate_stream name the same endpoint",
    async run(tools) {
      const { assert, scenario } = tools;
      const service = scenario("ok");
      assert.equal(textOf(await collect(endpoint(tools, service, "/generate").textGenerationStream(prompt))), wire.tokensOf().join(""));
      assert.equal((await endpoint(tools, service, "/generate_stream").textGeneration(prompt)).generated_text, wire.tokensOf().join(""));
      assert.deepEqual((await service.closed(2)).map(({ path }) => path), ["/generate_stream", "/generate"]);
    },
  },
  {
    name: "generation: OpenAI completions, streamed, in the shape of Text Generation Inference",
    async run(tools) {
      const { assert, scenario } = tools;
      const service = scenario("ok", { finish: "length" });
      const events = await collect(endpoint(tools, service, "/v1").textGenerationStream({ ...prompt, model: "test-model" }));
      assert.equal(textOf(events), wire.tokensOf().join(""));
      assert.equal(events.at(-1).generated_text, wire.tokensOf().join(""));
      assert.ok(events.slice(0, -1).every((event) => event.generated_text === null), "generated_text came before the end");
      assert.equal(events.at(-1).details.finish_reason, "length");
      assert.deepEqual(events.map(({ index }) => index), events.map((_, position) => position + 1));
      for (const { token } of events) assert.ok(typeof token.text === "string" && "id" in token && "logprob" in token && typeof token.special === "boolean", "incomplete token");
      const [request] = await service.closed();
      assert.equal(request.path, "/v1/completions");
      assert.equal(request.body.prompt, prompt.inputs);
      assert.equal(request.body.max_tokens, 8);
      assert.equal(request.body.temperature, 0.7);
      assert.equal(request.body.seed, 3);
      for (const name of ["inputs", "parameters", "max_new_tokens"]) assert.ok(!(name in request.body), `${name} was sent`);
    },
  },
  {
    name: "generation: OpenAI completions, whole, in the shape of Text Generation Inference",
    async run(tools) {
      const { assert, scenario } = tools;
      const service = scenario("ok");
      for (const route of ["/v1", "/v1/completions"]) {
        const answer = await endpoint(tools, service, route).textGeneration({ ...prompt, model: "test-model" });
        assert.equal(answer.generated_text, wire.tokensOf().join(""));
      }
      assert.deepEqual((await service.closed(2)).map(({ path }) => path), ["/v1/completions", "/v1/completions"]);
    },
  },
  {
    name: "generation: an endpoint given by its base answers streamed and whole",
    async run(tools) {
      const { assert, scenario } = tools;
      const service = scenario("ok");
      assert.equal(textOf(await collect(endpoint(tools, service, "").textGenerationStream(prompt))), wire.tokensOf().join(""));
      assert.equal((await endpoint(tools, service, "").textGeneration(prompt)).generated_text, wire.tokensOf().join(""));
    },
  },
  {
    name: "generation: textStream and final()",
    async run(tools) {
      const { assert, scenario } = tools;
      const text = wire.tokensOf().join("");
      for (const route of ["/generate", "/v1"]) {
        const streamed = endpoint(tools, scenario("ok", { pace: 1 }), route).textGenerationStream({ ...prompt, model: "test-model" });
        assert.equal((await collect(streamed.textStream)).join(""), text, route);
        assert.equal((await streamed.final()).generated_text, text, route);
        const unread = endpoint(tools, scenario("ok"), route).textGenerationStream({ ...prompt, model: "test-model" });
        assert.equal((await unread.final()).generated_text, text, route);
      }
    },
  },
  {
    name: "generation: toReadableStream gives the events",
    async run(tools) {
      const { assert, scenario } = tools;
      const reader = endpoint(tools, scenario("ok"), "/generate").textGenerationStream(prompt).toReadableStream().getReader();
      const events = [];
      for (let part = await reader.read(); !part.done; part = await reader.read()) events.push(part.value);
      assert.deepEqual(events, wire.generationEvents());
    },
  },
  {
    name: "generation: an answer that ends without generated_text is truncated, with the text so far",
    async run(tools) {
      const { assert, scenario } = tools;
      for (const route of ["/generate", "/v1"]) {
        const stream = endpoint(tools, scenario("truncated"), route).textGenerationStream({ ...prompt, model: "test-model" });
        const error = await assert.rejects(collect(stream));
        assert.equal(error.name, "TruncatedError", route);
        assert.equal(error.partial?.text, wire.tokensOf({ tokens: 5 }).join(""), route);
      }
    },
  },
  {
    name: "generation: the whole JSON in place of a stream is delivered, not lost",
    async run(tools) {
      const { assert, scenario } = tools;
      for (const route of ["/generate", "/v1"]) {
        const stream = endpoint(tools, scenario("json-for-stream"), route).textGenerationStream({ ...prompt, model: "test-model" });
        const events = await collect(stream);
        assert.equal(textOf(events), wire.tokensOf().join(""), route);
        assert.equal(events.at(-1).generated_text, wire.tokensOf().join(""), route);
      }
    },
  },
  {
    name: "generation: textStream has the whole text although final() was called first, over completions and TGI",
    async run({ assert, library }) {
      const bodies = {
        completions: 'data: {"choices":[{"index":0,"text":"a "}]}\n\ndata: {"choices":[{"index":0,"text":"b","finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        TGI: 'data:{"token":{"id":1,"text":"a ","special":false},"generated_text":null}\n\ndata:{"token":{"id":2,"text":"b","special":false},"generated_text":"a b"}\n\n',
      };
      for (const [protocol, body] of Object.entries(bodies)) {
        const fetch = async () => new Response(body, { headers: { "content-type": "text/event-stream" } });
        const stream = new library.InferenceClient({ endpointUrl: "https://h.example", fetch }).textGenerationStream({ inputs: "x" });
        const final = await stream.final();
        let text = "";
        for await (const piece of stream.textStream) text += piece;
        assert.equal(text, "a b", protocol);
        assert.equal(final.generated_text, "a b", protocol);
      }
    },
  },
];

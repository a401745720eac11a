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
  {
    name: "generation: every parameter of Text Generation Inference reaches it, whole and streamed",
    async run(tools) {
      const { assert, scenario } = tools;
      const parameters = {
        best_of: 2, temperature: 0.5, repetition_penalty: 1.03, frequency_penalty: 0.1, top_k: 10, top_p: 0.95, typical_p: 0.95, do_sample: true,
        max_new_tokens: 20, return_full_text: false, stop: ["photographer", "\n\n"], truncate: 100, watermark: true, details: true,
        decoder_input_details: true, seed: 2 ** 53 - 1, top_n_tokens: 5, grammar: { type: "json", value: { type: "object", properties: { a: { type: "string" } } } },
        adapter_id: "org/adapter", unknown_to_clients: [null, { a: 1 }],
      };
      for (const route of ["", "/v1", "/generate", "/generate_stream"]) {
        const service = scenario("ok");
        await endpoint(tools, service, route).textGeneration({ inputs: "Hi", parameters });
        await collect(endpoint(tools, service, route).textGenerationStream({ inputs: "Hi", parameters }));
        const requests = await service.closed(2);
        assert.deepEqual(requests.map(({ path }) => path), ["/generate", "/generate_stream"], `routes for "${route}"`);
        for (const { body } of requests) {
          assert.equal(body.inputs, "Hi");
          assert.deepEqual(body.parameters, parameters, `parameters for "${route}"`);
        }
      }
    },
  },
  {
    name: "generation: a whole answer of Text Generation Inference keeps details, prefill, top tokens and best_of_sequences",
    async run({ assert, library }) {
      const token = { id: 5, text: " a", logprob: -0.1, special: false };
      const sequence = { generated_text: " b", finish_reason: "length", generated_tokens: 1, seed: 9313781139405380000, prefill: [], tokens: [token], top_tokens: [[token]] };
      const answer = {
        generated_text: " a\ud83d\ude00",
        details: { finish_reason: "stop_sequence", generated_tokens: 20, seed: null, prefill: [{ id: 1, text: "<s>", logprob: null }], tokens: [token], top_tokens: [[token, { ...token, id: 6 }]], best_of_sequences: [sequence, sequence] },
        unknown_to_clients: { list: [1, null] },
      };
      for (const body of [answer, [answer], [answer, { generated_text: "another" }]]) {
        const fetch = async () => Response.json(body);
        for (const url of ["https://h.example/generate", "https://h.example"]) {
          const client = new library.InferenceClient({ endpointUrl: url, fetch });
          assert.deepEqual(await client.textGeneration({ inputs: "x", parameters: { details: true, best_of: 2 } }), answer, url);
        }
      }
    },
  },
  {
    name: "generation: stream events of Text Generation Inference keep top tokens, details and unknown fields",
    async run({ assert, library }) {
      const token = (id, text, special = false) => ({ id, text, logprob: -5.6796875, special });
      const events = [
        { token: token(1, " How"), top_tokens: [token(1, " How"), token(2, " Who")], generated_text: null, details: null },
        { index: 2, token: token(2, " are"), top_tokens: [], generated_text: null, details: null, unknown_to_clients: [{}] },
        {
          index: 3, token: token(3, "</s>", true), top_tokens: [token(3, "</s>", true)], generated_text: " How are",
          details: { finish_reason: "eos_token", generated_tokens: 3, seed: 7, input_length: 4, unknown_to_clients: 1 },
        },
      ];
      const fetch = async () => new Response(wire.eventStream(events, { space: false, done: false }), { headers: { "content-type": "text/event-stream" } });
      const client = new library.InferenceClient({ endpointUrl: "https://h.example/generate", fetch });
      const stream = client.textGenerationStream({ inputs: "x", parameters: { top_n_tokens: 2, details: true } });
      assert.deepEqual(await collect(stream), events);
      const final = await stream.final();
      assert.equal(final.generated_text, " How are");
      assert.deepEqual(final.details, events[2].details);
    },
  },
  {
    name: "generation: a generation becomes a completion and a completion a generation",
    async run(tools) {
      const { assert, scenario } = tools;
      const parameters = { max_new_tokens: 7, return_full_text: true, do_sample: false, stop: ["a"], seed: 3, top_p: 0.5, repetition_penalty: 1.1, details: true, watermark: false, truncate: null };
      const expected = { model: "test-model", prompt: "Hi", max_tokens: 7, echo: true, temperature: 0, stop: ["a"], seed: 3, top_p: 0.5, repetition_penalty: 1.1, user: "u" };
      const service = scenario("ok", { finish: "length", usage: "always" });
      const request = { model: "test-model", inputs: "Hi", parameters, user: "u" };
      const whole = await endpoint(tools, service, "/v1").textGeneration(request);
      const stream = endpoint(tools, service, "/v1").textGenerationStream(request);
      const events = await collect(stream);
      const final = await stream.final();
      const [first, second] = await service.closed(2);
      assert.deepEqual(first.body, expected);
      assert.deepEqual(second.body, { ...expected, stream: true, stream_options: { include_usage: true } });
      const text = wire.tokensOf().join("");
      assert.equal(whole.generated_text, text);
      for (const { details } of [whole, final, events.at(-1)]) {
        assert.equal(details.finish_reason, "length");
        assert.equal(details.generated_tokens, wire.usageOf(8).completion_tokens);
      }
      assert.equal(final.generated_text, text);
      assert.deepEqual(final.usage, wire.usageOf(8));
    },
  },
  {
    name: "generation: { error, error_type } in a stream is the service's error, with what came before",
    async run({ assert, library }) {
      const token = { token: { id: 1, text: " How", logprob: -1, special: false }, generated_text: null, details: null };
      const types = {
        validation: "InputError", template_error: "InputError", tool_error: "InputError", missing_template_variable: "InputError", generation: "ServerError",
        overloaded: "ServerError", incomplete_generation: "ServerError", incomplete_generation_stream: "ServerError", stream_serialization_error: "ServerError",
      };
      for (const [type, name] of Object.entries(types)) {
        for (const [before, expected] of [[[], name], [[token], "StreamInterruptedError"]]) {
          const events = [...before, { error: `It went wrong: ${type}`, error_type: type }];
          const fetch = async () => new Response(wire.eventStream(events, { done: false }), { headers: { "content-type": "text/event-stream" } });
          const client = new library.InferenceClient({ endpointUrl: "https://h.example/generate", fetch });
          const seen = [];
          const error = await assert.rejects(async () => {
            for await (const event of client.textGenerationStream({ inputs: "x" })) seen.push(event);
          });
          assert.equal(error.name, expected, type);
          assert.includes(error.message, `It went wrong: ${type}`);
          assert.equal(error.serviceCode, type);
          assert.deepEqual(seen, before);
          assert.equal(error.partial?.text, before.length > 0 ? " How" : undefined);
        }
      }
    },
  },
];

import * as wire from "../../server/wire.js";
import { collect, forEachCase } from "./harness.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const contentOf = (chunk) => chunk.choices[0]?.delta?.content ?? "";

/** @type {import("./harness.js").Check[]} */
export const chatChecks = [
  {
    name: "chat: create with stream: true yields the wire's chunks, untouched and in order",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { tokens: 12, pace: 1 });
      const stream = await client(service).chat.completions.create({ ...question, stream: true });
      const chunks = await collect(stream);
      assert.equal(chunks.map(contentOf).join(""), wire.tokensOf({ tokens: 12 }).join(""));
      assert.deepEqual(chunks, wire.chatChunks({ tokens: 12 }));
    },
  },
  {
    name: "chat: the chunk with the usage comes when it was asked for; final() tells the usage in any case",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { tokens: 3 });
      const asked = await collect(client(service).chatCompletionStream({ ...question, stream_options: { include_usage: true } }));
      assert.deepEqual(asked, wire.chatChunks({ tokens: 3, usage: true }));
      const silent = client(service).chatCompletionStream(question);
      assert.deepEqual(await collect(silent), wire.chatChunks({ tokens: 3 }));
      assert.equal((await silent.final()).usage?.total_tokens, wire.usageOf(3).total_tokens);
      const without = await client(service).chat.stream({ ...question, stream_options: { include_usage: false } }).final();
      assert.ok(without.usage === undefined || without.usage.estimated, "usage came from nowhere");
    },
  },
  {
    name: "chat: create without stream, and with stream: false, gives the wire's completion, untouched",
    async run({ assert, scenario, client }) {
      const service = scenario("ok");
      const expected = wire.chatCompletion();
      assert.deepEqual(await client(service).chat.completions.create(question), expected);
      assert.deepEqual(await client(service).chat.completions.create({ ...question, stream: false }), expected);
      const requests = await service.requests();
      for (const { body } of requests) assert.ok(!body.stream, "a stream was asked for");
    },
  },
  {
    name: "chat: chatCompletion and chatCompletionStream",
    async run({ assert, scenario, client }) {
      const service = scenario("ok");
      assert.deepEqual(await client(service).chatCompletion(question), wire.chatCompletion());
      const stream = client(service).chatCompletionStream(question);
      assert.equal((await collect(stream)).map(contentOf).join(""), wire.tokensOf().join(""));
    },
  },
  {
    name: "chat: a stream is an async iterator as well: next() and return() by hand",
    async run({ assert, scenario, client }) {
      const stream = client(scenario("ok", { tokens: 3 })).chatCompletionStream(question);
      assert.equal(stream[Symbol.asyncIterator](), stream);
      const first = await stream.next();
      assert.equal(first.done, false);
      assert.equal(contentOf(first.value), "");
      assert.equal(contentOf((await stream.next()).value), "word0");
      assert.equal((await stream.return()).done, true);
      assert.equal((await stream.next()).done, true);
    },
  },
  {
    name: "chat: next() called several times before an answer came keeps the order",
    async run({ assert, scenario, client }) {
      const stream = client(scenario("ok", { tokens: 6, pace: 1 })).chatCompletionStream(question);
      const results = await Promise.all(Array.from({ length: 7 }, () => stream.next()));
      assert.equal(results.map(({ value }) => contentOf(value)).join(""), wire.tokensOf({ tokens: 6 }).join(""));
      await stream.return();
    },
  },
  {
    name: "chat: textStream yields the text and ends",
    async run({ assert, scenario, client }) {
      const answer = client(scenario("ok", { tokens: 12, pace: 1 })).chat.stream(question);
      const texts = await collect(answer.textStream);
      assert.equal(texts.join(""), wire.tokensOf({ tokens: 12 }).join(""));
      assert.ok(texts.every((text) => text !== ""), "an empty text was delivered");
    },
  },
  {
    name: "chat: events tell start, text, usage and finish, in this order",
    async run({ assert, scenario, client }) {
      const answer = client(scenario("ok", { tokens: 5, usage: "always" })).chat.stream(question);
      const events = await collect(answer.events);
      const types = events.map(({ type }) => type);
      assert.equal(types[0], "start");
      assert.equal(types.at(-1), "finish");
      assert.equal(types.filter((type) => type === "start").length, 1);
      assert.equal(types.filter((type) => type === "finish").length, 1);
      assert.equal(events.filter(({ type }) => type === "text").map(({ text }) => text).join(""), wire.tokensOf({ tokens: 5 }).join(""));
      assert.deepEqual(events.find(({ type }) => type === "usage")?.usage, wire.usageOf(5));
      const { finishReason, rawFinishReason } = events.at(-1);
      assert.deepEqual({ finishReason, rawFinishReason }, { finishReason: "stop", rawFinishReason: "stop" });
      assert.equal(typeof events[0].model, "string");
      assert.equal(typeof events[0].provider, "string");
    },
  },
  {
    name: "chat: final() without iterating gives text, message, finish reason, usage, ids and trace",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { tokens: 5, usage: "always" });
      const final = await client(service).chat.stream(question).final();
      const text = wire.tokensOf({ tokens: 5 }).join("");
      assert.equal(final.text, text);
      assert.equal(final.reasoning, "");
      assert.deepEqual(final.toolCalls, []);
      assert.equal(final.message.role, "assistant");
      assert.equal(final.message.content, text);
      assert.equal(final.choices.length, 1);
      assert.equal(final.finishReason, "stop");
      assert.equal(final.rawFinishReason, "stop");
      for (const [name, count] of Object.entries(wire.usageOf(5))) assert.equal(final.usage[name], count, name);
      assert.ok(!final.usage.estimated, "usage from the wire was called estimated");
      assert.equal(final.model, "test-model");
      assert.equal(final.requestId, "request-1");
      assert.equal(typeof final.provider, "string");
      assert.ok(final.trace, "no trace");
      assert.equal((await service.closed()).length, 1);
    },
  },
  {
    name: "chat: final() during and after the iteration, and twice, agrees with what was iterated",
    async run({ assert, scenario, client }) {
      const answer = client(scenario("ok", { tokens: 9, pace: 1 })).chat.stream(question);
      let text = "";
      let during;
      for await (const chunk of answer) {
        text += contentOf(chunk);
        during ??= answer.final();
      }
      assert.equal(text, wire.tokensOf({ tokens: 9 }).join(""));
      assert.equal((await during).text, text);
      assert.equal((await answer.final()).text, text);
    },
  },
  {
    name: "chat: final() first, then textStream or events: nothing is missing",
    async run({ assert, scenario, client }) {
      const text = wire.tokensOf({ tokens: 9 }).join("");
      const readers = {
        textStream: async (answer) => (await collect(answer.textStream)).join(""),
        events: async (answer) => (await collect(answer.events)).map((event) => (event.type === "text" ? event.text : "")).join(""),
      };
      await forEachCase(readers, async (_, read) => {
        const during = client(scenario("ok", { tokens: 9, pace: 1, content: "reasoning" })).chat.stream(question);
        const final = during.final();
        assert.equal(await read(during), text, "begun while final() waits");
        assert.equal((await final).text, text);
        const afterwards = client(scenario("ok", { tokens: 9, content: "reasoning" })).chat.stream(question);
        await afterwards.final();
        assert.equal(await read(afterwards), text, "begun after final()");
      });
    },
  },
  {
    name: "chat: an answer is read in one way; another way, or chunks after final(), is refused and not silently empty",
    async run({ assert, scenario, client, library }) {
      const refused = async (read) => {
        const error = await assert.rejects(async () => read());
        assert.ok(error instanceof library.InputError, `${error.name}: ${error.message}`);
      };
      const answer = client(scenario("ok", { tokens: 3 })).chat.stream(question);
      await answer.next();
      await refused(() => collect(answer.textStream));
      await refused(() => collect(answer.events));
      assert.equal((await answer.final()).text, wire.tokensOf({ tokens: 3 }).join(""));
      const finished = client(scenario("ok", { tokens: 3 })).chat.stream(question);
      await finished.final();
      await refused(() => collect(finished));
    },
  },
  {
    name: "chat: tool calls are put together from their fragments",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { content: "tools", finish: "tool_calls" });
      const answer = client(service).chat.stream(question);
      const events = await collect(answer.events);
      assert.deepEqual(
        events.filter(({ type }) => type === "tool-call-start").map(({ index, id, name }) => ({ index, id, name })),
        [{ index: 0, id: "call_1", name: "get_weather" }, { index: 1, id: "call_2", name: "get_time" }],
      );
      for (const [position, toolCall] of wire.toolCallsExpected.entries()) {
        const deltas = events.filter(({ type, index }) => type === "tool-call-delta" && index === position);
        assert.equal(deltas.map((event) => event.arguments).join(""), toolCall.function.arguments);
        assert.deepEqual(events.find(({ type, index }) => type === "tool-call" && index === position)?.toolCall, toolCall);
      }
      assert.equal(events.at(-1).finishReason, "tool_calls");
      const final = await answer.final();
      assert.deepEqual(final.toolCalls, wire.toolCallsExpected);
      assert.deepEqual(final.message.tool_calls, wire.toolCallsExpected);
      assert.equal(final.message.content, null);
    },
  },
  {
    name: "chat: reasoning is kept apart from the text",
    async run({ assert, scenario, client }) {
      const answer = client(scenario("ok", { content: "reasoning", tokens: 3 })).chat.stream(question);
      const events = await collect(answer.events);
      const textOf = (wanted) => events.filter(({ type }) => type === wanted).map(({ text }) => text).join("");
      assert.equal(textOf("reasoning"), wire.reasoningExpected);
      assert.equal(textOf("text"), wire.tokensOf({ tokens: 3 }).join(""));
      const final = await answer.final();
      assert.equal(final.reasoning, wire.reasoningExpected);
      assert.equal(final.text, wire.tokensOf({ tokens: 3 }).join(""));
    },
  },
  {
    name: "chat: finish reasons are named alike, the provider's own word is kept",
    async run({ assert, scenario, client }) {
      const table = { stop: "stop", eos: "stop", eos_token: "stop", stop_sequence: "stop", length: "length", content_filter: "content_filter", tool_calls: "tool_calls", function_call: "tool_calls", insane: "other" };
      await forEachCase(table, async (raw, name) => {
        const final = await client(scenario("ok", { finish: raw, tokens: 1 })).chat.stream(question).final();
        assert.deepEqual([final.rawFinishReason, final.finishReason], [raw, name]);
      });
    },
  },
  {
    name: "chat: several choices are told apart",
    async run({ assert, scenario, client }) {
      const final = await client(scenario("ok", { choices: 3, tokens: 4 })).chat.stream({ ...question, n: 3 }).final();
      const textOf = (index) => wire.tokensOf({ tokens: 4 }).map((token) => `${index}${token}`).join("");
      assert.equal(final.text, textOf(0));
      assert.deepEqual(final.choices.map(({ message }) => message.content), [textOf(0), textOf(1), textOf(2)]);
    },
  },
  {
    name: "chat: a finish reason without [DONE], and [DONE] without a finish reason, are both complete",
    async run({ assert, scenario, client }) {
      const text = wire.tokensOf({ tokens: 3 }).join("");
      const withoutDone = await client(scenario("ok", { done: 0, tokens: 3 })).chat.stream(question).final();
      assert.equal(withoutDone.text, text);
      const service = scenario("done-only", { tokens: 3 });
      const withoutFinish = await client(service).chat.stream(question).final();
      assert.equal(withoutFinish.text, text);
    },
  },
  {
    name: "chat: after [DONE] the client closes a connection that the server holds open",
    async run({ assert, scenario, client }) {
      const service = scenario("held", { tokens: 3 });
      const stream = await client(service).chat.completions.create({ ...question, stream: true });
      assert.equal((await collect(stream)).map(contentOf).join(""), wire.tokensOf({ tokens: 3 }).join(""));
      const [request] = await service.closed();
      assert.equal(request.closedByClient, true);
    },
  },
  {
    name: "chat: toReadableStream gives the chunks",
    async run({ assert, scenario, client }) {
      const stream = await client(scenario("ok", { tokens: 6, pace: 1 })).chat.completions.create({ ...question, stream: true });
      const readable = stream.toReadableStream();
      assert.ok(readable instanceof ReadableStream, "not a ReadableStream");
      const reader = readable.getReader();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += contentOf(part.value);
      assert.equal(text, wire.tokensOf({ tokens: 6 }).join(""));
    },
  },
  {
    name: "chat: <think> tags at the start are reasoning, unless reasoningTags is false; chunks are the service's own",
    async run({ assert, library }) {
      const pieces = ["<th", "ink>be", "cause</thi", "nk>\n\nso", " it is"];
      const lines = pieces.map((content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
      const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
      const fetch = async () => new Response(lines.join("") + finish, { headers: { "content-type": "text/event-stream" } });
      const client = new library.InferenceClient({ baseUrl: "https://h.example", model: "m", fetch });
      const request = { messages: [{ role: "user", content: "Why?" }] };
      const answer = client.chat.stream(request);
      let text = "";
      for await (const piece of answer.textStream) text += piece;
      const final = await answer.final();
      assert.equal(text, "so it is");
      assert.equal(final.text, "so it is");
      assert.equal(final.reasoning, "because");
      const plain = await client.chat.stream(request, { reasoningTags: false }).final();
      assert.equal(plain.text, pieces.join(""));
      assert.equal(plain.reasoning, "");
      let chunks = "";
      for await (const chunk of client.chatCompletionStream(request)) chunks += chunk.choices[0]?.delta?.content ?? "";
      assert.equal(chunks, pieces.join(""));
    },
  },
  {
    name: "chat: 300,000 chunks in one piece of the body all arrive",
    async run({ assert, library }) {
      const chunk = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n';
      const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
      const fetch = async () => new Response(chunk.repeat(300_000) + finish, { headers: { "content-type": "text/event-stream" } });
      const client = new library.InferenceClient({ baseUrl: "https://h.example", model: "m", fetch });
      let count = 0;
      for await (const { choices } of client.chatCompletionStream({ messages: [] })) count += (choices[0]?.delta?.content ?? "").length;
      assert.equal(count, 300_000);
    },
  },
  {
    name: "chat: logprobs, several choices and whatever else a service adds reach the reader of chunks and of the whole",
    async run({ assert, library }) {
      const logprobs = { content: [{ token: "a", logprob: -0.25, bytes: [97], top_logprobs: [{ token: "b", logprob: -1.5, bytes: null }] }], refusal: null };
      const common = { id: "c", object: "chat.completion.chunk", created: 1755000000.5, model: "m", system_fingerprint: "", service_tier: "flex", "x-router-metadata": { route: "r" } };
      const chunks = [
        { ...common, prompt_logprobs: null, choices: [{ index: 1, delta: { role: "assistant", content: "x", refusal: null }, logprobs, finish_reason: null }], x_groq: { id: "req_1", seed: 872656815 } },
        { ...common, choices: [{ index: 0, text: "a", seed: null, delta: { token_id: 17, role: "", content: "a", tool_calls: null }, logprobs, content_filter_results: { hate: { filtered: false } }, finish_reason: null }] },
        { ...common, choices: [{ index: 1, delta: {}, logprobs: null, finish_reason: "length", stop_reason: 128009 }, { index: 0, delta: {}, logprobs: null, finish_reason: "eos", stop_reason: null }] },
        { ...common, choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, estimated_cost: 0.0000012, completion_tokens_details: { reasoning_tokens: 1 } }, time_info: { queue_time: 0.000093189 } },
      ];
      const answering = (response) => new library.InferenceClient({ baseUrl: "https://h.example", fetch: async () => response() });
      const streaming = answering(() => new Response(wire.eventStream(chunks), { headers: { "content-type": "text/event-stream" } }));
      const request = { ...question, n: 2, logprobs: true, top_logprobs: 1, stream_options: { include_usage: true } };
      assert.deepEqual(await collect(streaming.chatCompletionStream(request)), chunks);
      assert.deepEqual(await collect(await streaming.chat.completions.create({ ...request, stream: true })), chunks);
      const final = await streaming.chat.stream(request).final();
      assert.deepEqual(final.choices.map(({ index, text, finishReason }) => [index, text, finishReason]), [[0, "a", "stop"], [1, "x", "length"]]);
      assert.deepEqual(final.usage, chunks[3].usage);
      const whole = {
        ...common, object: "chat.completion", usage: chunks[3].usage,
        choices: [0, 1].map((index) => ({ index, message: { role: "assistant", content: "a", refusal: null, annotations: [], audio: null }, logprobs, finish_reason: "stop", stop_reason: null })),
      };
      assert.deepEqual(await answering(() => Response.json(whole)).chatCompletion(request), whole);
    },
  },
  {
    name: "chat: numbers beyond 2^53 in the arguments of a tool call stay what they are",
    async run({ assert, library }) {
      const number = "93137811394053800010";
      const calls = {
        "a string": `{"index":0,"id":"c","function":{"name":"f","arguments":"{\\"n\\":${number}}"}}`,
        "an object": `{"index":0,"id":"c","function":{"name":"f","arguments":{"n":${number}}}}`,
      };
      await forEachCase(calls, async (_, call) => {
        const body = `data: {"choices":[{"index":0,"delta":{"tool_calls":[${call}]}}]}\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n`;
        const fetch = async () => new Response(body, { headers: { "content-type": "text/event-stream" } });
        const client = new library.InferenceClient({ baseUrl: "https://h.example", fetch });
        const answer = client.chat.stream(question);
        const events = await collect(answer.events);
        const deltas = events.filter(({ type }) => type === "tool-call-delta").map((event) => event.arguments);
        assert.equal(deltas.join(""), `{"n":${number}}`);
        assert.equal((await answer.final()).toolCalls[0].function.arguments, `{"n":${number}}`);
      });
    },
  },
];

import * as wire from "../../server/wire.js";
import { collect } from "./harness.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const mixed = { tokens: wire.mixedTokenCount, text: "mixed" };
const mixedText = wire.tokensOf(mixed).join("");
const contentOf = (chunk) => chunk.choices[0]?.delta?.content ?? "";

/** A `fetch` whose answer arrives in exactly these pieces, one per read. */
function answering(pieces, contentType = "text/event-stream") {
  return async () => {
    let next = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (next < pieces.length) controller.enqueue(pieces[next++]);
        else controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": contentType } });
  };
}

async function textBothWays(library, fetch) {
  const client = new library.InferenceClient({ baseUrl: "https://service.example", fetch });
  const chunks = await collect(client.chatCompletionStream(question));
  const texts = await collect(client.chat.stream(question).textStream);
  return [chunks.map(contentOf).join(""), texts.join("")];
}

/** @type {import("./harness.js").Check[]} */
export const byteChecks = [
  {
    name: "bytes: a stream cut in two at every byte",
    async run({ assert, library }) {
      for (const framing of [{}, { newline: "\r\n" }]) {
        const bytes = new TextEncoder().encode(wire.eventStream(wire.chatChunks({ tokens: 3, id: "é世🦀" }), framing));
        const text = wire.tokensOf({ tokens: 3, id: "é世🦀" }).join("");
        for (let cut = 1; cut < bytes.length; cut++) {
          const [chunks, texts] = await textBothWays(library, answering([bytes.slice(0, cut), bytes.slice(cut)]));
          assert.equal(chunks, text, `chunks, cut at byte ${cut}`);
          assert.equal(texts, text, `textStream, cut at byte ${cut}`);
        }
      }
    },
  },
  {
    name: "bytes: a stream whose every byte comes alone",
    async run({ assert, library }) {
      for (const framing of [{}, { newline: "\r\n" }, { newline: "\r" }, { bom: true }, { escape: true }]) {
        const bytes = new TextEncoder().encode(wire.eventStream(wire.chatChunks(mixed), framing));
        const [chunks, texts] = await textBothWays(library, answering(Array.from(bytes, (byte) => Uint8Array.of(byte))));
        assert.equal(chunks, mixedText, `chunks, ${JSON.stringify(framing)}`);
        assert.equal(texts, mixedText, `textStream, ${JSON.stringify(framing)}`);
      }
    },
  },
  {
    name: "bytes: every byte in a write of its own, over the network",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { ...mixed, cut: 1 });
      const chunks = await collect(client(service).chatCompletionStream(question));
      assert.equal(chunks.map(contentOf).join(""), mixedText);
      assert.deepEqual(chunks, wire.chatChunks(mixed));
    },
  },
  {
    name: "bytes: CRLF, CR, no space, comments, byte order mark, pretty JSON, no last blank line",
    async run({ assert, scenario, client }) {
      for (const framing of [{ newline: "crlf" }, { newline: "cr" }, { space: 0 }, { comments: 1 }, { bom: 1 }, { pretty: 1 }, { escape: 1 }, { done: 0, terminated: 0 }, { terminated: 0 }]) {
        const service = scenario("ok", { ...mixed, ...framing });
        const chunks = await collect(client(service).chatCompletionStream(question));
        assert.equal(chunks.map(contentOf).join(""), mixedText, `chunks, ${JSON.stringify(framing)}`);
        const { text } = await client(service).chat.stream(question).final();
        assert.equal(text, mixedText, `final, ${JSON.stringify(framing)}`);
      }
    },
  },
  {
    name: "bytes: chunks that differ in their words only are what JSON.parse gives, and share nothing",
    async run({ assert, library }) {
      // What differs is told in place of the chunk, and the chunk is put together here.
      const around = [
        ['{"id":"1","9":[[]],"choices":[{"index":0,"delta":{"role":"assistant","content":', '},"logprobs":null,"finish_reason":null}],"usage":null}'],
        ['{"choices":[{"delta":{"reasoning":', ',"content":null},"own":{"list":[1,{"a":[]}]}}],"usage":{"total_tokens":1e400,"more":{"cached":-0}}}'],
        ['{"choices":[{"text":', '}],"__proto__":{"own":["member"]},"x":"0"}'],
        ['{"choices":[{"index":1,"delta":{"content":', '}},null],"x_service":{"id":"y","delta":{"content":"z"}}}'],
        // Of a name that stands twice, JavaScript keeps the last.
        ['{"choices":[{"delta":{"reasoning":', ',"reasoning":"kept"}}]}'],
        ['{"choices":[{"delta":{"content":"lost","content":', '}}]}'],
        ['{"choices":[{"delta":{"content":', '},"message":{"content":"two"}}]}'],
        [' {"choices" : [ {"delta" : {"content":', ' } } ] } '],
      ];
      const words = ['"a"', '"b"', '"\\n"', '"\\ud83d"', '"\\ude00"', '"\\u0022,\\"["', '"}]"', '"é🦀"', '"0"', '"1"', '"a"'];
      const all = around.flatMap(([before, after]) => words.map((word) => before + word + after));
      // One after another of each kind, and mixed.
      const bodies = [all, all.map((_, at) => all[(at * words.length + Math.floor(at / around.length)) % all.length])];
      const spoil = (value) => {
        if (typeof value !== "object" || value === null) return;
        for (const key of Object.keys(value)) {
          spoil(value[key]);
          delete value[key];
        }
        value.spoilt = true;
      };
      for (const body of bodies) {
        const events = [...body.map((chunk) => `data: ${chunk}\n\n`), "data: [DONE]\n\n"].map((event) => new TextEncoder().encode(event));
        const whole = new Uint8Array(await new Blob(events).arrayBuffer());
        for (const pieces of [events, [whole], [whole.slice(0, 700), whole.slice(700, 705), whole.slice(705)]]) {
          const client = new library.InferenceClient({ baseUrl: "https://service.example", fetch: answering(pieces) });
          const seen = [];
          const kept = [];
          for await (const chunk of client.chatCompletionStream(question)) {
            seen.push(JSON.stringify(chunk));
            // Every other is spoilt at once, and those between must stay what they are.
            if (seen.length % 2 === 0) spoil(chunk);
            else kept.push([chunk, body[seen.length - 1]]);
          }
          assert.deepEqual(seen, body.map((chunk) => JSON.stringify(JSON.parse(chunk))), `in ${pieces.length} pieces`);
          for (const [chunk, json] of kept) assert.deepEqual(chunk, JSON.parse(json));
        }
      }
    },
  },
  {
    name: "bytes: generation streams cut in two at every byte",
    async run({ assert, library }) {
      const streams = {
        generate: wire.eventStream(wire.generationEvents({ tokens: 2, id: "é世🦀" }), { done: false }),
        v1: wire.eventStream(wire.completionChunks({ tokens: 2, id: "é世🦀" })),
      };
      const text = wire.tokensOf({ tokens: 2, id: "é世🦀" }).join("");
      for (const [route, stream] of Object.entries(streams)) {
        const bytes = new TextEncoder().encode(stream);
        for (let cut = 1; cut < bytes.length; cut++) {
          const fetch = answering([bytes.slice(0, cut), bytes.slice(cut)]);
          const client = new library.InferenceClient({ endpointUrl: `https://service.example/${route}`, fetch });
          const events = await collect(client.textGenerationStream({ inputs: "x", model: "test-model" }));
          assert.equal(events.map(({ token }) => token.text).join(""), text, `${route}, cut at byte ${cut}`);
          assert.equal(events.at(-1).generated_text, text, `${route}, cut at byte ${cut}`);
        }
      }
    },
  },
  {
    name: "bytes: an emoji whose halves come in two deltas",
    async run({ assert, library }) {
      const delta = (content) => wire.chatDeltaChunk("test-model", { content });
      const events = [delta("a\ud83e"), delta("\udd80b"), wire.chatFinishChunk("test-model", "stop")];
      const bytes = new TextEncoder().encode(wire.eventStream(events, { escape: true }));
      const [chunks, texts] = await textBothWays(library, answering([bytes]));
      assert.equal(chunks, "a🦀b", "chunks");
      assert.equal(texts, "a🦀b", "textStream");
    },
  },
  {
    name: "bytes: an event of 4 MiB",
    async run({ assert, library }) {
      const content = "世界🦀x".repeat(350_000);
      const events = [wire.chatDeltaChunk("test-model", { content }), wire.chatFinishChunk("test-model", "stop")];
      const bytes = new TextEncoder().encode(wire.eventStream(events));
      const pieces = [];
      for (let start = 0; start < bytes.length; start += 65_521) pieces.push(bytes.slice(start, start + 65_521));
      const [chunks, texts] = await textBothWays(library, answering(pieces));
      assert.ok(chunks === content, "the chunks differ");
      assert.ok(texts === content, "the text differs");
    },
  },
  {
    name: "bytes: a whole answer with every kind of text",
    async run({ assert, scenario, client }) {
      assert.deepEqual(await client(scenario("ok", mixed)).chatCompletion(question), wire.chatCompletion(mixed));
    },
  },
  {
    name: "bytes: an event stream sent as text/plain, octet-stream or without charset is read as what it is",
    async run({ assert, scenario, client, library }) {
      for (const type of ["text/plain", "text/plain; charset=utf-8", "application/octet-stream", "text/event-stream;charset=UTF-8"]) {
        const fetch = answering([new TextEncoder().encode(wire.eventStream(wire.chatChunks(mixed)))], type);
        const [chunks, texts] = await textBothWays(library, fetch);
        assert.deepEqual([chunks, texts], [mixedText, mixedText], type);
      }
      const chunks = await collect(client(scenario("ok", { ...mixed, type: "text/plain" })).chatCompletionStream(question));
      assert.equal(chunks.map(contentOf).join(""), mixedText);
    },
  },
  {
    name: "bytes: a whole JSON answer in place of a stream is one delta, not lost",
    async run({ assert, scenario, client }) {
      const service = scenario("json-for-stream", mixed);
      const chunks = await collect(await client(service).chat.completions.create({ ...question, stream: true }));
      assert.equal(chunks.map(contentOf).join(""), mixedText);
      assert.equal(chunks.filter((chunk) => contentOf(chunk) !== "").length, 1);
      const answer = client(service).chat.stream(question);
      assert.equal((await collect(answer.textStream)).join(""), mixedText);
      const final = await answer.final();
      assert.equal(final.text, mixedText);
      assert.equal(final.finishReason, "stop");
      assert.equal(final.usage.total_tokens, wire.usageOf(mixed.tokens).total_tokens);
      const tools = await client(scenario("json-for-stream", { content: "tools", finish: "tool_calls" })).chat.stream(question).final();
      assert.deepEqual(tools.toolCalls, wire.toolCallsExpected);
    },
  },
];

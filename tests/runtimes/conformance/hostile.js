/**
 * Services that mean harm, or have gone mad. Each call ends in an error that says so, the core's memory stays small, and
 * the next call of the same client works.
 */

import * as wire from "../../server/wire.js";
import { collect, forEachCase } from "./harness.js";

const question = { model: "org/model", messages: [{ role: "user", content: "Hello" }] };
const mebibyte = 2 ** 20;
const levels = 100_000;
const encoder = new TextEncoder();

/** The ways to read a streamed answer. */
const readers = {
  textStream: (client) => collect(client.chat.stream(question).textStream),
  events: (client) => collect(client.chat.stream(question).events),
  chunks: (client) => collect(client.chatCompletionStream(question)),
  final: (client) => client.chat.stream(question).final(),
};

const whole = (client) => client.chatCompletion(question);
const events = (client) => readers.events(client);

/** A chunk whose delta has these members, as JSON text. */
const delta = (members) => `data: {"choices":[{"index":0,"delta":{${members}}}]}\n\n`;
const toolCall = (members) => delta(`"tool_calls":[{${members}}]`);
const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
const repeated = (element, count) => Array(count).fill(element).join(",");

/** A `fetch` that answers with `text` and then `piece` again and again; it gives up after 64 MiB. */
function flooding(text, piece = "", { status = 200, type = "text/event-stream" } = {}) {
  return async () => {
    let sent = 0;
    const start = encoder.encode(text);
    const more = encoder.encode(piece.repeat(Math.ceil(65_536 / Math.max(piece.length, 1))));
    const body = new ReadableStream({
      pull(controller) {
        if (sent < start.length) {
          const part = start.slice(sent, sent + 65_536);
          sent += part.length;
          controller.enqueue(part);
        } else if (more.length === 0 || sent > 64 * mebibyte) {
          controller.close();
        } else {
          sent += more.length;
          controller.enqueue(more.slice());
        }
      },
    });
    return new Response(body, { status, headers: { "content-type": type } });
  };
}

/** The call fails with an error of this name, and the client's next call works. @returns {Promise<any>} the error */
async function endsIn({ assert, library }, name, call, options) {
  const client = new library.InferenceClient({ baseUrl: "https://h.example", ...options });
  const error = await assert.rejects(call(client));
  assert.equal(error.name, name, error.message);
  assert.ok(error instanceof library.InferenceError, "not an instance of InferenceError");
  assert.ok(error.message.length < 4_000, `a message of ${error.message.length} characters`);
  // However busy the machine is.
  const timeout = { firstToken: 30_000, stall: 30_000, total: 30_000 };
  const next = await client.chatCompletion(question, { baseUrl: "https://h.example", provider: "auto", timeout, fetch: async () => Response.json(wire.chatCompletion()) });
  assert.deepEqual(next, wire.chatCompletion(), "the next call");
  return error;
}

/** The core's memory. The package does not show it: it is found when the core is loaded and its buffer first asked for. */
let coreMemory;
const buffer = Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, "buffer");
Object.defineProperty(WebAssembly.Memory.prototype, "buffer", {
  ...buffer,
  get() {
    coreMemory = this;
    Object.defineProperty(WebAssembly.Memory.prototype, "buffer", buffer);
    return buffer.get.call(this);
  },
});

/** By how many MiB the core's memory, which never shrinks, has grown during `work`. */
async function growthDuring(library, work) {
  await readers.textStream(new library.InferenceClient({ baseUrl: "https://h.example", fetch: flooding(delta('"content":"a"') + finish) }));
  if (coreMemory === undefined) throw new Error("the core's memory was not found");
  const size = () => coreMemory.buffer.byteLength / mebibyte;
  const before = size();
  await work();
  // A memory that was replaced has no size that could be compared.
  if (before === 0 || size() === 0) throw new Error("the core's memory was replaced");
  return size() - before;
}

/** @type {import("./harness.js").Check[]} */
export const hostileChecks = [
  {
    name: "hostile: an event that never ends, over the network: refused at 16 MiB, and the connection is closed",
    async run(tools) {
      const { assert, scenario, library, environment } = tools;
      const growth = await growthDuring(library, async () => {
        const service = scenario("flood", { shape: "event" });
        const error = await endsIn(tools, "ResponseTooLargeError", readers.textStream, { baseUrl: service.url });
        assert.equal(error.partial, undefined);
        const [request] = await service.closed();
        assert.equal(request.closedByClient, true);
        // Browsers take more from the network than anybody reads.
        assert.ok(environment.page || request.bytesSent < 32 * mebibyte, `the server could send ${request.bytesSent / mebibyte} MiB`);
      });
      assert.ok(growth <= 100, `the memory grew by ${growth} MiB`);
    },
  },
  {
    name: "hostile: a tool call's long name and id are not repeated into a flood of memory",
    async run(tools) {
      const { assert, library } = tools;
      const long = "n".repeat(2 * mebibyte);
      const body = toolCall(`"index":0,"id":"${long}","function":{"name":"${long}","arguments":""}`) + toolCall('"index":0,"function":{"arguments":"x"}').repeat(100) + finish;
      const client = new library.InferenceClient({ baseUrl: "https://h.example", fetch: flooding(body) });
      const growth = await growthDuring(library, async () => {
        // Whether it is refused is the client's choice.
        await events(client).catch((error) => assert.equal(error.name, "ResponseTooLargeError", error.message));
      });
      assert.ok(growth <= 100, `the memory grew by ${growth} MiB`);
    },
  },
  {
    name: "hostile: lines, tool calls, arguments and choices without end",
    async run(tools) {
      const { assert, library } = tools;
      const table = {
        lines: [flooding(wire.endlessBodies.lines.start, wire.endlessBodies.lines.piece), "event"],
        "tool calls in one chunk": [flooding(delta(`"tool_calls":[${repeated('{"function":{"name":"f"}}', 100_000)}]`)), "tool calls"],
        "tool calls in chunks of their own": [
          flooding(Array.from({ length: 1_100 }, (_, index) => toolCall(`"index":${index},"id":"c${index}","function":{"name":"f","arguments":"{}"}`)).join("")),
          "tool calls",
        ],
        arguments: [
          flooding(toolCall('"index":0,"id":"c","function":{"name":"f","arguments":"{"}'), toolCall(`"index":0,"function":{"arguments":"${"x".repeat(60_000)}"}`)),
          "tool-call arguments",
        ],
        "choices in one chunk": [flooding(`data: {"choices":[${repeated("{}", 1_000_000)}]}\n\n`), "choices"],
        "choices in chunks of their own": [flooding(Array.from({ length: 200 }, (_, index) => `data: {"choices":[{"index":${index},"delta":{"content":"a"}}]}\n\n`).join("")), "choices"],
      };
      const growth = await growthDuring(library, () =>
        forEachCase(table, async (_, [fetch, part]) => {
          const error = await endsIn(tools, "ResponseTooLargeError", events, { fetch });
          assert.includes(error.message, part);
          assert.equal(error.retryable, false);
        }),
      );
      assert.ok(growth <= 100, `the memory grew by ${growth} MiB`);
    },
  },
  {
    name: "hostile: 100,000 levels of nesting in a chunk, in arguments, in a whole answer, in a refusal, in the Hub's answer",
    async run(tools) {
      const { assert } = tools;
      for (const deep of ["[".repeat(levels) + "]".repeat(levels), `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`]) {
        const json = { type: "application/json" };
        const hub = (mapping) => async (url) => (new URL(url).pathname.startsWith("/api/") ? new Response(`{"inferenceProviderMapping":${mapping}}`) : Response.json({}));
        const table = {
          "a chunk": [events, { fetch: flooding(`data: ${deep}\n\n`) }],
          "an unknown field": [readers.chunks, { fetch: flooding(`data: {"choices":[],"x":${deep}}\n\n`) }],
          "arguments as an object": [events, { fetch: flooding(toolCall(`"function":{"name":"f","arguments":${deep}}`)) }],
          "a whole answer": [whole, { fetch: flooding(`{"choices":[{"message":{"content":"a"}}],"x":${deep}}`, "", json) }],
          "a whole answer for a stream": [events, { fetch: flooding(`{"choices":[{"message":{"content":"a"}}],"x":${deep}}`, "", json) }],
          "the Hub's answer": [whole, { fetch: hub(deep), provider: "groq" }],
          "an offer in the Hub's answer": [whole, { fetch: hub(`{"groq":${deep}}`), provider: "groq" }],
          "an error in a stream": [events, { fetch: flooding(`data: {"error":${deep}}\n\n`) }],
        };
        await forEachCase(table, (_, [call, options]) => endsIn(tools, "InvalidResponseError", call, options));
        for (const body of [deep, `{"error":${deep}}`, `{"error":{"message":${deep}}}`]) {
          const error = await endsIn(tools, "ServerError", whole, { fetch: flooding(body, "", { ...json, status: 500 }) });
          assert.equal(error.status, 500);
        }
      }
    },
  },
  {
    name: "hostile: arguments that are nested without end are text until somebody parses them",
    async run({ assert, library }) {
      const text = "[".repeat(levels);
      const fetch = flooding(toolCall(`"index":0,"id":"c","function":{"name":"f","arguments":"${text}"}`) + finish);
      const client = new library.InferenceClient({ baseUrl: "https://h.example", fetch });
      const { toolCalls } = await client.chat.stream(question).final();
      assert.ok(toolCalls[0].function.arguments === text, "the arguments differ");
    },
  },
  {
    name: "hostile: a body that trickles byte by byte ends by a deadline, whatever it is the body of",
    async run(tools) {
      const { assert, scenario } = tools;
      const table = {
        words: [{ shape: "words" }, readers.textStream, "total", { total: 100, firstToken: 20_000, stall: 20_000 }],
        "an event that never ends": [{ shape: "event" }, readers.textStream, "firstToken", { firstToken: 60 }],
        comments: [{ shape: "comments" }, readers.final, "firstToken", { firstToken: 60 }],
        blanks: [{ shape: "blanks" }, readers.chunks, "firstToken", { firstToken: 60 }],
        "a whole answer": [{ shape: "whole" }, whole, "total", { total: 100 }],
        "a whole answer for a stream": [{ shape: "whole" }, readers.events, "firstToken", { firstToken: 60 }],
      };
      await forEachCase(table, async (_, [options, call, phase, timeout]) => {
        const service = scenario("trickle", options);
        const error = await endsIn(tools, "TimeoutError", call, { baseUrl: service.url, timeout });
        assert.equal(error.phase, phase);
        assert.equal((await service.closed())[0].closedByClient, true);
      });
      // Its status has said what it is.
      for (const timeout of [{ total: 100 }, { stall: 60 }]) {
        const refusing = scenario("trickle", { shape: "error" });
        await endsIn(tools, "ServerError", whole, { baseUrl: refusing.url, timeout, retry: false });
        assert.equal((await refusing.closed())[0].closedByClient, true);
      }
      const hub = scenario("trickle", { shape: "mapping" });
      const error = await endsIn(tools, "TimeoutError", whole, { hubUrl: hub.url, provider: "groq", timeout: { total: 100 } });
      assert.equal(error.phase, "total");
      assert.equal((await hub.closed())[0].closedByClient, true);
    },
  },
  {
    name: "hostile: a body whose bytes are always there before anybody asks ends by a deadline all the same",
    // Where the clock stands still until something comes from outside, no deadline can pass within.
    applies: ({ name }) => !/workerd/i.test(name),
    async run(tools) {
      const { assert } = tools;
      const pieces = { words: delta('"content":"a"'), comments: ": keep-alive\n\n", nothing: "" };
      await forEachCase(pieces, async (name, piece) => {
        const bytes = encoder.encode(piece);
        const start = performance.now();
        // Ends by itself long after the deadline, because nothing else gets its turn meanwhile.
        const read = async () => (performance.now() - start > 1_500 ? { done: true } : { done: false, value: bytes });
        const fetch = async () => ({ status: 200, headers: new Headers(), body: { getReader: () => ({ read, cancel: async () => {} }) } });
        const error = await endsIn(tools, "TimeoutError", readers.final, { fetch, timeout: { total: 100 } });
        assert.equal(error.phase, "total");
        assert.equal(error.partial?.text.replaceAll("a", ""), name === "words" ? "" : undefined);
      });
    },
  },
  {
    name: "hostile: a whole answer that never ends is refused at 64 MiB, a refusal and the Hub's answer far earlier",
    async run(tools) {
      const { assert, scenario, library, environment } = tools;
      const table = {
        "a refusal": [{ shape: "error" }, "ServerError", 8, (url) => ({ baseUrl: url })],
        "the Hub's answer": [{ shape: "mapping" }, "InvalidResponseError", 12, (url) => ({ hubUrl: url, provider: "groq" })],
        "a whole answer": [{ shape: "whole" }, "ResponseTooLargeError", 96, (url) => ({ baseUrl: url })],
      };
      const growth = await growthDuring(library, () =>
        forEachCase(table, async (_, [options, name, most, target]) => {
          const service = scenario("flood", options);
          await endsIn(tools, name, whole, target(service.url));
          const [request] = await service.closed();
          assert.equal(request.closedByClient, true);
          assert.ok(environment.page || request.bytesSent <= most * mebibyte, `the server could send ${request.bytesSent / mebibyte} MiB`);
        }),
      );
      // The buffer of the answer doubles, and while it does both are there.
      assert.ok(growth <= 200, `the memory grew by ${growth} MiB`);
    },
  },
  {
    name: "hostile: numbers of any size, escapes upon escapes, halves of characters",
    async run({ assert, library }) {
      const client = (body) => new library.InferenceClient({ baseUrl: "https://h.example", fetch: flooding(body) });
      for (const number of ["9".repeat(100_000), "1e400", "-1e400", "1e-400", "1e99999999999999999999", "18446744073709551616", "-1", "0.5"]) {
        const chunk = `{"id":${number},"choices":[{"index":0,"seed":${number},"delta":{"content":"a","tool_calls":[{"index":${number},"function":{"name":"f","arguments":{"n":${number}}}}]}}],"usage":{"total_tokens":${number}}}`;
        const body = `data: ${chunk}\n\n${finish}`;
        const [first] = await collect(client(body).chatCompletionStream(question));
        assert.deepEqual(first, JSON.parse(chunk));
        const final = await client(body).chat.stream(question).final();
        assert.equal(final.toolCalls[0].function.arguments, `{"n":${number}}`);
        assert.equal(final.usage.total_tokens, Number(number));
        const refusal = async () => new Response(`{"error":"loading","estimated_time":${number}}`, { status: 503 });
        const error = await assert.rejects(client("").chatCompletion(question, { fetch: refusal }));
        assert.equal(error.name, "ServerError");
        assert.ok(error.retryAt === undefined || !Number.isNaN(new Date(error.retryAt).getTime()), `retryAt is ${error.retryAt}`);
      }
      let text = "\"\u2028🦀";
      for (let depth = 0; depth < 12; depth++) text = JSON.stringify(text);
      const escaped = JSON.stringify(text);
      const everyUnit = `"${Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")}"`;
      for (const content of [escaped, everyUnit]) {
        assert.ok((await client(delta(`"content":${content}`) + finish).chat.stream(question).final()).text === text, "the text differs");
        const [chunk] = await collect(client(delta(`"content":${content}`) + finish).chatCompletionStream(question));
        assert.ok(chunk.choices[0].delta.content === text, "the chunk differs");
      }
      const replaced = { "\\ud800": "\ufffd", "\\udc00\\ud800": "\ufffd\ufffd", "\\ud83ea\\udd80": "\ufffda\ufffd", "\\ud83e\\ud83e\\udd80": "\ufffd🦀" };
      for (const [half, shown] of Object.entries(replaced)) {
        const body = delta(`"content":"${half}","reasoning":"${half}","tool_calls":[{"index":0,"id":"${half}","function":{"name":"${half}","arguments":"${half}"}}]`) + finish;
        const final = await client(body).chat.stream(question).final();
        const call = { id: shown, type: "function", function: { name: shown, arguments: shown } };
        assert.deepEqual([final.text, final.reasoning, final.toolCalls], [shown, shown, [call]], half);
        const seen = await collect(client(body).chat.stream(question).events);
        assert.equal(seen.filter(({ type }) => type === "text").map((event) => event.text).join(""), shown, half);
        const [chunk] = await collect(client(body).chatCompletionStream(question));
        assert.equal(chunk.choices[0].delta.content, JSON.parse(`"${half}"`), "chunks are the service's own");
      }
    },
  },
];

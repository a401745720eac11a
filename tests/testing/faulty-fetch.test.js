/** The `fetch` of `hf-inference-wasm/testing`: what it sends, what it logs, and that other clients can be tested with it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { InferenceClient as OfficialClient } from "@huggingface/inference";
import { build } from "esbuild";
import OpenAI from "openai";

import { usePackage } from "./support.js";

const { packageFolder, entryOf, library, testing } = await usePackage();
const { faultyFetch, VirtualClock } = testing;

const url = "https://service.example/v1/chat/completions";
const chat = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const words = ["one", " two", " three", " four"];

/** Asks without any client. */
function post(fetch, body = { ...chat, stream: true }, address = url, init = {}) {
  return fetch(address, { method: "POST", body: JSON.stringify(body), ...init });
}

const textOf = async (fault, options) => (await post(faultyFetch({ faults: fault, answer: words, ...options }))).text();
const eventsIn = (text) => text.split("\n\n").filter(Boolean).map((event) => event.replace(/^data: /, ""));
const deltasIn = (text) => eventsIn(text).filter((data) => data.startsWith("{")).map((data) => JSON.parse(data).choices?.[0]?.delta?.content).filter(Boolean);
const client = (fetch, options) => new library.InferenceClient({ baseUrl: "https://service.example", fetch, ...options });

test("it loads nothing else, no WebAssembly among it, and what is not used can be left out", async () => {
  const bundled = (names) =>
    build({
      stdin: { contents: `export { ${names} } from ${JSON.stringify(entryOf("./testing"))};`, resolveDir: packageFolder },
      bundle: true,
      format: "esm",
      write: false,
      metafile: true,
    });
  const { metafile } = await bundled("faultyFetch, VirtualClock");
  assert.deepEqual(Object.keys(metafile.inputs).map((path) => path.replace(/.*\//, "")).sort(), ["<stdin>", "testing.js"]);
  const { outputFiles } = await bundled("VirtualClock");
  assert.doesNotMatch(outputFiles[0].text, /chat\.completion/);
});

describe("good answers", () => {
  test("a streamed chat", async () => {
    const response = await post(faultyFetch({ answer: words }), { ...chat, stream: true, stream_options: { include_usage: true } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const events = eventsIn(await response.text());
    assert.equal(events.at(-1), "[DONE]");
    assert.equal(JSON.parse(events.at(-2)).usage.completion_tokens, 4);
    assert.equal(JSON.parse(events.at(-3)).choices[0].finish_reason, "stop");
    assert.equal(JSON.parse(events[0]).model, "test-model");
  });

  test("a text becomes words, and nothing of it is lost", async () => {
    const deltas = deltasIn(await textOf(undefined, { answer: "  The sky\n is  blue. " }));
    assert.ok(deltas.length > 2);
    assert.equal(deltas.join(""), "  The sky\n is  blue. ");
  });

  test("every protocol, streamed and whole, as the client reads them", async () => {
    const answering = client(faultyFetch({ answer: words }));
    assert.equal((await answering.chat.stream(chat).final()).text, words.join(""));
    assert.equal((await answering.chatCompletion(chat)).choices[0].message.content, words.join(""));
    for (const endpoint of ["https://service.example/generate", "https://service.example/v1"]) {
      const generating = answering.endpoint(endpoint);
      const final = await generating.textGenerationStream({ inputs: "Hello", model: "m" }).final();
      assert.equal(final.generated_text, words.join(""), endpoint);
      assert.equal((await generating.textGeneration({ inputs: "Hello", model: "m" })).generated_text, words.join(""), endpoint);
    }
  });

  test("reasoning, tool calls, finish reasons, and an answer to each question", async () => {
    const call = { id: "call_9", name: "weather", arguments: '{"city":"Bern"}' };
    const answer = ({ body }) => ({ reasoning: ["Hm", "m."], toolCalls: [call], text: `You said ${body.messages[0].content}` });
    const final = await client(faultyFetch({ answer })).chat.stream(chat).final();
    assert.equal(final.reasoning, "Hmm.");
    assert.equal(final.text, "You said Hello");
    assert.deepEqual(final.toolCalls, [{ id: "call_9", type: "function", function: { name: "weather", arguments: call.arguments } }]);
    assert.equal(final.finishReason, "tool_calls");
    const cut = await client(faultyFetch({ answer: { text: words, finishReason: "length" } })).chat.stream(chat).final();
    assert.equal(cut.finishReason, "length");
  });

  test("who serves a model: at the Hub and at the router", async () => {
    const fetch = faultyFetch({ answer: words, providers: ["groq", "cerebras"], faults: [{ kind: "status", status: 402 }] });
    const asking = new library.InferenceClient({ accessToken: "hf_test", provider: "groq", fetch, fallbacks: "auto" });
    assert.equal((await asking.chat.stream(chat).final()).text, words.join(""));
    assert.deepEqual(fetch.requests.map(({ method, attempt }) => [method, attempt]), [["GET", 0], ["POST", 1], ["GET", 0], ["POST", 2]]);
  });
});

describe("faults", () => {
  const refused = async (fault, clock) => {
    const response = await post(faultyFetch({ faults: { kind: "status", status: 429, ...fault }, clock }));
    return { status: response.status, headers: response.headers, body: await response.text() };
  };

  test("a status, with every form of body", async () => {
    for (const [body, type, pattern] of [
      [undefined, /json/, /^\{"error":\{"message":"Refused with status 503"/],
      ["html", /html/, /^<!DOCTYPE html>/],
      ["text", /plain/, /^Refused/],
      ["empty", /plain/, /^$/],
      ["Model too busy", /plain/, /^Model too busy$/],
      [{ error: "x", estimated_time: 20 }, /json/, /^\{"error":"x","estimated_time":20\}$/],
    ]) {
      const { status, headers, body: text } = await refused({ status: 503, body });
      assert.equal(status, 503);
      assert.match(headers.get("content-type"), type);
      assert.match(text, pattern);
    }
    assert.equal((await refused({ status: 204 })).body, "");
  });

  test("a status, with every hint of when to come back", async () => {
    assert.equal((await refused({ retryAfter: 1.5 })).headers.get("retry-after"), "1.5");
    assert.equal((await refused({ retryAfter: "soon" })).headers.get("retry-after"), "soon");
    const clock = new VirtualClock(Date.UTC(2026, 10, 21, 6, 0, 0, 1));
    const date = (await refused({ retryAfter: { date: 10 } }, clock)).headers.get("retry-after");
    assert.equal(date, "Sat, 21 Nov 2026 06:00:11 GMT", "a date has whole seconds and is not too early");
    assert.equal((await refused({ retryAfterMs: 250 })).headers.get("retry-after-ms"), "250");
    assert.equal((await refused({ shouldRetry: false })).headers.get("x-should-retry"), "false");
    const quota = (await refused({ rateLimit: { limit: 5, reset: 3 } })).headers;
    assert.deepEqual(["limit", "remaining", "reset"].map((name) => quota.get(`x-ratelimit-${name}-requests`)), ["5", "0", "3s"]);
    assert.equal((await refused({ rateLimit: { reset: 3, standard: true } })).headers.get("ratelimit"), '"api";r=0;t=3');
    assert.equal((await refused({ headers: { "x-own": "1" } })).headers.get("x-own"), "1");
  });

  test("the client obeys each of these hints to the millisecond", async () => {
    const hints = [
      [{ retryAfter: 2 }, 2000],
      [{ retryAfter: 0.25 }, 250],
      [{ retryAfter: { date: 3 } }, 3000],
      [{ retryAfterMs: 1234 }, 1234],
      [{ rateLimit: { reset: 4 } }, 4000],
      [{ rateLimit: { reset: 5, standard: true } }, 5000],
    ];
    for (const [hint, wait] of hints) {
      const clock = new VirtualClock();
      const fetch = faultyFetch({ clock, answer: words, faults: [{ kind: "status", status: 429, ...hint }] });
      const restore = clock.install();
      try {
        assert.equal((await clock.run(client(fetch).chat.stream(chat).final())).text, words.join(""));
      } finally {
        restore();
      }
      assert.equal(fetch.requests[1].at - fetch.requests[0].at, wait, JSON.stringify(hint));
    }
  });

  test("no network", async () => {
    await assert.rejects(textOf({ kind: "network-error", message: "getaddrinfo ENOTFOUND" }), { name: "TypeError", message: "getaddrinfo ENOTFOUND" });
  });

  test("a reset after so many deltas", async () => {
    const fetch = faultyFetch({ answer: words, faults: { kind: "reset", after: 2 } });
    const { body } = await post(fetch);
    let text = "";
    await assert.rejects(async () => {
      for await (const piece of body) text += new TextDecoder().decode(piece);
    }, TypeError);
    assert.deepEqual(deltasIn(text), words.slice(0, 2));
    assert.equal(fetch.requests[0].deltas, 2);
    assert.equal(fetch.requests[0].closed, true);
    assert.equal(fetch.requests[0].aborted, false);
  });

  test("cuts between events and inside of one", async () => {
    assert.deepEqual(deltasIn(await textOf({ kind: "cut", after: 3 })), words.slice(0, 3));
    assert.ok((await textOf({ kind: "cut", after: 3 })).endsWith("}\n\n"));
    const inLine = await textOf({ kind: "cut", after: 3, inLine: true });
    assert.match(inLine, /\n\ndata: \{"id":"[^\n]*$/);
  });

  test("an event that is not JSON, in the place of a delta", async () => {
    const events = eventsIn(await textOf({ kind: "bad-frame", after: 1 }));
    assert.throws(() => JSON.parse(events[2]), SyntaxError);
    assert.equal(events.length, 7);
    assert.equal(eventsIn(await textOf({ kind: "bad-frame", after: 1, frame: "oops" }))[2], "oops");
  });

  test("an error in the stream, in every shape, which the client tells", async () => {
    for (const shape of ["openai", "tgi", "tgi-chat", "vllm", "llama-cpp", "named"]) {
      const fetch = faultyFetch({ answer: words, faults: { kind: "error-event", shape, after: 1, message: "CUDA out of memory", done: true } });
      const error = await client(fetch).chat.stream(chat).final().then(() => assert.fail(shape), (error) => error);
      assert.equal(error.name, "StreamInterruptedError", shape);
      assert.match(error.message, /CUDA out of memory/, shape);
      assert.equal(error.partial.text, "one", shape);
    }
  });

  test("pages, other types, whole answers, two ends", async () => {
    const page = await post(faultyFetch({ faults: { kind: "html" } }));
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-type"), /html/);
    const plain = await post(faultyFetch({ faults: { kind: "content-type", contentType: "text/plain" } }));
    assert.equal(plain.headers.get("content-type"), "text/plain");
    const whole = await post(faultyFetch({ answer: words, faults: { kind: "no-stream" } }));
    assert.equal((await whole.json()).choices[0].message.content, words.join(""));
    assert.equal(eventsIn(await textOf({ kind: "done-twice" })).filter((data) => data === "[DONE]").length, 2);
  });

  test("framings", async () => {
    const plain = await textOf();
    assert.equal((await textOf({ kind: "framing", newline: "\r\n" })).replaceAll("\r\n", "\n"), plain);
    assert.equal((await textOf({ kind: "framing", newline: "\r" })).replaceAll("\r", "\n"), plain);
    assert.equal(await textOf({ kind: "framing", space: false }), plain.replaceAll("data: ", "data:"));
    assert.equal(await textOf({ kind: "framing", done: false }), plain.replace("data: [DONE]\n\n", ""));
    assert.equal(await textOf({ kind: "framing", terminated: false }), plain.slice(0, -2));
    assert.ok((await textOf({ kind: "framing", pretty: true })).includes("data: {\ndata:  \"id\""));
    assert.ok((await textOf({ kind: "framing", comments: true })).includes("\n: keep-alive\n"));
    const marked = await post(faultyFetch({ answer: words, faults: { kind: "framing", bom: true, bytes: 1 } }));
    const bytes = await collect(marked.body);
    assert.ok(bytes.every(({ length }) => length === 1));
    assert.deepEqual(bytes.slice(0, 3).map(([byte]) => byte), [0xef, 0xbb, 0xbf]);
  });

  test("silence before the headers and in the answer ends with the signal", async () => {
    for (const after of ["request", 2]) {
      const fetch = faultyFetch({ answer: words, faults: { kind: "stall", after } });
      const controller = new AbortController();
      const reading = post(fetch, undefined, url, { signal: controller.signal }).then((response) => response.text());
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(fetch.requests[0].closed, false);
      assert.equal(fetch.requests[0].deltas, after === 2 ? 2 : 0);
      const reason = new Error("enough");
      controller.abort(reason);
      await assert.rejects(reading, reason);
      assert.equal(fetch.requests[0].aborted, true);
      assert.equal(fetch.requests[0].closed, true);
    }
  });

  test("keep-alives, drips, slow starts and a connection held open, on the clock", async () => {
    const timeouts = { timeout: { firstToken: 1_000, stall: 2_000 }, retry: false };
    const lasts = async (fault, options) => {
      const clock = new VirtualClock();
      const restore = clock.install();
      try {
        const start = clock.now();
        const fetch = faultyFetch({ clock, answer: words, faults: fault });
        const outcome = await clock.run(client(fetch, options).chat.stream(chat).final().then(({ text }) => text, ({ phase }) => phase));
        return [outcome, clock.now() - start, fetch.requests[0].closed];
      } finally {
        restore();
      }
    };
    assert.deepEqual(await lasts({ kind: "stall", after: 2, keepAlive: 300 }, timeouts), ["stall", 2_000, true]);
    assert.deepEqual(await lasts({ kind: "slow-start", delay: 700 }, timeouts), [words.join(""), 700, true]);
    assert.deepEqual(await lasts({ kind: "slow-start", delay: 1_700 }, timeouts), ["firstToken", 1_000, true]);
    assert.deepEqual(await lasts({ kind: "held-open" }), [words.join(""), 0, true]);
    const [text, time] = await lasts({ kind: "drip", bytes: 10, delay: 20 });
    assert.equal(text, words.join(""));
    assert.ok(time > 1_000 && time % 20 === 0, `${time} ms`);
  });

  test("whole answers break too", async () => {
    const ask = (fault) => client(faultyFetch({ answer: words, faults: fault }), { retry: false }).chatCompletion(chat);
    for (const [fault, name] of [
      [{ kind: "reset" }, /Error$/],
      [{ kind: "cut" }, /Error$/],
      [{ kind: "error-event", message: "out of memory" }, /Error$/],
    ]) {
      const error = await ask(fault).then(() => assert.fail(fault.kind), (error) => error);
      assert.match(error.name, name);
      assert.ok(library.isInferenceError(error), fault.kind);
    }
    assert.equal((await ask({ kind: "done-twice" })).choices[0].message.content, words.join(""));
  });
});

describe("which requests fail", () => {
  const statuses = async (faults, count, seed) => {
    const fetch = faultyFetch({ faults, seed });
    const found = [];
    for (let number = 0; number < count; number++) found.push((await post(fetch)).status);
    return found;
  };
  const down = { kind: "status", status: 503 };

  test("all, a list, a function", async () => {
    assert.deepEqual(await statuses(down, 3), [503, 503, 503]);
    assert.deepEqual(await statuses([down, null, down], 4), [503, 200, 503, 200]);
    assert.deepEqual(await statuses((request, attempt) => (attempt % 2 === 0 && request.body.model === "test-model" ? down : null), 4), [200, 503, 200, 503]);
  });

  test("flapping: the same seed gives the same, another gives other, and the rates hold", async () => {
    const flapping = { random: [{ rate: 0.3, fault: down }, { rate: 0.2, fault: { kind: "status", status: 429 } }] };
    const found = await statuses(flapping, 1000, 7);
    assert.deepEqual(await statuses(flapping, 1000, 7), found);
    assert.notDeepEqual(await statuses(flapping, 1000, 8), found);
    const share = (status) => found.filter((one) => one === status).length / found.length;
    assert.ok(Math.abs(share(503) - 0.3) < 0.05 && Math.abs(share(429) - 0.2) < 0.05, `${share(503)}, ${share(429)}`);
  });

  test("the place of a fault is drawn from the seed, and inside the answer", async () => {
    const places = async (seed) => {
      const fetch = faultyFetch({ seed, answer: words, faults: { kind: "cut" } });
      for (let number = 0; number < 20; number++) await (await post(fetch)).text();
      return fetch.requests.map(({ deltas }) => deltas);
    };
    const found = await places(3);
    assert.deepEqual(await places(3), found);
    assert.deepEqual([...new Set(found)].sort(), [1, 2, 3]);
  });
});

describe("the log", () => {
  test("a request, without its credentials", async () => {
    const clock = new VirtualClock(5);
    const fetch = faultyFetch({ clock });
    await (await post(fetch, chat, url, { headers: { Authorization: "Bearer hf_secret", "X-Own": "1" } })).text();
    const [{ fault, deltas, ...request }] = fetch.requests;
    assert.deepEqual(request, {
      attempt: 1,
      url,
      method: "POST",
      headers: { authorization: "[redacted]", "x-own": "1" },
      body: chat,
      at: 5,
      aborted: false,
      closed: true,
    });
    assert.doesNotMatch(JSON.stringify(fetch.requests), /hf_secret/);
  });

  test("URLs, Requests and bytes are taken", async () => {
    const fetch = faultyFetch();
    const body = JSON.stringify(chat);
    await fetch(new URL(url), { method: "POST", body: new TextEncoder().encode(body) });
    await fetch(new Request(url, { method: "POST", body }));
    assert.deepEqual(fetch.requests.map((request) => [request.url, request.method, request.body]), [[url, "POST", chat], [url, "POST", chat]]);
  });

  test("a body that nobody reads stays open; one that is cancelled does not", async () => {
    const fetch = faultyFetch({ answer: words });
    const response = await post(fetch);
    assert.deepEqual([fetch.requests[0].closed, fetch.requests[0].deltas], [false, 0]);
    await response.body.cancel();
    assert.deepEqual([fetch.requests[0].closed, fetch.requests[0].aborted], [true, true]);
  });

  test("nothing is sent with a signal that was aborted before", async () => {
    const fetch = faultyFetch();
    await assert.rejects(post(fetch, chat, url, { signal: AbortSignal.abort() }), { name: "AbortError" });
    assert.equal(fetch.requests.length, 0);
  });
});

describe("other clients", () => {
  test("openai", async () => {
    const fetch = faultyFetch({ answer: words, faults: [{ kind: "status", status: 429, retryAfterMs: 1 }, { kind: "reset", after: 2 }] });
    const openai = new OpenAI({ apiKey: "sk-test", baseURL: "https://service.example/v1", fetch });
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of await openai.chat.completions.create({ ...chat, stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
    });
    assert.equal(text, "one two");
    assert.equal(fetch.requests.length, 2);
  });

  test("@huggingface/inference", async () => {
    const fetch = faultyFetch({ answer: words, faults: { kind: "cut", after: 2 } });
    const official = new OfficialClient("hf_test", { fetch, endpointUrl: "https://service.example" });
    let text = "";
    for await (const chunk of official.chatCompletionStream(chat)) text += chunk.choices[0]?.delta?.content ?? "";
    assert.equal(text, "one two", "which it takes for a whole answer");
  });
});

async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/**
 * The client, installed from its tarball, against a real llama.cpp server with a model of random weights.
 *
 * Tests that compare texts run one after the other: which numbers a request is computed with depends in the last digits
 * on what else is in the same batch. Where requests run side by side, a grammar dictates each text.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { startServer, writeModel } from "./serve.js";

const { InferenceClient, InferenceError, AuthenticationError, NotFoundError, NetworkError } = await importPackage();

/** Imports the package by its public name, as a project that has installed the tarball does. */
async function importPackage() {
  const consumer = createRequire(new URL("../../target/consumer/package.json", import.meta.url));
  let entry;
  try {
    entry = consumer.resolve("hf-inference-wasm");
  } catch (cause) {
    throw new Error("the packed package is not installed in target/consumer: see tests/runtimes/install-package.js", { cause });
  }
  return import(pathToFileURL(entry).href);
}

/** Far more than the server makes while a test runs: the stream ends when its reader stops it, or never. */
const ENDLESS = 10_000_000;

const messages = [{ role: "user", content: "Tell me about the river." }];

/** A request field that makes the model say `text` and nothing else. */
const saying = (text) => ({ grammar: `root ::= ${JSON.stringify(text)}` });

/** The pieces of an async iterable. */
async function collect(iterable) {
  const pieces = [];
  for await (const piece of iterable) pieces.push(piece);
  return pieces;
}

const contentOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");

/**
 * When max_tokens falls inside a character, llama.cpp shows its first bytes as U+FFFD in a whole answer and leaves them
 * out of a stream.
 */
const withoutCutCharacter = (text) => text.replace(/\uFFFD$/, "");

await writeModel();
const server = await startServer();
const client = new InferenceClient({ endpointUrl: server.url, accessToken: server.apiKey });

after(() => server.stop());

describe("chat stream", { timeout: 60_000 }, () => {
  const request = { messages, max_tokens: 24, seed: 1, temperature: 1 };

  test("yields the server's chunks, in order and to the end", async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true });
    const chunks = await collect(stream);
    assert.equal(chunks[0].object, "chat.completion.chunk");
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    const finishing = chunks.filter((chunk) => chunk.choices[0]?.finish_reason);
    assert.deepEqual(finishing.map((chunk) => chunk.choices[0].finish_reason), ["length"]);
    assert.ok(contentOf(chunks).length > 0);
  });

  test("leaves the server's own fields in the chunks", async () => {
    // Without include_usage the client asks for the usage by itself, and keeps that chunk to itself.
    const chunks = await collect(client.chatCompletionStream({ ...request, stream_options: { include_usage: true } }));
    const timings = chunks.map((chunk) => chunk.timings).filter(Boolean);
    assert.equal(timings.length, 1);
    assert.equal(timings[0].predicted_n, 24);
  });

  test("gives the same text as chunks, textStream, events and final()", async () => {
    const chunks = contentOf(await collect(client.chatCompletionStream(request)));
    const pieces = (await collect(client.chat.stream(request).textStream)).join("");
    const events = await collect(client.chat.stream(request).events);
    const final = await client.chat.stream(request).final();
    assert.ok(chunks.length > 0);
    assert.equal(pieces, chunks);
    assert.equal(events.map((event) => (event.type === "text" ? event.text : "")).join(""), chunks);
    assert.equal(final.text, chunks);
  });

  test("events begin with start, tell the usage, and end with finish", async () => {
    const stream = client.chat.stream(request);
    const events = await collect(stream.events);
    const { usage } = await stream.final();
    const types = events.map((event) => event.type);
    assert.equal(types[0], "start");
    assert.equal(types.at(-1), "finish");
    assert.deepEqual([...new Set(types)].sort(), ["finish", "start", "text", "usage"]);
    assert.deepEqual(events.find((event) => event.type === "usage").usage, usage);
    assert.equal(events.at(-1).finishReason, "length");
    assert.equal(events.at(-1).rawFinishReason, "length");
  });

  test("final() sums the answer up", async () => {
    const { data } = await server.json("/v1/models");
    const final = await client.chat.stream(request).final();
    assert.equal(final.reasoning, "");
    assert.deepEqual(final.toolCalls, []);
    assert.equal(final.message.role, "assistant");
    assert.equal(final.message.content, final.text);
    assert.equal(final.choices.length, 1);
    assert.equal(final.finishReason, "length");
    assert.equal(final.rawFinishReason, "length");
    assert.equal(final.model, data[0].id);
  });

  test("its message continues the conversation", async () => {
    const { message } = await client.chat.stream(request).final();
    const longer = [...messages, message, { role: "user", content: "And then?" }];
    const { usage } = await client.chat.stream({ ...request, messages: longer }).final();
    assert.equal(usage.prompt_tokens, await server.countChatTokens(longer));
  });
});

describe("chat, whole", { timeout: 60_000 }, () => {
  const request = { messages, max_tokens: 24, seed: 1, temperature: 1 };

  test("is the server's answer, untouched", async () => {
    const answer = await client.chat.completions.create(request);
    const wire = await server.json("/v1/chat/completions", request);
    for (const body of [answer, wire]) {
      // What differs from one answer to the next.
      delete body.id;
      delete body.created;
      for (const name of Object.keys(body.timings)) if (!name.endsWith("_n")) delete body.timings[name];
    }
    assert.deepEqual(answer, wire);
  });

  test("chatCompletion() is the same call", async () => {
    const answer = await client.chatCompletion(request);
    const wire = await server.json("/v1/chat/completions", request);
    assert.deepEqual(answer.choices, wire.choices);
  });
});

describe("text generation", { timeout: 60_000 }, () => {
  const request = { inputs: "The river", parameters: { max_new_tokens: 24, seed: 3, temperature: 1 } };
  const wire = { prompt: "The river", max_tokens: 24, seed: 3, temperature: 1 };

  test("whole: generated_text is the completion's text", async () => {
    const answer = await client.textGeneration(request);
    const completion = await server.json("/v1/completions", wire);
    assert.equal(answer.generated_text, completion.choices[0].text);
    assert.ok(answer.generated_text.length > 0);
  });

  test("stream: the token texts make up generated_text, which only the last event has", async () => {
    const events = await collect(client.textGenerationStream(request));
    const completion = await server.json("/v1/completions", wire);
    const last = events.at(-1);
    assert.equal(events.map((event) => event.token.text).join(""), completion.choices[0].text);
    assert.equal(last.generated_text, completion.choices[0].text);
    assert.ok(events.slice(0, -1).every((event) => event.generated_text === null && event.details === null));
    assert.deepEqual(events.map((event) => event.index), events.map((_, position) => position + 1));
    // The closing event brings no text; its token counts as special, as TGI's end-of-text token does.
    assert.deepEqual(events.map((event) => event.token.special), events.map((event) => event === last));
  });

  test("stream: textStream and final() give the same text", async () => {
    const pieces = (await collect(client.textGenerationStream(request).textStream)).join("");
    const final = await client.textGenerationStream(request).final();
    assert.ok(pieces.length > 0);
    assert.equal(final.generated_text, pieces);
  });

  test("an endpoint URL that ends in /v1 reaches the same route", async () => {
    const answer = await client.endpoint(`${server.url}/v1`).textGeneration(request);
    assert.equal(answer.generated_text, (await client.textGeneration(request)).generated_text);
  });
});

describe("a text streamed equals the text returned whole", { timeout: 120_000 }, () => {
  const samplings = {
    "at temperature 0": { temperature: 0 },
    "at temperature 1": { temperature: 1 },
    // Half of it bytes that are no UTF-8.
    "at temperature 3, every token allowed": { temperature: 3, top_k: 0, top_p: 1, min_p: 0 },
  };
  for (const [name, sampling] of Object.entries(samplings)) {
    test(`chat ${name}, for ten seeds`, async () => {
      const texts = new Set();
      for (let seed = 0; seed < 10; seed++) {
        const request = { messages, max_tokens: 120, seed, ...sampling };
        const whole = await client.chatCompletion(request);
        const text = (await collect(client.chat.stream(request).textStream)).join("");
        assert.equal(withoutCutCharacter(text), withoutCutCharacter(whole.choices[0].message.content));
        texts.add(text);
      }
      assert.equal(texts.size, sampling.temperature === 0 ? 1 : 10);
    });

    test(`text generation ${name}, for ten seeds`, async () => {
      const texts = new Set();
      for (let seed = 0; seed < 10; seed++) {
        const request = { inputs: "Über 日本 🌊:", parameters: { max_new_tokens: 120, seed, ...sampling } };
        const whole = await client.textGeneration(request);
        const events = await collect(client.textGenerationStream(request));
        const text = events.map((event) => event.token.text).join("");
        assert.equal(withoutCutCharacter(text), withoutCutCharacter(whole.generated_text));
        assert.equal(events.at(-1).generated_text, text);
        texts.add(text);
      }
      assert.equal(texts.size, sampling.temperature === 0 ? 1 : 10);
    });
  }
});

describe("usage", { timeout: 60_000 }, () => {
  test("of a chat: the server's own count of the prompt, max_tokens, and their sum", async () => {
    const prompt = await server.countChatTokens(messages);
    const expected = { prompt_tokens: prompt, completion_tokens: 17, total_tokens: prompt + 17 };
    const request = { messages, max_tokens: 17 };
    const { usage } = await client.chat.stream(request).final();
    const whole = await client.chatCompletion(request);
    for (const counted of [usage, whole.usage]) {
      const { prompt_tokens, completion_tokens, total_tokens } = counted;
      assert.deepEqual({ prompt_tokens, completion_tokens, total_tokens }, expected);
    }
    assert.ok(!usage.estimated);
  });

  test("of a streamed text generation", async () => {
    const inputs = "Once upon a time";
    const { usage } = await client.textGenerationStream({ inputs, parameters: { max_new_tokens: 17 } }).final();
    assert.equal(usage.prompt_tokens, await server.countTokens(inputs));
    assert.equal(usage.completion_tokens, 17);
  });
});

describe("limits", { timeout: 60_000 }, () => {
  for (const limit of [1, 2, 50]) {
    test(`max_tokens: ${limit} is respected and finishes with "length"`, async () => {
      const { finishReason, usage } = await client.chat.stream({ messages, max_tokens: limit }).final();
      assert.equal(finishReason, "length");
      assert.equal(usage.completion_tokens, limit);
    });
  }

  test("an answer that ends by itself finishes with \"stop\"", async () => {
    const { text, finishReason } = await client.chat.stream({ messages, max_tokens: 100, ...saying("That is all.") }).final();
    assert.equal(text, "That is all.");
    assert.equal(finishReason, "stop");
  });

  test("a stop sequence ends a chat and is not part of it", async () => {
    const request = { messages, max_tokens: 100, stop: [" three", " five"], ...saying("one two three four five") };
    const { text, finishReason, rawFinishReason } = await client.chat.stream(request).final();
    const whole = await client.chatCompletion(request);
    assert.equal(text, "one two");
    assert.equal(finishReason, "stop");
    assert.equal(rawFinishReason, "stop");
    assert.equal(whole.choices[0].message.content, "one two");
  });

  test("a stop sequence ends a generated text", async () => {
    const request = { inputs: "The garden", parameters: { max_new_tokens: 40, seed: 5, temperature: 1 } };
    const { generated_text: full } = await client.textGeneration(request);
    const words = [...full.matchAll(/ [a-z]+/g)].map(([word]) => word);
    const stop = words[Math.floor(words.length / 2)];
    const stopped = { ...request, parameters: { ...request.parameters, stop: [stop] } };
    const expected = full.slice(0, full.indexOf(stop));
    assert.equal((await client.textGeneration(stopped)).generated_text, expected);
    assert.equal((await client.textGenerationStream(stopped).final()).generated_text, expected);
  });
});

describe("unicode", { timeout: 60_000 }, () => {
  const text = "naïve Straße 日本語 עברית 👩🏽‍🚀🌊 e\u0301 \u{10FFFF} ½\n\t\"\\ end";

  test("an answer arrives as it was said, although the model says it byte by byte", async () => {
    const request = { messages, max_tokens: 400, ...saying(text) };
    assert.equal(contentOf(await collect(client.chatCompletionStream(request))), text);
    assert.equal((await collect(client.chat.stream(request).textStream)).join(""), text);
    assert.equal((await client.chatCompletion(request)).choices[0].message.content, text);
  });

  test("a prompt arrives as it was written", async () => {
    const written = [{ role: "user", content: text }];
    const request = { messages: written, max_tokens: 24, seed: 8, temperature: 1 };
    const { text: answered, usage } = await client.chat.stream(request).final();
    const wire = await server.json("/v1/chat/completions", request);
    assert.equal(usage.prompt_tokens, await server.countChatTokens(written));
    assert.equal(answered, wire.choices[0].message.content);
  });
});

describe("several streams at once", { timeout: 120_000 }, () => {
  test("40 streams over 4 slots: each gets its own text, whole", async () => {
    const texts = Array.from({ length: 40 }, (_, number) => `stream ${number}: ${`Nº${number} `.repeat(10)}end`);
    const answers = await Promise.all(
      texts.map((text) => collect(client.chat.stream({ messages, max_tokens: 400, ...saying(text) }).textStream)),
    );
    assert.deepEqual(answers.map((pieces) => pieces.join("")), texts);
  });

  test("chunks of streams that run side by side are told apart by their ids", async () => {
    const streams = await Promise.all(
      Array.from({ length: 8 }, () => collect(client.chatCompletionStream({ messages, max_tokens: 40 }))),
    );
    const ids = streams.map((chunks) => new Set(chunks.map((chunk) => chunk.id)));
    assert.ok(ids.every((set) => set.size === 1));
    assert.equal(new Set(ids.map((set) => [...set][0])).size, 8);
  });

  test("n: 2 gives two choices", async () => {
    const request = { messages, max_tokens: 12, n: 2, seed: 2, temperature: 1 };
    const { choices, text } = await client.chat.stream(request).final();
    assert.deepEqual(choices.map((choice) => choice.index), [0, 1]);
    assert.deepEqual(choices.map((choice) => choice.finishReason), ["length", "length"]);
    assert.equal(choices[0].message.content, text);
    assert.ok(choices[1].message.content.length > 0);
    assert.notEqual(choices[1].message.content, text);
  });
});

describe("abort: the server stops generating", { timeout: 240_000 }, () => {
  const endless = { messages, max_tokens: ENDLESS, id_slot: 0 };
  const limit = { timeout: 20_000 };

  // Each test has a server of its own: a stream that one of them fails to stop keeps no other from its slot.
  let server;
  let client;
  beforeEach(async () => {
    server = await startServer({ seconds: 60, log: "abort.log" });
    client = new InferenceClient({ endpointUrl: server.url, accessToken: server.apiKey });
  });
  afterEach(() => server?.stop());

  test("a slot that is busy keeps the next request waiting, which the tests below rely on", limit, async (t) => {
    const controller = new AbortController();
    const response = await server.fetch("/v1/chat/completions", { ...endless, stream: true }, controller);
    assert.equal(response.status, 200);
    let served = false;
    const next = server.untilServedBy(0, t.signal).then(() => (served = true));
    await server.untilDeferred(1, t.signal);
    assert.equal(served, false);
    controller.abort();
    await next;
    assert.deepEqual(await server.busySlots(), []);
  });

  test("break out of the chunks", limit, async (t) => {
    let chunks = 0;
    for await (const chunk of client.chatCompletionStream(endless)) {
      assert.ok(chunk.id);
      if (++chunks === 20) break;
    }
    await server.untilServedBy(0, t.signal);
    assert.equal(chunks, 20);
  });

  test("break out of textStream", limit, async (t) => {
    for await (const piece of client.chat.stream(endless).textStream) {
      assert.ok(piece.length > 0);
      break;
    }
    await server.untilServedBy(0, t.signal);
  });

  test("break out of events", limit, async (t) => {
    for await (const event of client.chat.stream(endless).events) {
      if (event.type === "text") break;
    }
    await server.untilServedBy(0, t.signal);
  });

  test("a throw in the loop passes through", limit, async (t) => {
    const thrown = new Error("the page is gone");
    await assert.rejects(
      async () => {
        for await (const _ of client.chatCompletionStream(endless)) throw thrown;
      },
      (error) => error === thrown,
    );
    await server.untilServedBy(0, t.signal);
  });

  test("the caller's signal, with the caller's reason", limit, async (t) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const stream = await client.chat.completions.create({ ...endless, stream: true }, { signal: controller.signal });
    await assert.rejects(
      async () => {
        for await (const _ of stream) controller.abort(reason);
      },
      (error) => error === reason,
    );
    await server.untilServedBy(0, t.signal);
  });

  test("abort()", limit, async (t) => {
    const stream = client.chat.stream(endless);
    await assert.rejects(
      async () => {
        for await (const _ of stream.textStream) stream.abort();
      },
      { name: "AbortError" },
    );
    await assert.rejects(stream.final(), { name: "AbortError" });
    await server.untilServedBy(0, t.signal);
  });

  test("cancel() of the ReadableStream", limit, async (t) => {
    const reader = client.chat.stream(endless).toReadableStream().getReader();
    assert.equal((await reader.read()).done, false);
    await reader.cancel();
    await server.untilServedBy(0, t.signal);
  });

  test("a whole answer that is awaited", limit, async (t) => {
    const controller = new AbortController();
    const answer = client.chatCompletion(endless, { signal: controller.signal });
    const rejected = assert.rejects(answer, { name: "AbortError" });
    await server.untilBusy(0, t.signal);
    controller.abort();
    await rejected;
    await server.untilServedBy(0, t.signal);
  });

  test("break out of a generated text", limit, async (t) => {
    const request = { inputs: "On and on", parameters: { max_new_tokens: ENDLESS, id_slot: 0 } };
    for await (const event of client.textGenerationStream(request)) {
      assert.equal(typeof event.token.text, "string");
      break;
    }
    await server.untilServedBy(0, t.signal);
  });

  test("abort() of a generated text", limit, async (t) => {
    const stream = client.textGenerationStream({
      inputs: "On and on",
      parameters: { max_new_tokens: ENDLESS, id_slot: 0 },
    });
    await assert.rejects(
      async () => {
        for await (const _ of stream) stream.abort();
      },
      { name: "AbortError" },
    );
    await server.untilServedBy(0, t.signal);
  });

  test("a stream that waits for a slot, before anything has come", limit, async (t) => {
    const running = client.chatCompletionStream(endless);
    await running.next();
    const waiting = client.chatCompletionStream(endless);
    const rejected = assert.rejects(waiting.next(), { name: "AbortError" });
    await server.untilDeferred(1, t.signal);
    waiting.abort();
    await rejected;
    assert.deepEqual(await server.busySlots(), [0]);
    // The aborted one is next in the slot. Its connection is closed, so it does not stay there.
    await running.return();
    await server.untilServedBy(0, t.signal);
  });

  test("one of four streams: the other three go on", limit, async (t) => {
    const streams = [0, 1, 2, 3].map((slot) => client.chatCompletionStream({ ...endless, id_slot: slot }));
    for (const stream of streams) await stream.next();
    assert.deepEqual(await server.busySlots(), [0, 1, 2, 3]);
    await streams[1].return();
    await server.untilServedBy(1, t.signal);
    assert.deepEqual(await server.busySlots(), [0, 2, 3]);
    for (const stream of streams) await stream.return();
    for (const slot of [0, 2, 3]) await server.untilServedBy(slot, t.signal);
    assert.deepEqual(await server.busySlots(), []);
  });
});

describe("errors", { timeout: 60_000 }, () => {
  const request = { messages, max_tokens: 4 };

  test("a wrong key is an AuthenticationError with the server's message, on every call", async () => {
    const stranger = new InferenceClient({ endpointUrl: server.url, accessToken: "sk-mistyped" });
    const generation = { inputs: "Hello" };
    const calls = {
      "chat.completions.create": () => stranger.chat.completions.create(request),
      "chat.completions.create, stream": () => stranger.chat.completions.create({ ...request, stream: true }),
      chatCompletion: () => stranger.chatCompletion(request),
      chatCompletionStream: () => collect(stranger.chatCompletionStream(request)),
      "chat.stream, textStream": () => collect(stranger.chat.stream(request).textStream),
      "chat.stream, final": () => stranger.chat.stream(request).final(),
      textGeneration: () => stranger.textGeneration(generation),
      textGenerationStream: () => collect(stranger.textGenerationStream(generation)),
    };
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(
        call,
        (error) => {
          assert.ok(error instanceof AuthenticationError, `${name}: ${error}`);
          assert.equal(error.name, "AuthenticationError");
          assert.equal(error.code, "authentication");
          assert.equal(error.status, 401);
          assert.equal(error.retryable, false);
          assert.match(error.message, /Invalid API Key/);
          assert.doesNotMatch(`${error.message}${error.stack}${JSON.stringify(error)}`, /sk-mistyped/);
          return true;
        },
        name,
      );
    }
  });

  test("a key given per call is used for that call only", async () => {
    await assert.rejects(client.chatCompletion(request, { accessToken: "sk-mistyped" }), { name: "AuthenticationError" });
    assert.equal((await client.chatCompletion(request)).usage.completion_tokens, 4);
  });

  test("a prompt too long for the context: status 400 and the server's message", async () => {
    const long = { ...request, messages: [{ role: "user", content: "x".repeat(5000) }] };
    for (const call of [() => client.chatCompletion(long), () => client.chat.completions.create({ ...long, stream: true })]) {
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof InferenceError);
        assert.equal(error.status, 400);
        assert.equal(error.retryable, false);
        assert.match(error.message, /exceeds the available context size/);
        return true;
      });
    }
  });

  test("a route that does not exist: NotFoundError", async () => {
    await assert.rejects(client.endpoint(`${server.url}/elsewhere`).chatCompletion(request), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.status, 404);
      assert.match(error.message, /File Not Found/);
      return true;
    });
  });

  test("a server that dies in the middle of a stream: an error that holds the text so far", { timeout: 20_000 }, async (t) => {
    const mortal = await startServer({ seconds: 60, log: "mortal.log" });
    t.after(() => mortal.stop());
    const other = new InferenceClient({ endpointUrl: mortal.url, accessToken: mortal.apiKey });
    let text = "";
    await assert.rejects(
      async () => {
        for await (const piece of other.chat.stream({ messages, max_tokens: ENDLESS }).textStream) {
          if (text === "") await mortal.stop();
          text += piece;
        }
      },
      (error) => {
        assert.ok(error instanceof InferenceError, String(error));
        assert.ok(text.length > 0);
        assert.equal(error.partial.text, text);
        return true;
      },
    );
    await assert.rejects(other.chatCompletion(request), (error) => error instanceof NetworkError && error.retryable);
  });
});

describe("models", { timeout: 60_000 }, () => {
  test("the model list is reachable with the client's URL and key, and its id works as model", async () => {
    const { data } = await server.json("/v1/models");
    assert.equal(data.length, 1);
    const answer = await client.chatCompletion({ model: data[0].id, messages, max_tokens: 2 });
    assert.equal(answer.model, data[0].id);
  });
});

describe("what a request can ask for", { timeout: 60_000 }, () => {
  /**
   * Asks the same in every way, and without the client; checks that all of them tell the same.
   * The choices come as plain as the tests need them.
   */
  async function ask(request) {
    const wire = await server.json("/v1/chat/completions", request);
    const whole = await client.chatCompletion(request);
    const chunks = await collect(client.chatCompletionStream({ ...request, stream_options: { include_usage: true } }));
    const stream = client.chat.stream(request);
    const events = await collect(stream.events);
    const final = await stream.final();
    const text = (await collect(client.chat.stream(request).textStream)).join("");

    const expected = wire.choices.map(({ index, message, finish_reason }) => ({
      index,
      text: withoutCutCharacter(message.content ?? ""),
      reasoning: message.reasoning_content ?? "",
      calls: callsOf(message.tool_calls ?? []),
      finish: finish_reason,
    }));
    assert.deepEqual(whole.choices.map(plainChoice), wire.choices.map(plainChoice));
    assert.deepEqual(whole.usage, wire.usage);
    assert.deepEqual(grown(chunks), expected);
    const ofFinal = final.choices.map(({ index, text, reasoning, toolCalls, rawFinishReason }) => ({
      index, text: withoutCutCharacter(text), reasoning, calls: callsOf(toolCalls), finish: rawFinishReason,
    }));
    assert.deepEqual(ofFinal, expected);
    const joined = (type) => events.filter((event) => event.type === type).map((event) => event.text).join("");
    const ofEvents = {
      index: 0,
      text: withoutCutCharacter(joined("text")),
      reasoning: joined("reasoning"),
      calls: callsOf(events.filter(({ type }) => type === "tool-call").map(({ toolCall }) => toolCall)),
      finish: events.at(-1).rawFinishReason,
    };
    assert.deepEqual(ofEvents, expected[0]);
    assert.equal(withoutCutCharacter(text), expected[0].text);
    assert.deepEqual(final.usage, wire.usage);
    return { wire, whole, chunks, events, final, expected };
  }

  /** What does not differ from one call to the next: the server makes up a new id for each tool call. */
  const callsOf = (toolCalls) => toolCalls.map(({ type, function: { name, arguments: text } }) => ({ type, name, text }));
  const plainChoice = ({ message, ...choice }) => ({ ...choice, message: { ...message, tool_calls: message.tool_calls && callsOf(message.tool_calls) } });

  /** The choices that chunks grow into, by the plainest reading. */
  function grown(chunks) {
    const choices = [];
    for (const { index, delta, finish_reason } of chunks.flatMap((chunk) => chunk.choices)) {
      const choice = (choices[index] ??= { index, text: "", reasoning: "", calls: [], finish: null });
      choice.text += delta.content ?? "";
      choice.reasoning += delta.reasoning_content ?? "";
      choice.finish = finish_reason ?? choice.finish;
      for (const { index: at, type, function: part } of delta.tool_calls ?? []) {
        const call = (choice.calls[at] ??= { type, name: part.name, text: "" });
        call.text += part.arguments ?? "";
      }
    }
    for (const choice of choices) choice.text = withoutCutCharacter(choice.text);
    return choices;
  }

  const oneOf = (...values) => ({ type: "string", enum: values });
  const tools = [
    {
      type: "function",
      function: {
        name: "set_light",
        description: "Turns a light on or off.",
        parameters: { type: "object", properties: { room: oneOf("kitchen", "hall"), state: oneOf("on", "off") }, required: ["room", "state"] },
      },
    },
  ];
  // Space and the end of the text are made likely, so that a model of random weights comes to an end.
  const callingTools = { messages, tools, tool_choice: "required", parallel_tool_calls: false, logit_bias: { 259: 100, 2: 100 }, seed: 1, max_tokens: 300 };

  test("a tool call: its arguments come in pieces and are the JSON that was asked for", async () => {
    const { chunks, events, final, expected } = await ask(callingTools);
    assert.equal(final.finishReason, "tool_calls");
    assert.equal(final.toolCalls.length, 1);
    const [call] = final.toolCalls;
    assert.equal(call.function.name, "set_light");
    const { room, state, ...rest } = JSON.parse(call.function.arguments);
    assert.ok(["kitchen", "hall"].includes(room) && ["on", "off"].includes(state), call.function.arguments);
    assert.deepEqual(rest, {});
    const deltas = events.filter(({ type }) => type === "tool-call-delta");
    assert.ok(deltas.length > 5, `${deltas.length} deltas`);
    assert.equal(deltas.map((event) => event.arguments).join(""), expected[0].calls[0].text);
    const [start] = events.filter(({ type }) => type === "tool-call-start");
    assert.deepEqual({ index: start.index, id: start.id, name: start.name }, { index: 0, id: call.id, name: "set_light" });
    assert.deepEqual(events.find(({ type }) => type === "tool-call").toolCall, call);
    assert.ok(chunks.filter(({ choices }) => choices[0]?.delta.tool_calls).length > 5);
    assert.equal(final.message.content, null);
  });

  test("a tool call and its result continue the conversation", async () => {
    const { message, toolCalls } = await client.chat.stream(callingTools).final();
    const longer = [...messages, message, { role: "tool", tool_call_id: toolCalls[0].id, content: "{\"done\":true}" }];
    const { usage, text } = await client.chat.stream({ messages: longer, max_tokens: 40, ...saying("It is done.") }).final();
    assert.equal(usage.prompt_tokens, await server.countChatTokens(longer));
    assert.equal(text, "It is done.");
  });

  test("tools together with a grammar: status 400 and the server's message", async () => {
    const request = { ...callingTools, ...saying("no") };
    for (const call of [() => client.chatCompletion(request), () => client.chat.stream(request).final()]) {
      await assert.rejects(call, (error) => {
        assert.equal(error.name, "InputError");
        assert.equal(error.status, 400);
        assert.match(error.message, /grammar constraints with tools/);
        return true;
      });
    }
  });

  test("a JSON schema: the text is an object of its form", async () => {
    const schema = { type: "object", properties: { colour: oneOf("red", "green", "blue"), deep: { type: "boolean" } }, required: ["colour", "deep"], additionalProperties: false };
    const response_format = { type: "json_schema", json_schema: { name: "river", schema, strict: true } };
    const { final } = await ask({ messages, max_tokens: 400, seed: 1, reasoning_format: "none", response_format });
    assert.equal(final.finishReason, "stop");
    const { colour, deep, ...rest } = JSON.parse(final.text);
    assert.ok(["red", "green", "blue"].includes(colour) && typeof deep === "boolean", final.text);
    assert.deepEqual(rest, {});
  });

  test("logprobs: chunks and the whole answer have the server's numbers, to the last digit", async () => {
    const { wire, whole, chunks } = await ask({ messages, max_tokens: 6, seed: 1, temperature: 1, logprobs: true, top_logprobs: 2 });
    const ofChunks = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
    assert.deepEqual(whole.choices[0].logprobs, wire.choices[0].logprobs);
    assert.deepEqual(ofChunks, wire.choices[0].logprobs.content);
    assert.equal(ofChunks.length, 6);
    assert.ok(ofChunks.every(({ top_logprobs }) => top_logprobs.length === 2));
  });

  test("n: 2: two answers, told apart; events and the text are of the first", async () => {
    const { final, chunks, expected, events } = await ask({ messages, max_tokens: 12, seed: 1, temperature: 1, n: 2 });
    assert.deepEqual(expected.map(({ index, finish }) => [index, finish]), [[0, "length"], [1, "length"]]);
    assert.notEqual(expected[0].text, expected[1].text);
    assert.deepEqual(final.choices.map(({ message }) => message.content), final.choices.map(({ text }) => text));
    assert.equal(final.text, final.choices[0].text);
    // The server tells the usage of each choice by itself; of the whole answer it tells one choice's alone.
    assert.deepEqual(chunks.filter(({ usage }) => usage).map(({ usage }) => usage.completion_tokens), [12, 12]);
    assert.equal(final.usage.completion_tokens, 12);
    assert.deepEqual(events.filter(({ type }) => type === "usage").map(({ usage }) => usage), [final.usage]);
    const silent = await collect(client.chatCompletionStream({ messages, max_tokens: 12, seed: 1, n: 2 }));
    assert.ok(silent.every(({ choices }) => choices.length === 1), "a chunk of usage that nobody asked for");
  });

  test("reasoning comes apart from the text", async () => {
    const { final, expected } = await ask({ messages, max_tokens: 200, seed: 1, grammar: 'root ::= "<think>the river</think>the road"' });
    assert.deepEqual([expected[0].reasoning, expected[0].text], ["the river", "the road"]);
    assert.deepEqual(final.message, { role: "assistant", content: "the road" });
    // The same as tags in the text, when the server is told to leave them there.
    const tagged = { messages, max_tokens: 200, reasoning_format: "none", grammar: 'root ::= "<think>the river</think>the road"' };
    const wire = await server.json("/v1/chat/completions", tagged);
    assert.equal(wire.choices[0].message.content, "<think>the river</think>the road");
    const { reasoning, text } = await client.chat.stream(tagged).final();
    assert.deepEqual([reasoning, text], ["the river", "the road"]);
    assert.equal((await client.chat.stream(tagged, { reasoningTags: false }).final()).text, wire.choices[0].message.content);
  });
});

describe("the wire, which the client's reader relies on", { timeout: 60_000 }, () => {
  const request = { messages, max_tokens: 5, stream: true };

  async function events(path, body) {
    const response = await server.fetch(path, body);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type"), /^text\/event-stream\b/);
    const blocks = (await response.text()).split("\n\n");
    assert.equal(blocks.pop(), "");
    return blocks;
  }

  const parse = (block) => JSON.parse(block.slice("data: ".length));

  test("a chat stream ends with finish_reason, then usage and timings without choices, then [DONE]", async () => {
    const blocks = await events("/v1/chat/completions", { ...request, stream_options: { include_usage: true } });
    assert.ok(blocks.every((block) => block.startsWith("data: ")));
    const [finish, usage, done] = blocks.slice(-3);
    assert.equal(parse(finish).choices[0].finish_reason, "length");
    assert.deepEqual(parse(finish).choices[0].delta, {});
    assert.deepEqual(parse(usage).choices, []);
    assert.equal(parse(usage).usage.completion_tokens, 5);
    assert.equal(parse(usage).timings.predicted_n, 5);
    assert.equal(done, "data: [DONE]");
  });

  test("a chat stream tells its usage only when asked", async () => {
    const blocks = await events("/v1/chat/completions", request);
    assert.equal(blocks.at(-1), "data: [DONE]");
    assert.ok(blocks.slice(0, -1).every((block) => parse(block).usage === undefined));
  });

  test("the first chunk of a chat stream has the role and content null", async () => {
    const [first] = await events("/v1/chat/completions", request);
    assert.deepEqual(parse(first).choices[0].delta, { role: "assistant", content: null });
  });

  test("a completions stream ends with finish_reason and usage in one chunk, then [DONE]", async () => {
    const blocks = await events("/v1/completions", { prompt: "Hello", max_tokens: 5, stream: true });
    const [finish, done] = blocks.slice(-2);
    assert.equal(parse(finish).choices[0].finish_reason, "length");
    assert.equal(parse(finish).choices[0].text, "");
    assert.equal(parse(finish).usage.completion_tokens, 5);
    assert.equal(done, "data: [DONE]");
  });

  test("with n: 2 each choice has a finish_reason and a usage of its own, before the other has ended", async () => {
    const body = { ...request, n: 2, stream_options: { include_usage: true } };
    const chunks = (await events("/v1/chat/completions", body)).slice(0, -1).map(parse);
    const finished = chunks.filter((chunk) => chunk.choices[0]?.finish_reason);
    assert.deepEqual(finished.map((chunk) => chunk.choices[0].index).sort(), [0, 1]);
    const usages = chunks.filter((chunk) => chunk.usage);
    assert.deepEqual(usages.map((chunk) => chunk.usage.completion_tokens), [5, 5]);
    assert.ok(chunks.indexOf(usages[0]) < chunks.indexOf(finished[1]));
  });

  test("a character is never cut between two chunks", async () => {
    const blocks = await events("/v1/chat/completions", { ...request, max_tokens: 40, ...saying("a😀é日b") });
    const pieces = blocks.slice(0, -1).map((block) => parse(block).choices[0].delta.content).filter(Boolean);
    assert.deepEqual(pieces, ["a", "😀", "é", "日", "b"]);
  });

  test("a wrong key is answered with 401 and JSON", async () => {
    const response = await fetch(`${server.url}/v1/models`, { headers: { authorization: "Bearer sk-mistyped" } });
    assert.equal(response.status, 401);
    assert.deepEqual(await response.json(), {
      error: { message: "Invalid API Key", type: "authentication_error", code: 401 },
    });
  });
});

/** The embedded server's wire formats, read with nothing but fetch. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { FAULTS } from "../../demo/server/catalogue.js";
import { huggingFace, openaiCompatible } from "../../demo/server/proxy.js";
import { PROVIDER_ROUTES } from "../../demo/server/router.js";
import { createServer } from "../../demo/server/server.js";
import { createEventWriter } from "../../demo/server/stream.js";

const MESSAGES = [{ role: "user", content: "How do the tides work in Brittany?" }];

/** @param {string} url @param {unknown} body @param {RequestInit} [init] */
const post = (url, body, init = {}) =>
  fetch(url, { method: "POST", body: JSON.stringify(body), ...init, headers: { "content-type": "application/json", ...init.headers } });

/** @param {Response} response @returns {Promise<string[]>} the data of each event */
async function events(response) {
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const text = await response.text();
  assert.ok(text.endsWith("\n\n"), "the last event is terminated");
  return text
    .trimEnd()
    .split("\n\n")
    .map((event) => event.replace(/^data: /, ""));
}

/** @param {string[]} data */
const parsed = (data) => data.filter((d) => d !== "[DONE]").map((d) => JSON.parse(d));
/** @param {any[]} chunks */
const contentOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");

describe("the embedded server", () => {
  const server = createServer({ pace: 0 });
  let url = "";
  let close = async () => {};
  before(async () => ({ url, close } = await server.listen()));
  after(() => close());
  const lastCall = () => /** @type {import("../../demo/server/exchange.js").Call} */ (server.calls.at(-1));

  describe("catalogue", () => {
    test("lists models with offers that differ, and faults of their own", async () => {
      const list = await (await fetch(`${url}/v1/models`)).json();
      assert.equal(list.object, "list");
      const guide = list.data.find((/** @type {any} */ m) => m.id === "demo/guide");
      const live = guide.providers.filter((/** @type {any} */ p) => p.status === "live");
      assert.ok(live.length >= 4);
      for (const field of ["throughput", "first_token_latency_ms"]) {
        assert.equal(new Set(live.map((/** @type {any} */ p) => p[field])).size, live.length, field);
      }
      assert.ok(live.every((/** @type {any} */ p) => p.pricing.input <= p.pricing.output && p.context_length > 0));
      assert.deepEqual(
        guide.providers.filter((/** @type {any} */ p) => p.status === "error"),
        [{ provider: "scaleway", status: "error", is_model_author: false }],
      );
      const faults = list.data.filter((/** @type {any} */ m) => m.providers[0].provider === "demo-faults").map((/** @type {any} */ m) => m.id);
      assert.deepEqual(faults, Object.keys(FAULTS));
      assert.ok(!list.data.some((/** @type {any} */ m) => m.id === "demo/storyteller"), "the router's list is about chat only");
      assert.deepEqual(await (await fetch(`${url}/v1/models/demo/guide`)).json(), guide);
    });

    test("an unknown model is not in the catalogue and not at the Hub", async () => {
      const one = await fetch(`${url}/v1/models/nobody/nothing`);
      assert.equal(one.status, 404);
      const lookup = await fetch(`${url}/api/models/nobody/nothing?expand[]=inferenceProviderMapping`);
      assert.equal(lookup.status, 404);
      assert.deepEqual(await lookup.json(), { error: "Repository not found" });
      assert.equal((await fetch(`${url}/api/models/%E0%A4%A?expand[]=inferenceProviderMapping`)).status, 404);
    });

    test("the mapping names each provider's own id for the model, escaped brackets or not", async () => {
      for (const query of ["expand[]=inferenceProviderMapping", "expand%5B%5D=inferenceProviderMapping"]) {
        const { id, inferenceProviderMapping } = await (await fetch(`${url}/api/models/demo/guide?${query}`)).json();
        assert.equal(id, "demo/guide");
        assert.deepEqual(inferenceProviderMapping["fireworks-ai"], {
          status: "live",
          providerId: "accounts/fireworks/models/guide",
          task: "conversational",
          isModelAuthor: false,
        });
      }
      const bare = await (await fetch(`${url}/api/models/demo/guide`)).json();
      assert.ok(!("inferenceProviderMapping" in bare));
    });
  });

  describe("automatic router", () => {
    for (const [suffix, provider] of [
      ["", "groq"],
      [":fastest", "groq"],
      [":cheapest", "hf-inference"],
      [":preferred", "together"],
      [":novita", "novita"],
    ]) {
      test(`"${suffix}" is answered by ${provider}`, async () => {
        const response = await post(`${url}/v1/chat/completions`, { model: `demo/guide${suffix}`, messages: MESSAGES });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("x-inference-provider"), provider);
        assert.equal(response.headers.get("x-request-id"), lastCall().requestId);
        assert.equal(lastCall().provider, provider);
      });
    }

    for (const model of ["demo/guide:auto", "demo/guide:cohere", "nobody/nothing", "demo/storyteller"]) {
      test(`${model} is not supported`, async () => {
        const response = await post(`${url}/v1/chat/completions`, { model, messages: MESSAGES });
        assert.equal(response.status, 400);
        const { error } = await response.json();
        assert.deepEqual([error.type, error.param, error.code], ["invalid_request_error", "model", "model_not_supported"]);
        if (model.endsWith(":auto")) assert.match(error.message, /'auto' is not a valid provider/);
        else assert.match(error.message, /^The requested model '/);
      });
    }

    test("a whole answer says that it comes from the embedded server", async () => {
      const response = await post(`${url}/v1/chat/completions`, { model: "demo/guide", messages: MESSAGES });
      const completion = await response.json();
      assert.equal(completion.object, "chat.completion");
      const [{ message, finish_reason }] = completion.choices;
      assert.equal(finish_reason, "stop");
      assert.match(message.content, /embedded/i);
      assert.match(message.content, /Brittany/);
      const { prompt_tokens, completion_tokens, total_tokens } = completion.usage;
      assert.ok(prompt_tokens > 5 && completion_tokens > 30);
      assert.equal(prompt_tokens + completion_tokens, total_tokens);
    });

    test("the same seed gives the same text, streamed or whole, and another seed another", async () => {
      const ask = async (/** @type {any} */ rest) => (await post(`${url}/v1/chat/completions`, { model: "demo/guide:novita", messages: MESSAGES, ...rest })).json();
      const whole = (await ask({ seed: 7 })).choices[0].message.content;
      assert.equal((await ask({ seed: 7 })).choices[0].message.content, whole);
      const response = await post(`${url}/v1/chat/completions`, { model: "demo/guide:groq", messages: MESSAGES, seed: 7, stream: true });
      assert.equal(contentOf(parsed(await events(response))), whole);
      const others = await Promise.all([8, 9, 10, 11].map((seed) => ask({ seed })));
      assert.ok(others.some((other) => other.choices[0].message.content !== whole));
    });

    test("usage comes in a chunk of its own, only when asked for", async () => {
      const stream = { model: "demo/thinker:deepinfra", messages: MESSAGES, stream: true };
      const asked = await events(await post(`${url}/v1/chat/completions`, { ...stream, stream_options: { include_usage: true } }));
      assert.equal(asked.at(-1), "[DONE]");
      const usageChunk = JSON.parse(/** @type {string} */ (asked.at(-2)));
      assert.deepEqual(usageChunk.choices, []);
      assert.equal(usageChunk.usage.completion_tokens, lastCall().tokensSent);
      assert.equal(JSON.parse(/** @type {string} */ (asked.at(-3))).choices[0].finish_reason, "stop");
      const silent = parsed(await events(await post(`${url}/v1/chat/completions`, stream)));
      assert.ok(silent.every((chunk) => chunk.usage == null));
    });

    test("max_tokens cuts the answer, and says so", async () => {
      for (const key of ["max_tokens", "max_completion_tokens"]) {
        const response = await post(`${url}/v1/chat/completions`, { model: "demo/guide:novita", messages: MESSAGES, [key]: 5 });
        const { choices, usage } = await response.json();
        assert.equal(choices[0].finish_reason, "length");
        assert.equal(usage.completion_tokens, 5);
      }
    });

    test("a stop sequence ends the answer before itself", async () => {
      const body = { model: "demo/guide:novita", messages: MESSAGES, seed: 7 };
      const whole = (await (await post(`${url}/v1/chat/completions`, body)).json()).choices[0].message.content;
      for (const stop of ["Brittany", ["never in there", "Brittany"]]) {
        const { choices } = await (await post(`${url}/v1/chat/completions`, { ...body, stop })).json();
        assert.equal(choices[0].message.content, whole.slice(0, whole.indexOf("Brittany")));
        assert.equal(choices[0].finish_reason, "stop");
      }
    });

    test("a tool is called when the question asks for it, and its result is taken up", async () => {
      const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
      const question = { role: "user", content: "What is the weather in Paris?" };
      const response = await post(`${url}/v1/chat/completions`, { model: "demo/guide:fireworks-ai", messages: [question], tools, stream: true });
      const chunks = parsed(await events(response));
      const deltas = chunks.flatMap((chunk) => chunk.choices[0]?.delta?.tool_calls ?? []);
      assert.equal(deltas[0].function.name, "get_weather");
      assert.deepEqual(JSON.parse(deltas.map((delta) => delta.function.arguments).join("")), { city: "Paris" });
      assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
      const toolCall = { id: deltas[0].id, type: "function", function: { name: "get_weather", arguments: '{"city":"Paris"}' } };
      const next = await post(`${url}/v1/chat/completions`, {
        model: "demo/guide:fireworks-ai",
        messages: [question, { role: "assistant", content: null, tool_calls: [toolCall] }, { role: "tool", tool_call_id: toolCall.id, content: "18 °C, drizzle" }],
        tools,
      });
      assert.match((await next.json()).choices[0].message.content, /18 °C, drizzle/);
    });

    test("what is not a request is refused with a reason", async () => {
      const bad = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: "{" });
      assert.equal(bad.status, 400);
      assert.match((await bad.json()).error.message, /not valid JSON/);
      assert.equal((await post(`${url}/v1/chat/completions`, { model: "demo/guide" })).status, 400);
      const large = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: new Uint8Array(17 * 1024 * 1024) });
      assert.equal(large.status, 413);
      const method = await fetch(`${url}/v1/chat/completions`);
      assert.equal(method.status, 405);
      assert.equal(method.headers.get("allow"), "POST");
      assert.equal((await post(`${url}/v1/nowhere`, {})).status, 404);
    });
  });

  describe("each provider's own routes", () => {
    for (const [provider, routes] of Object.entries(PROVIDER_ROUTES)) {
      for (const [task, path] of Object.entries(routes)) {
        test(`${provider} ${task}`, async () => {
          const wanted = task === "chat" ? "conversational" : "text-generation";
          const model = provider === "demo-faults" ? undefined : await modelServedBy(provider, wanted);
          if (provider === "demo-faults") {
            // Faults are for the automatic router; their provider is reachable all the same.
            assert.equal((await post(`${url}/demo-faults${path}`, { model: "demo/fails-402", messages: MESSAGES, prompt: "x" })).status, task === "chat" ? 402 : 404);
            return;
          }
          assert.ok(model, `some model is served by ${provider} for ${task}`);
          const target = `${url}/${provider}${path.replace("{id}", model)}`;
          const body = task === "chat" ? { model, messages: MESSAGES, max_tokens: 9, seed: 1 } : { model, prompt: "Once upon a time", max_tokens: 9, seed: 1 };
          const whole = await (await post(target, body)).json();
          const response = await post(target, { ...body, stream: true });
          assert.equal(response.headers.get("x-inference-provider"), provider);
          const data = await events(response);
          const chunks = parsed(data);
          const streamed =
            task === "chat"
              ? chunks.map((c) => c.choices[0]?.delta?.content ?? "").join("") + chunks.map((c) => c.choices[0]?.delta?.reasoning ?? c.choices[0]?.delta?.reasoning_content ?? "").join("")
              : chunks.map((c) => c.choices[0]?.text ?? "").join("");
          const { message, text } = whole.choices[0];
          assert.equal(streamed, text ?? (message.content ?? "") + (message.reasoning ?? message.reasoning_content ?? ""));
          assert.equal(whole.usage.completion_tokens, 9);
          assert.equal(chunks.findLast((c) => c.choices[0])?.choices[0].finish_reason, "length");
          assert.equal(data.at(-1) === "[DONE]", provider !== "cerebras");
          const wrong = await post(`${url}/${provider}${path.replace("{id}", "nobody/nothing")}`, { ...body, model: "nobody/nothing" });
          assert.equal(wrong.status, 404, "a name that is not this provider's is not found");
        });
      }
    }

    /** @param {string} provider @param {string} task */
    async function modelServedBy(provider, task) {
      if (provider === "openai") return "guide";
      for (const id of ["demo/guide", "demo/thinker", "demo/polyglot", "demo/storyteller"]) {
        const { inferenceProviderMapping: mapping } = await (await fetch(`${url}/api/models/${id}?expand[]=inferenceProviderMapping`)).json();
        if (mapping[provider]?.task === task && mapping[provider].status === "live") return mapping[provider].providerId;
      }
      return undefined;
    }

    test("an offer in status error is refused", async () => {
      assert.equal((await post(`${url}/scaleway/v1/chat/completions`, { model: "demo/guide", messages: MESSAGES })).status, 503);
    });

    test("the quirks of the recorded dialects are kept", async () => {
      const stream = async (/** @type {string} */ path, /** @type {string} */ model) =>
        post(`${url}${path}`, { model, messages: MESSAGES, stream: true, max_tokens: 400 });
      const together = await stream("/together/v1/chat/completions", "demo/guide-Turbo");
      assert.equal(together.headers.get("retry-after"), "2");
      const raw = await together.text();
      assert.match(raw, /"seed":9313781139405380000/);
      assert.match(raw, /"finish_reason":"eos"/);

      const groq = parsed(await events(await stream("/groq/openai/v1/chat/completions", "guide")));
      assert.ok(groq[0].x_groq.id && groq.at(-1).x_groq.usage.total_tokens === groq.at(-1).usage.total_tokens);

      const cerebras = parsed(await events(await stream("/cerebras/v1/chat/completions", "thinker")));
      assert.ok(cerebras.slice(0, -1).every((chunk) => !("finish_reason" in chunk.choices[0])));
      assert.ok(cerebras.some((chunk) => chunk.choices[0].delta.reasoning));

      const novita = parsed(await events(await stream("/novita/v3/openai/chat/completions", "demo/guide")));
      assert.ok(novita.at(-1).choices[0].delta.content && novita.at(-1).choices[0].finish_reason === "stop");
    });
  });

  describe("text generation inference", () => {
    const inputs = "The old lighthouse";

    test("/generate, / and the stream agree on the text", async () => {
      const parameters = { max_new_tokens: 30, seed: 4, details: true };
      const one = await (await post(`${url}/generate`, { inputs, parameters })).json();
      assert.equal(one.details.generated_tokens, 30);
      assert.equal(one.details.finish_reason, "length");
      assert.equal(one.details.tokens.map((/** @type {any} */ t) => t.text).join(""), one.generated_text);
      assert.deepEqual(await (await post(`${url}/`, { inputs, parameters })).json(), [one]);
      for (const [path, extra] of /** @type {const} */ ([["/generate_stream", {}], ["/", { stream: true }]])) {
        const response = await post(url + path, { inputs, parameters, ...extra });
        const all = parsed(await events(response));
        assert.equal(all.map((event) => event.token.text).join(""), one.generated_text);
        assert.deepEqual(all.map((event) => event.index), Array.from({ length: 30 }, (_, i) => i + 1));
        assert.ok(all.slice(0, -1).every((event) => event.generated_text === null && event.details === null));
        assert.equal(all.at(-1).generated_text, one.generated_text);
        assert.deepEqual(all.at(-1).details, { finish_reason: "length", generated_tokens: 30, seed: 4, input_length: all.at(-1).details.input_length });
      }
    });

    test("a stop sequence is kept, return_full_text puts the prompt before", async () => {
      const parameters = { max_new_tokens: 200, seed: 4, stop: ["."], details: true };
      const one = await (await post(`${url}/generate`, { inputs, parameters })).json();
      assert.ok(one.generated_text.endsWith(".") && one.generated_text.indexOf(".") === one.generated_text.length - 1);
      assert.equal(one.details.finish_reason, "stop_sequence");
      const full = await (await post(`${url}/generate`, { inputs, parameters: { ...parameters, return_full_text: true } })).json();
      assert.equal(full.generated_text, inputs + one.generated_text);
    });

    test("validation speaks as TGI does", async () => {
      const missing = await post(`${url}/generate`, {});
      assert.equal(missing.status, 422);
      assert.match(missing.headers.get("content-type") ?? "", /^text\/plain/);
      assert.match(await missing.text(), /^Failed to deserialize/);
      const bad = await post(`${url}/generate_stream`, { inputs, parameters: { best_of: 2 } });
      assert.equal(bad.status, 422);
      assert.equal((await bad.json()).error_type, "validation");
      assert.equal((await post(`${url}/generate`, { inputs, parameters: { max_new_tokens: 1e9 } })).status, 422);
    });

    test("/v1/completions, whole and streamed, and hf-inference's bare model URL", async () => {
      const body = { model: "tgi", prompt: inputs, max_tokens: 12, seed: 4 };
      const whole = await (await post(`${url}/v1/completions`, body)).json();
      assert.equal(whole.object, "text_completion");
      const response = await post(`${url}/v1/completions`, { ...body, stream: true, stream_options: { include_usage: true } });
      const chunks = parsed(await events(response));
      assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), whole.choices[0].text);
      assert.deepEqual(chunks.at(-1).usage, whole.usage);
      assert.deepEqual(chunks.at(-1).choices, []);
      const bare = await (await post(`${url}/hf-inference/models/demo/storyteller`, { inputs, parameters: { max_new_tokens: 12, seed: 4 } })).json();
      assert.deepEqual(bare, [{ generated_text: whole.choices[0].text }]);
    });
  });

  describe("faults", () => {
    const ask = (/** @type {string} */ model, stream = true) => post(`${url}/v1/chat/completions`, { model, messages: MESSAGES, stream });

    for (const [model, status, body] of /** @type {const} */ ([
      ["demo/fails-401", 401, /Invalid username or password/],
      ["demo/fails-402", 402, /depleted your monthly included credits/],
      ["demo/fails-429", 429, /Rate limit reached/],
      ["demo/fails-503", 503, /currently loading.*estimated_time/],
      ["demo/html-502", 502, /<!DOCTYPE html>/],
    ])) {
      test(model, async () => {
        const response = await ask(model);
        assert.equal(response.status, status);
        assert.equal(response.headers.get("retry-after"), status === 429 ? "7" : null);
        assert.match(response.headers.get("content-type") ?? "", status === 502 ? /html/ : /json/);
        assert.match(await response.text(), body);
      });
    }

    for (const stream of [true, false]) {
      test(`demo/breaks-mid-stream, ${stream ? "streamed" : "whole"}`, async () => {
        const response = await ask("demo/breaks-mid-stream", stream);
        assert.equal(response.status, 200);
        await assert.rejects(response.text(), TypeError);
        assert.equal(lastCall().aborted, false, "it was not the client who left");
      });
    }

    test("demo/ends-early", async () => {
      const data = await events(await ask("demo/ends-early"));
      assert.notEqual(data.at(-1), "[DONE]");
      assert.ok(contentOf(parsed(data)).length > 10);
      assert.ok(parsed(data).every((chunk) => chunk.choices[0].finish_reason === null));
      await assert.rejects(async () => (await ask("demo/ends-early", false)).json(), SyntaxError);
    });

    test("demo/error-in-stream", async () => {
      const data = await events(await ask("demo/error-in-stream"));
      assert.equal(data.at(-1), "[DONE]");
      assert.deepEqual(JSON.parse(/** @type {string} */ (data.at(-2))).error.http_status_code, 422);
    });

    test("demo/stalls, until the client has had enough", async () => {
      const leave = new AbortController();
      const response = await post(`${url}/v1/chat/completions`, { model: "demo/stalls", messages: MESSAGES, stream: true }, { signal: leave.signal });
      const call = lastCall();
      let text = "";
      await assert.rejects(async () => {
        for await (const part of /** @type {any} */ (response.body?.pipeThrough(new TextDecoderStream()))) {
          text += part;
          if (text.split("\n\n").length > 14) leave.abort();
        }
      }, { name: "AbortError" });
      await call.ended;
      assert.equal(call.aborted, true);
      assert.equal(call.tokensSent, 14);
    });
  });

  describe("across origins", () => {
    test("a preflight is answered for any origin and any header", async () => {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: "OPTIONS",
        headers: { origin: "https://page.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization,x-hf-bill-to" },
      });
      assert.equal(response.status, 204);
      assert.equal(response.headers.get("access-control-allow-origin"), "https://page.example");
      assert.equal(response.headers.get("access-control-allow-headers"), "authorization,x-hf-bill-to");
    });

    test("answers and refusals can be read, with their useful headers", async () => {
      for (const model of ["demo/guide", "demo/fails-429"]) {
        const response = await post(`${url}/v1/chat/completions`, { model, messages: MESSAGES }, { headers: { origin: "https://page.example" } });
        assert.equal(response.headers.get("access-control-allow-origin"), "https://page.example");
        const exposed = response.headers.get("access-control-expose-headers") ?? "";
        for (const name of ["x-request-id", "x-inference-provider", "retry-after"]) assert.ok(exposed.includes(name), name);
      }
    });

    test("no credential is kept in the record of calls", async () => {
      await post(`${url}/v1/chat/completions`, { model: "demo/guide", messages: MESSAGES }, { headers: { authorization: "Bearer hf_secret" } });
      assert.equal(lastCall().headers.authorization, "[redacted]");
      assert.ok(!JSON.stringify(server.calls).includes("hf_secret"));
    });
  });

  describe("files", () => {
    test("the page, with its policy", async () => {
      const response = await fetch(url);
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
      assert.match(response.headers.get("content-security-policy") ?? "", /script-src 'self' 'wasm-unsafe-eval';/);
      assert.equal(response.headers.get("cache-control"), "no-cache");
      assert.equal((await fetch(`${url}/page/style.css`)).headers.get("content-type"), "text/css; charset=utf-8");
    });

    for (const path of ["/page/../serve.js", "/page/%2e%2e/serve.js", "/page/..%2fserve.js", "/page/%5c..%5cserve.js", "/hf-inference-wasm/../package.json", "/hf-inference-wasm/..%2fpackage.json", "/page/%00.js", "/page//etc/passwd", "/page/.hidden.js", "/page/%zz.js"]) {
      test(`nothing outside: ${path}`, async () => {
        // fetch would tidy the path up before it is sent.
        const { port } = new URL(url);
        const request = http.get({ host: "127.0.0.1", port, path });
        const [response] = await once(request, "response");
        response.resume();
        assert.equal(response.statusCode, 404);
      });
    }
  });
});

describe("pace", () => {
  test("a client that leaves stops the text at once", async () => {
    const server = createServer({ pace: 2_000 });
    const { url, close } = await server.listen();
    try {
      const leave = new AbortController();
      const response = await post(
        `${url}/v1/completions`,
        { prompt: "On and on", max_tokens: 8_000, stream: true },
        { signal: leave.signal },
      );
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      await reader.read();
      leave.abort();
      const [call] = server.calls;
      await call.ended;
      assert.equal(call.aborted, true);
      assert.ok(call.tokensSent < 8_000);
      assert.equal(call.finishReason, undefined);
    } finally {
      await close();
    }
  });

  test("a reader who does not read holds the writer back", async () => {
    /** @type {(() => void)[]} */
    const taken = [];
    const slow = new Writable({ highWaterMark: 8, write: (_chunk, _encoding, done) => void taken.push(done) });
    const writer = createEventWriter(/** @type {any} */ (slow), new AbortController().signal);
    let settled = false;
    const sending = writer.send("more than eight bytes").then(() => (settled = true));
    await setImmediate();
    assert.equal(settled, false);
    taken[0]();
    await sending;

    const leave = new AbortController();
    const held = createEventWriter(/** @type {any} */ (slow), leave.signal).send("more than eight bytes");
    leave.abort(new Error("gone"));
    await assert.rejects(held, /gone/);
  });
});

describe("passing calls on", () => {
  /** A service that notes what it is sent, and streams until told to stop. */
  function createUpstream() {
    /** @type {{ url: string, headers: http.IncomingHttpHeaders, body: string, closed: Promise<void> }[]} */
    const seen = [];
    /** @type {http.ServerResponse[]} */
    const open = [];
    const upstream = http.createServer(async (request, response) => {
      let body = "";
      for await (const part of request.setEncoding("utf8")) body += part;
      const closed = new Promise((resolve) => response.once("close", () => resolve(undefined)));
      seen.push({ url: request.url ?? "", headers: request.headers, body, closed: /** @type {Promise<void>} */ (closed) });
      if (request.url?.includes("redirect")) return void response.writeHead(307, { location: "https://elsewhere.example/" }).end();
      response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "up-1", "x-inference-provider": "groq", "set-cookie": "a=b", "access-control-allow-origin": "*" });
      response.write("data: 1\n\n");
      open.push(response);
      if (request.url?.includes("short")) response.end();
    });
    return {
      seen,
      open,
      listen: async () => {
        upstream.listen(0, "127.0.0.1");
        await once(upstream, "listening");
        return `http://127.0.0.1:${/** @type {net.AddressInfo} */ (upstream.address()).port}`;
      },
      close: () => {
        upstream.close();
        upstream.closeAllConnections();
      },
    };
  }

  const upstream = createUpstream();
  /** @type {string[]} */
  const lines = [];
  let url = "";
  /** @type {ReturnType<typeof createServer>} */
  let server;
  let close = async () => {};
  before(async () => {
    const base = await upstream.listen();
    server = createServer({ upstream: huggingFace("hf_secret", { router: base, hub: `${base}/hub` }), log: (line) => lines.push(line) });
    ({ url, close } = await server.listen());
  });
  after(async () => {
    await close();
    upstream.close();
  });

  test("the key is added here, the page's own is dropped, and neither comes back", async () => {
    const response = await post(`${url}/groq/openai/v1/short?x=1`, { a: 1 }, { headers: { origin: url, authorization: "Bearer of-the-page", cookie: "c=1" } });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "data: 1\n\n");
    const { headers, body, url: path } = /** @type {any} */ (upstream.seen.at(-1));
    assert.equal(path, "/groq/openai/v1/short?x=1");
    assert.equal(headers.authorization, "Bearer hf_secret");
    assert.equal(headers.cookie, undefined);
    assert.equal(headers.origin, undefined);
    assert.equal(body, '{"a":1}');
    assert.equal(response.headers.get("x-inference-provider"), "groq");
    assert.equal(response.headers.get("set-cookie"), null);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
    assert.ok(!JSON.stringify([...response.headers]).includes("hf_secret"));
    await server.calls.at(-1)?.ended;
    assert.ok(!JSON.stringify([server.calls, lines]).includes("hf_secret"));
    assert.ok(!(await (await fetch(`${url}/demo/settings.json`)).text()).includes("hf_secret"));
  });

  test("the mapping lookup goes to the Hub, a path with two slashes stays a path", async () => {
    await (await fetch(`${url}/api/models/a/b-short?expand[]=x`, { headers: { origin: url } })).text();
    assert.equal(upstream.seen.at(-1)?.url, "/hub/api/models/a/b-short?expand[]=x");
    assert.equal((await fetch(`${url}//elsewhere.example/short`, { headers: { origin: url } })).status, 404);
    assert.equal((await fetch(`${url}/api/whoami-v2`, { headers: { origin: url } })).status, 404);
  });

  test("only for our own page", async () => {
    const before = upstream.seen.length;
    const { port } = new URL(url);
    const status = async (/** @type {Record<string, string>} */ headers, method = "POST") => {
      const request = http.request({ host: "127.0.0.1", port, path: "/v1/short", method, headers });
      request.end();
      const [response] = await once(request, "response");
      response.resume();
      assert.equal(response.headers["access-control-allow-origin"], undefined);
      return response.statusCode;
    };
    assert.equal(await status({ host: `127.0.0.1:${port}`, origin: "https://page.example" }), 403);
    assert.equal(await status({ host: `page.example:${port}`, origin: `http://page.example:${port}` }), 403, "DNS rebinding");
    assert.equal(await status({ host: `127.0.0.1:${port}`, origin: "null" }), 403);
    assert.equal(await status({ host: `127.0.0.1:${port}` }), 403, "no sign of being our page");
    assert.equal(await status({ host: `127.0.0.1:${port}`, "sec-fetch-site": "cross-site" }, "GET"), 403);
    assert.equal(await status({ host: `127.0.0.1:${port}`, origin: "https://page.example" }, "OPTIONS"), 403);
    assert.equal(upstream.seen.length, before, "none of these was passed on");
    assert.equal(await status({ host: `127.0.0.1:${port}`, "sec-fetch-site": "same-origin" }, "GET"), 200);
    assert.equal(await status({ host: `localhost:${port}`, origin: `http://localhost:${port}` }), 200);
  });

  test("a stream is not held back, and an abort goes through", async () => {
    const leave = new AbortController();
    const response = await post(`${url}/v1/endless`, {}, { headers: { origin: url }, signal: leave.signal });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const { value } = await reader.read();
    assert.equal(new TextDecoder().decode(value), "data: 1\n\n", "the first event arrives while the service is still sending");
    leave.abort();
    await upstream.seen.at(-1)?.closed;
    await server.calls.at(-1)?.ended;
    assert.equal(server.calls.at(-1)?.aborted, true);
  });

  test("a service that breaks off is seen as a cut, not as an end", async () => {
    const response = await post(`${url}/v1/endless`, {}, { headers: { origin: url } });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    await reader.read();
    upstream.open.at(-1)?.destroy();
    await assert.rejects(reader.read(), TypeError);
    assert.equal(server.calls.at(-1)?.aborted, false);
  });

  test("a redirect is not followed, a service out of reach is named", async () => {
    const redirect = await post(`${url}/v1/redirect`, {}, { headers: { origin: url } });
    assert.equal(redirect.status, 502);
    assert.equal(redirect.headers.get("location"), null);

    const unused = net.createServer().listen(0, "127.0.0.1");
    await once(unused, "listening");
    const { port } = /** @type {net.AddressInfo} */ (unused.address());
    unused.close();
    const lonely = createServer({ upstream: openaiCompatible(`http://127.0.0.1:${port}/v1`, "sk-secret") });
    const listening = await lonely.listen();
    const response = await fetch(`${listening.url}/v1/models`, { headers: { origin: listening.url } });
    assert.equal(response.status, 502);
    const { error } = await response.json();
    assert.match(error.message, /could not be reached \(ECONNREFUSED\)/);
    assert.ok(!error.message.includes("sk-secret"));
    await listening.close();
  });

  test("an OpenAI-compatible server's URL is taken with and without /v1", () => {
    for (const base of ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"]) {
      assert.equal(openaiCompatible(base).locate("/v1/models"), "http://h:1/v1/models");
    }
    assert.equal(openaiCompatible("https://h/sub/v1").locate("/v1/models"), "https://h/sub/v1/models");
    assert.throws(() => openaiCompatible("file:///etc"), TypeError);
  });
});

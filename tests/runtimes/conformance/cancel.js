import { collect, turns } from "./harness.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const prompt = { inputs: "Hello", model: "test-model" };

/** The server is asked: it goes on until somebody closes the connection, so an open one never counts as closed. */
async function expectClosed({ assert }, service, what) {
  const [request, ...others] = await service.closed();
  assert.equal(others.length, 0, `${what}: requests besides the first`);
  assert.equal(request.closedByClient, true, `${what}: the connection was closed by the client`);
}

class Thrown extends Error {}

/** @type {import("./harness.js").Check[]} */
export const cancelChecks = [
  ...Object.entries({
    "the chunks of create": async (client) => client.chat.completions.create({ ...question, stream: true }),
    "the chunks of chatCompletionStream": (client) => client.chatCompletionStream(question),
    textStream: (client) => client.chat.stream(question).textStream,
    events: (client) => client.chat.stream(question).events,
    "generation events": (client, service) => client.endpoint(`${service.url}/generate`).textGenerationStream(prompt),
    "generation events over completions": (client, service) => client.endpoint(`${service.url}/v1`).textGenerationStream(prompt),
    "generation textStream": (client, service) => client.endpoint(`${service.url}/generate`).textGenerationStream(prompt).textStream,
  }).map(([what, open]) => ({
    name: `cancel: break, return and throw in a loop over ${what} close the connection`,
    async run(tools) {
      const { scenario, client, assert } = tools;
      const leave = {
        async break(iterable) {
          let count = 0;
          for await (const _ of iterable) if (++count === 5) break;
          assert.equal(count, 5);
        },
        async return(iterable) {
          for await (const _ of iterable) return;
        },
        async throw(iterable) {
          const error = await assert.rejects(async () => {
            for await (const _ of iterable) throw new Thrown("in the loop");
          });
          assert.ok(error instanceof Thrown, `another error: ${error}`);
        },
      };
      for (const [how, run] of Object.entries(leave)) {
        const service = scenario("endless");
        await run(await open(client(service), service));
        await expectClosed(tools, service, how);
      }
    },
  })),
  {
    name: "cancel: the signal of the call closes the connection and its own reason is thrown",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const reasons = { default: undefined, "an Error": new Thrown("stop now"), "a string": "user", "an object": { why: 1 } };
      for (const [what, reason] of Object.entries(reasons)) {
        const service = scenario("endless");
        const controller = new AbortController();
        const stream = await client(service).chat.completions.create({ ...question, stream: true }, { signal: controller.signal });
        let count = 0;
        const error = await assert.rejects(async () => {
          for await (const _ of stream) if (++count === 3) reason === undefined ? controller.abort() : controller.abort(reason);
        });
        assert.equal(error, controller.signal.reason, what);
        if (reason === undefined) assert.equal(error.name, "AbortError");
        await expectClosed(tools, service, what);
        assert.equal(await assert.rejects(stream.next(), "iterating after the abort"), controller.signal.reason, what);
      }
    },
  },
  {
    name: "cancel: a signal aborted while a read is pending ends it",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const service = scenario("stall", { after: 2 });
      const controller = new AbortController();
      const stream = await client(service).chat.completions.create({ ...question, stream: true }, { signal: controller.signal });
      for (let count = 0; count < 3; count++) await stream.next();
      const pending = stream.next();
      setTimeout(() => controller.abort(), 0);
      assert.equal((await assert.rejects(pending)).name, "AbortError");
      await expectClosed(tools, service, "pending read");
    },
  },
  {
    name: "cancel: the signal of the client ends its calls",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const service = scenario("endless");
      const controller = new AbortController();
      const stream = client(service, { signal: controller.signal }).chatCompletionStream(question);
      const error = await assert.rejects(async () => {
        for await (const _ of stream) controller.abort();
      });
      assert.equal(error.name, "AbortError");
      await expectClosed(tools, service, "client's signal");
    },
  },
  {
    name: "cancel: abort() closes the connection; iterating and final() then throw its reason",
    async run(tools) {
      const { assert, scenario, client } = tools;
      for (const reason of [undefined, new Thrown("enough"), "words"]) {
        const service = scenario("endless");
        const answer = client(service).chat.stream(question);
        let count = 0;
        const error = await assert.rejects(async () => {
          for await (const _ of answer) if (++count === 3) reason === undefined ? answer.abort() : answer.abort(reason);
        });
        if (reason === undefined) assert.equal(error.name, "AbortError");
        else assert.equal(error, reason);
        assert.equal(await assert.rejects(answer.final()), error);
        assert.equal(await assert.rejects(answer.next()), error);
        await expectClosed(tools, service, String(reason));
        answer.abort("again does nothing");
      }
    },
  },
  {
    name: "cancel: abort() of a generation stream",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const service = scenario("endless");
      const stream = client(service).endpoint(`${service.url}/generate`).textGenerationStream(prompt);
      let count = 0;
      const error = await assert.rejects(async () => {
        for await (const _ of stream) if (++count === 3) stream.abort();
      });
      assert.equal(error.name, "AbortError");
      await expectClosed(tools, service, "abort()");
    },
  },
  {
    name: "cancel: final() of an answer that is aborted rejects with the reason",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const service = scenario("stall", { after: 2 });
      const answer = client(service).chat.stream(question);
      const final = assert.rejects(answer.final());
      await service.seen();
      answer.abort();
      assert.equal((await final).name, "AbortError");
      await expectClosed(tools, service, "final()");
    },
  },
  {
    name: "cancel: a signal aborted before the call: nothing is sent",
    async run({ assert, library, scenario }) {
      let calls = 0;
      const fetch = async () => {
        calls += 1;
        return new Response("");
      };
      const reason = new Thrown("too late");
      const signal = AbortSignal.abort(reason);
      const client = new library.InferenceClient({ baseUrl: scenario("ok").url, fetch });
      assert.equal(await assert.rejects(client.chatCompletion(question, { signal })), reason);
      assert.equal(await assert.rejects(client.chat.completions.create({ ...question, stream: true }, { signal })), reason);
      assert.equal(await assert.rejects(collect(client.chatCompletionStream(question, { signal }))), reason);
      assert.equal(await assert.rejects(client.chat.stream(question, { signal }).final()), reason);
      assert.equal(await assert.rejects(client.endpoint("https://h.example").textGeneration(prompt, { signal })), reason);
      assert.equal(calls, 0, "calls of fetch");
    },
  },
  {
    name: "cancel: while waiting for the headers",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const calls = {
        whole: (client, options) => client.chatCompletion(question, options),
        create: (client, options) => client.chat.completions.create({ ...question, stream: true }, options),
        stream: (client, options) => collect(client.chatCompletionStream(question, options)),
        final: (client, options) => client.chat.stream(question, options).final(),
      };
      for (const [what, call] of Object.entries(calls)) {
        const service = scenario("stall");
        const controller = new AbortController();
        const rejected = assert.rejects(call(client(service), { signal: controller.signal }));
        await service.seen();
        controller.abort();
        assert.equal(await rejected, controller.signal.reason, what);
        await expectClosed(tools, service, what);
      }
      const service = scenario("stall");
      const answer = client(service).chat.stream(question);
      const rejected = assert.rejects(answer.next());
      await service.seen();
      answer.abort();
      assert.equal((await rejected).name, "AbortError");
      await expectClosed(tools, service, "abort()");
    },
  },
  {
    name: "cancel: in the middle of a whole answer's body",
    async run({ assert, library, scenario }) {
      let cancelled = false;
      const fetch = async (_, init) => {
        const body = new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode("{\"id\":"));
            init?.signal?.addEventListener("abort", () => controller.error(init.signal.reason));
          },
          cancel() {
            cancelled = true;
          },
        });
        init?.signal?.addEventListener("abort", () => (cancelled = true));
        return new Response(body, { headers: { "content-type": "application/json" } });
      };
      const controller = new AbortController();
      const client = new library.InferenceClient({ baseUrl: scenario("ok").url, fetch });
      const rejected = assert.rejects(client.chatCompletion(question, { signal: controller.signal }));
      setTimeout(() => controller.abort(), 0);
      assert.equal(await rejected, controller.signal.reason);
      assert.ok(cancelled, "neither was the body cancelled nor the signal aborted");
    },
  },
  {
    name: "cancel: from within a function of the caller's that the call has just called",
    async run({ assert, scenario, client }) {
      const places = {
        accessToken: (abort) => ({ accessToken: () => (abort(), "token") }),
        "an accessToken that throws": (abort) => ({ accessToken: () => { throw abort(); } }),
        fetch: (abort) => ({ fetch: (...request) => (abort(), fetch(...request)) }),
        "a fetch that ignores its signal": (abort) => ({ fetch: async (url, { signal: _, ...init }) => (abort(), fetch(url, init)) }),
        shouldRetry: (abort) => ({ retry: { shouldRetry: () => (abort(), true) } }),
        onAttempt: (abort) => ({ onAttempt: abort }),
        onRetry: (abort) => ({ onRetry: abort, retry: { limit: 1 } }),
      };
      const reason = new Thrown("from within");
      for (const [place, options] of Object.entries(places)) {
        const controller = new AbortController();
        const service = scenario(place.endsWith("Retry") ? "error" : "ok", { tokens: 3, status: 503 });
        const answer = client(service).chat.stream(question, { ...options(() => controller.abort(reason)), signal: controller.signal });
        assert.equal(await assert.rejects(answer.final(), undefined, place), reason, place);
        assert.equal(typeof answer.trace.state, "string", place);
        assert.equal(answer.partial, undefined, place);
        await turns();
        assert.equal((await client(scenario("ok", { tokens: 3 })).chat.stream(question).final()).finishReason, "stop", place);
      }
    },
  },
  {
    name: "cancel: while the token function has not answered yet",
    async run({ assert, library, scenario }) {
      const controller = new AbortController();
      const client = new library.InferenceClient({ baseUrl: scenario("ok").url, accessToken: () => new Promise(() => {}) });
      const rejected = assert.rejects(client.chatCompletion(question, { signal: controller.signal }));
      setTimeout(() => controller.abort(), 0);
      assert.equal(await rejected, controller.signal.reason);
    },
  },
  {
    name: "cancel: cancelling the readable stream closes the connection",
    async run(tools) {
      const { scenario, client } = tools;
      const service = scenario("endless");
      const stream = await client(service).chat.completions.create({ ...question, stream: true });
      const reader = stream.toReadableStream().getReader();
      await reader.read();
      await reader.cancel("enough");
      await expectClosed(tools, service, "cancel()");
    },
  },
  {
    name: "cancel: one of two streams of a client, the other goes on",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const [first, second] = [scenario("endless"), scenario("endless")];
      const shared = client(first);
      const kept = shared.chatCompletionStream(question, { baseUrl: second.url });
      await kept.next();
      for await (const _ of shared.chatCompletionStream(question)) break;
      await expectClosed(tools, first, "the first");
      for (let count = 0; count < 5; count++) assert.equal((await kept.next()).done, false);
      assert.equal((await second.requests())[0].closed, false, "the second connection was closed too");
      await kept.return();
      await expectClosed(tools, second, "the second");
    },
  },
  {
    name: "cancel: a stream that nobody holds any more is closed when it is collected",
    // Only where the collector can be called.
    applies: () => typeof globalThis.gc === "function",
    async run({ assert, scenario, client }) {
      const service = scenario("endless");
      await (async () => void (await client(service).chatCompletionStream(question).next()))();
      let request;
      do {
        globalThis.gc();
        await turns();
        [request] = await service.requests();
      } while (!request.closed);
      assert.equal(request.closedByClient, true);
    },
  },
  {
    name: "cancel: a signal that outlives many calls keeps no listener of them",
    async run({ assert, scenario, client }) {
      const { signal } = new AbortController();
      let listeners = 0;
      signal.addEventListener = (...parameters) => {
        listeners += 1;
        AbortSignal.prototype.addEventListener.apply(signal, parameters);
      };
      signal.removeEventListener = (...parameters) => {
        listeners -= 1;
        AbortSignal.prototype.removeEventListener.apply(signal, parameters);
      };
      await client(scenario("ok")).chatCompletion(question, { signal });
      await client(scenario("ok"), { signal }).chat.stream(question).final();
      for await (const _ of client(scenario("endless")).chatCompletionStream(question, { signal })) break;
      await assert.rejects(client(scenario("error")).chatCompletion(question, { signal }));
      await assert.rejects(client(scenario("truncated")).chat.stream(question, { signal }).final());
      assert.equal(listeners, 0, "listeners left");
    },
  },
  {
    name: "cancel: an abort after the end changes nothing",
    async run({ assert, scenario, client }) {
      const controller = new AbortController();
      const answer = client(scenario("ok", { tokens: 3 })).chat.stream(question, { signal: controller.signal });
      const { text } = await answer.final();
      controller.abort();
      answer.abort();
      assert.equal((await answer.final()).text, text);
    },
  },
];

import * as wire from "../../server/wire.js";
import { collect, forEachCase, turns } from "./harness.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Is this secret?" }] };
const whole = wire.tokensOf().join("");
const create = (client) => client.chat.completions.create({ ...question, stream: true });

/** Every way to ask, as a function that gives the whole text. */
const ways = {
  "chatCompletion": async (client) => (await client.chatCompletion(question)).choices[0].message.content,
  "chat.stream": async (client) => (await client.chat.stream(question).final()).text,
  "completions.create": async (client) => (await collect(await create(client))).map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""),
  "textGeneration": async (client) => (await client.textGeneration({ model: "test-model", inputs: "Hello" })).generated_text,
};

/** Keeps what the listeners are told, each with its name. */
function listening() {
  const told = [];
  const listener = (name) => (event) => told.push([name, event]);
  const options = { onAttempt: listener("attempt"), onRetry: listener("retry"), onFallback: listener("fallback"), onStateChange: listener("state") };
  return { told, options, of: (name) => told.filter(([kind]) => kind === name).map(([, event]) => event) };
}

/** Resolves with the first notice of its kind. */
function first(name) {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { options: { [name]: resolve }, promise };
}

/** @type {import("./harness.js").Check[]} */
export const resilienceChecks = [
  {
    name: "resilience: what passes by itself is retried, with exactly as many requests",
    async run({ assert, scenario, client }) {
      const services = {
        "429 once": [{ status: 429, retryAfter: 0.02, first: 1 }, 2],
        "503 twice": [{ status: 503, retryAfter: 0.02, first: 2 }, 3],
        "504 once, with a page": [{ status: 504, shape: "html504", retryAfter: 0.02, first: 1 }, 2],
      };
      await forEachCase(services, async (_, [options, requests]) => {
        await forEachCase(ways, async (way, ask) => {
          const service = scenario("error", options);
          assert.equal(await ask(client(service, { retry: 2 })), whole, way);
          assert.equal((await service.closed(requests)).length, requests, way);
        });
      });
    },
  },
  {
    name: "resilience: a connection that is lost before the answer began is asked for again",
    async run({ assert, scenario, client }) {
      const services = { reset: {}, fin: { after: 0 } };
      await forEachCase(services, async (name, options) => {
        const service = scenario(name, { ...options, first: 1 });
        const answer = client(service, { retry: { limit: 1, backoffLimit: 1 } }).chat.stream(question);
        assert.equal((await collect(answer.textStream)).join(""), whole);
        assert.equal((await service.closed(2)).length, 2);
      });
    },
  },
  {
    name: "resilience: retry: false, a limit, statusCodes and shouldRetry have their say",
    async run({ assert, scenario, client }) {
      const cases = {
        "retry: false": [503, false, 1],
        "limit 0": [503, { limit: 0 }, 1],
        "limit 1": [503, { limit: 1, backoffLimit: 1 }, 2],
        "a refusal": [401, { limit: 2, backoffLimit: 1 }, 1],
        "own statuses, not this": [503, { statusCodes: [502], backoffLimit: 1 }, 1],
        "own statuses, this": [418, { limit: 1, statusCodes: [418], backoffLimit: 1 }, 2],
        "shouldRetry says no": [503, { shouldRetry: async ({ status }) => status !== 503 }, 1],
        "shouldRetry says yes": [401, { limit: 1, backoffLimit: 1, shouldRetry: ({ status }) => status === 401 }, 2],
        "shouldRetry has no opinion": [503, { limit: 1, backoffLimit: 1, shouldRetry: () => undefined }, 2],
      };
      await forEachCase(cases, async (_, [status, retry, requests]) => {
        const service = scenario("error", { status });
        const error = await assert.rejects(client(service, { retry }).chatCompletion(question));
        assert.equal(error.status, status);
        assert.equal((await service.closed(requests)).length, requests);
      });
    },
  },
  {
    name: "resilience: Retry-After is kept, never less; a longer one than allowed fails at once with retryAt",
    async run({ assert, scenario, client, library }) {
      const times = [];
      const service = scenario("error", { status: 429, retryAfter: 0.3, first: 1 });
      await client(service, { retry: 1, onAttempt: () => times.push(performance.now()) }).chatCompletion(question);
      // The clocks of browsers are coarse.
      assert.ok(times[1] - times[0] >= 295, `it came back after ${times[1] - times[0]} ms`);

      const longer = scenario("error", { status: 429, retryAfter: 90 });
      const before = Date.now();
      const error = await assert.rejects(client(longer, { retry: 2 }).chatCompletion(question));
      assert.ok(library.isRateLimitError(error), String(error));
      assert.ok(error.retryAt >= before + 89_000 && error.retryAt <= Date.now() + 91_000, `retryAt: ${error.retryAt - before}`);
      assert.equal((await longer.closed()).length, 1);
    },
  },
  {
    name: "resilience: a 429 holds back the other calls too",
    async run({ assert, scenario, client }) {
      const service = scenario("error", { status: 429, retryAfter: 90 });
      const shared = client(service);
      await assert.rejects(shared.chatCompletion(question));
      const error = await assert.rejects(shared.chatCompletion(question));
      assert.equal(error.name, "RateLimitError", String(error));
      assert.ok(error.retryAt > Date.now() + 60_000, "retryAt");
      assert.equal((await service.closed()).length, 1, "requests");
    },
  },
  {
    name: "resilience: fallbacks in their order, each with its own model",
    async run({ assert, scenario, client }) {
      const [broken, missing, good] = [scenario("error", { status: 500 }), scenario("error", { status: 404, shape: "openaiWithId" }), scenario("ok")];
      const { options, of } = listening();
      const fallbacks = [{ endpointUrl: `${missing.url}/v1` }, { endpointUrl: `${good.url}/v1`, model: "another-model" }];
      const answer = client(broken, { fallbacks, ...options }).chat.stream(question);
      const events = await collect(answer.events);
      assert.equal(events.filter(({ type }) => type === "text").map(({ text }) => text).join(""), whole);
      assert.deepEqual(events.filter(({ type }) => type === "fallback").map(({ error }) => error.status), [500, 404]);
      assert.deepEqual(of("fallback").map(({ error }) => error.name), ["ServerError", "NotFoundError"]);
      assert.equal(of("fallback")[1].to.model, "another-model");
      assert.equal((await broken.closed()).length, 1);
      const [request] = await good.closed();
      assert.equal(request.body.model, "another-model");
      assert.equal((await answer.final()).model, "another-model");
    },
  },
  {
    name: "resilience: a fallback gets no token that is not meant for it",
    async run({ assert, scenario, client }) {
      const [broken, own, none] = [scenario("error", { status: 500 }), scenario("error", { status: 500 }), scenario("ok")];
      const fallbacks = [{ endpointUrl: `${own.url}/v1`, accessToken: async () => "key-of-its-own" }, { endpointUrl: `${none.url}/v1` }];
      await client(broken, { accessToken: "hf_oauth_first", fallbacks }).chatCompletion(question);
      const [[first], [second], [third]] = [await broken.closed(), await own.closed(), await none.closed()];
      assert.ok(first.headers.authorization && second.headers.authorization, "the first two have a token");
      assert.ok(first.headers.authorization !== second.headers.authorization, "and each its own");
      assert.equal(third.headers.authorization, undefined, "the third has none");
    },
  },
  {
    name: "resilience: an answer that breaks off begins anew with restart, and its readers are told",
    async run({ assert, scenario, client }) {
      const service = scenario("truncated", { after: 4, first: 1 });
      const answer = client(service, { retry: { limit: 1, backoffLimit: 1 }, midStream: "restart" }).chat.stream(question);
      let shown = "";
      const types = new Set();
      for await (const event of answer.events) {
        types.add(event.type);
        if (event.type === "text") shown += event.text;
        if (event.type === "restart") {
          assert.equal(shown, wire.tokensOf({ tokens: 4 }).join(""), "what was shown before");
          shown = "";
        }
      }
      assert.deepEqual([...types], ["start", "text", "restart", "retry", "usage", "finish"], "types in order");
      assert.equal(shown, whole);
      assert.equal((await answer.final()).text, whole);
      assert.equal((await service.closed(2)).length, 2);
    },
  },
  {
    name: "resilience: an answer that breaks off goes on with continue, joined without doubling",
    async run({ assert, scenario, client }) {
      for (const overlap of [0, 2]) {
        const service = scenario("continuing", { after: 4, overlap });
        const answer = client(service, { retry: { limit: 1, backoffLimit: 1 }, midStream: "continue" }).chat.stream(question);
        assert.equal((await collect(answer.textStream)).join(""), whole, `overlap ${overlap}`);
        assert.equal((await answer.final()).text, whole, `overlap ${overlap}`);
        const [, request] = await service.closed(2);
        assert.deepEqual(request.body.messages.at(-1), { role: "assistant", content: wire.tokensOf({ tokens: 4 }).join("") });
      }
    },
  },
  {
    name: "resilience: without midStream a part is an error, and nothing is sent again",
    async run({ assert, scenario, client }) {
      const service = scenario("truncated", { after: 4, first: 1 });
      const error = await assert.rejects(collect(client(service, { retry: 2 }).chatCompletionStream(question)));
      assert.equal(error.name, "TruncatedError");
      assert.equal(error.partial.text, wire.tokensOf({ tokens: 4 }).join(""));
      assert.equal((await service.closed()).length, 1);
    },
  },
  {
    name: "resilience: hedge: the first to begin wins, and the loser's connection is closed",
    async run({ assert, scenario, client }) {
      for (const [name, options] of [["stall", {}], ["stall", { after: 0 }]]) {
        const service = scenario(name, { ...options, first: 1 });
        const answer = client(service, { hedge: { after: 30 } }).chat.stream(question);
        const final = await answer.final();
        assert.equal(final.text, whole);
        const requests = await service.closed(2);
        assert.equal(requests.length, 2);
        assert.equal(requests[0].closedByClient, true, "the loser's connection");
        assert.equal(requests[1].closedByClient, false, "the winner's connection");
        assert.deepEqual(final.trace.attempts.map(({ outcome }) => outcome), ["outpaced", "complete"]);
        assert.equal(final.trace.attempts[1].hedge, true);
      }
    },
  },
  {
    name: "resilience: limits.concurrency: the server never sees more at once, and everybody is served",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { echo: 1, pace: 1 });
      const shared = client(service, { limits: { concurrency: 2 } });
      const ids = Array.from({ length: 20 }, (_, id) => String(id));
      const ask = (id) => ({ model: "test-model", messages: [{ role: "user", content: id }] });
      const texts = await Promise.all(ids.map(async (id) => (await shared.chat.stream(ask(id)).final()).text));
      for (const id of ids) assert.equal(texts[id], wire.tokensOf({ id }).join(""));
      assert.equal((await service.closed(ids.length)).length, ids.length);
      assert.equal(await service.mostAtOnce(), 2);
    },
  },
  {
    name: "resilience: an abort in the queue ends the call at once, sends nothing, and keeps nobody waiting",
    async run({ assert, scenario, client }) {
      const service = scenario("endless");
      const shared = client(service, { limits: { concurrency: 1 } });
      const first = shared.chat.stream(question);
      await first.textStream[Symbol.asyncIterator]().next();
      const controllers = [new AbortController(), new AbortController()];
      const waiting = controllers.map(({ signal }) => shared.chatCompletion(question, { signal }));
      const last = shared.chat.stream(question);
      await turns();
      const reason = new Error("enough");
      for (const [index, controller] of controllers.entries()) {
        controller.abort(reason);
        assert.equal(await assert.rejects(waiting[index]), reason);
      }
      first.abort();
      await last.textStream[Symbol.asyncIterator]().next();
      last.abort();
      assert.equal((await service.closed(2)).length, 2, "requests");
    },
  },
  {
    name: "resilience: more than limits.queue are refused, without a request",
    async run({ assert, scenario, client, library }) {
      const service = scenario("endless");
      const shared = client(service, { limits: { concurrency: 1, queue: 1 } });
      const first = shared.chat.stream(question);
      await first.textStream[Symbol.asyncIterator]().next();
      const second = shared.chat.stream(question);
      await turns();
      const error = await assert.rejects(shared.chatCompletion(question));
      assert.ok(library.isQueueFullError(error), String(error));
      second.abort();
      first.abort();
      assert.equal((await service.closed()).length, 1);
    },
  },
  {
    name: "resilience: an abort while it backs off ends the call at once, and nothing more is sent",
    async run({ assert, scenario, client }) {
      for (const ask of [(client, signal) => client.chatCompletion(question, { signal }), (client, signal) => client.chat.stream(question, { signal }).final()]) {
        const service = scenario("error", { status: 503, retryAfter: 30 });
        const { options, promise } = first("onRetry");
        const controller = new AbortController();
        const answer = ask(client(service, { retry: 2, ...options }), controller.signal);
        answer.catch(() => {});
        const { delay } = await promise;
        assert.equal(delay, 30_000);
        const reason = new Error("enough");
        controller.abort(reason);
        assert.equal(await assert.rejects(answer), reason);
        await turns();
        assert.equal((await service.closed()).length, 1);
      }
    },
  },
  {
    name: "resilience: the listeners are told of attempts, retries and fallbacks in order",
    async run({ assert, scenario, client }) {
      const [broken, good] = [scenario("error", { status: 503, retryAfter: 0.01 }), scenario("ok")];
      const { told, options } = listening();
      const fallbacks = [{ endpointUrl: `${good.url}/v1` }];
      await client(broken, { retry: 1, fallbacks, ...options }).chatCompletion(question);
      assert.deepEqual(told.map(([name]) => name), ["attempt", "retry", "attempt", "fallback", "attempt"]);
      const [[, attempt], [, retry], , [, fallback], [, last]] = told;
      assert.deepEqual(attempt, { attempt: 1, provider: "auto", model: "test-model" });
      assert.equal(retry.attempt, 2);
      assert.equal(retry.delay, 10);
      assert.equal(retry.error.name, "ServerError");
      assert.equal(retry.error.status, 503);
      assert.equal(fallback.error.status, 503);
      assert.equal(last.attempt, 3);
      assert.equal(last.provider, "endpoint");
    },
  },
  {
    name: "resilience: a target that keeps failing is left alone, and a snapshot says so to the next client",
    async run({ assert, scenario, client, library }) {
      const service = scenario("error", { status: 500 });
      const { options, of } = listening();
      const own = { accessToken: "hf_oauth_secret", ...options };
      const shared = client(service, own);
      for (let call = 0; call < 5; call++) assert.equal((await assert.rejects(shared.chatCompletion(question))).name, "ServerError");
      const error = await assert.rejects(shared.chatCompletion(question));
      assert.ok(library.isCircuitOpenError(error), String(error));
      assert.ok(error.retryAt > Date.now(), "retryAt");
      assert.deepEqual(of("state").map(({ state }) => state), ["open"]);
      assert.includes(of("state")[0].target, service.url);

      const snapshot = await shared.snapshot();
      JSON.parse(snapshot);
      for (const secret of ["hf_oauth_secret", "Is this secret?"]) assert.excludes(snapshot, secret);
      const next = client(service, { ...own, snapshot });
      assert.ok(library.isCircuitOpenError(await assert.rejects(next.chatCompletion(question))), "the next client asks no more");
      assert.equal((await service.closed(5)).length, 5, "requests");
      // Whoever does not want it is not stopped.
      assert.equal((await assert.rejects(client(service, { snapshot, breaker: false }).chatCompletion(question))).name, "ServerError");
      assert.equal((await service.closed(6)).length, 6);
    },
  },
  {
    name: "resilience: the trace tells each attempt and can be logged; it holds no prompt, answer or secret",
    async run({ assert, scenario, client, library }) {
      const service = scenario("error", { status: 429, retryAfter: 0.02, first: 1 });
      const answer = client(service, { retry: 1, accessToken: "hf_oauth_secret" }).chat.stream(question);
      const { trace } = await answer.final();
      assert.equal(trace.state, "complete");
      assert.deepEqual(trace.attempts.map(({ status, outcome, verdict, delay }) => [status, outcome, verdict, delay]), [[429, "refused", "retry", 20], [200, "complete", undefined, undefined]]);
      for (const { queued, sent, headers, firstToken = headers, lastToken = firstToken, ended } of trace.attempts) {
        const times = [0, queued, sent, headers, firstToken, lastToken, ended];
        assert.deepEqual(times, [...times].sort((a, b) => a - b), "times in order");
      }
      const text = JSON.stringify(trace);
      for (const secret of ["hf_oauth_secret", "Is this secret?", "word1"]) assert.excludes(text, secret);
      assert.deepEqual(answer.trace, trace);
      assert.ok(/^complete in \d+ ms: \S+ refused 429, retry after 20 ms; \S+ complete \(first token \d+ ms\)$/.test(library.summary(trace)), library.summary(trace));
      const failed = await assert.rejects(client(scenario("error", { status: 401 })).chatCompletion(question));
      assert.equal(failed.trace.state, "failed");
      assert.equal(failed.trace.attempts[0].verdict, "fail");
    },
  },
  {
    // The whole of it takes minutes: tests/faults/waking.test.js has it on a virtual clock.
    name: "resilience: an endpoint that wakes from zero is waited for, beside the retries",
    async run({ assert, scenario, client }) {
      const service = scenario("error", { status: 503 });
      const { options, promise } = first("onRetry");
      const answer = client(service, { wakeTimeout: 30_000, ...options }).chat.stream(question);
      const { waking, delay, attempt, error } = await promise;
      assert.deepEqual([waking, attempt, error.status], [true, 2, 503]);
      assert.ok(delay >= 1_000 && delay <= 5_000, `delay: ${delay}`);
      assert.equal(answer.trace.attempts[0].verdict, "wake");
      answer.abort();
      assert.equal((await service.closed()).length, 1);
    },
  },
];

import * as wire from "../../server/wire.js";
import { collect, forEachCase, turns } from "./harness.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };

const classOfStatus = {
  400: "InputError", 401: "AuthenticationError", 402: "PaymentRequiredError", 403: "PermissionError", 404: "NotFoundError",
  405: "InputError", 408: "ServerError", 409: "ServerError", 410: "NotFoundError", 413: "InputError", 415: "InputError",
  418: "InputError", 422: "InputError", 424: "ServerError", 425: "ServerError", 429: "RateLimitError", 500: "ServerError",
  501: "ServerError", 502: "ServerError", 503: "ServerError", 504: "ServerError", 520: "ServerError", 529: "ServerError",
};
const retryable = [408, 409, 425, 429, 500, 502, 503, 504, 520, 529];

/** What holds for every error of the package. */
function expectError({ assert, library }, error, name, what) {
  assert.ok(error instanceof library.InferenceError, `${what}: not an InferenceError but ${error?.name}: ${error?.message}`);
  assert.ok(error instanceof Error, `${what}: not an Error`);
  assert.equal(error.name, name, `${what} (${error.message})`);
  assert.ok(error instanceof library[name], `${what}: not an instance of ${name}`);
  assert.equal(library[`is${name}`](error), true, `${what}: is${name}`);
  assert.equal(typeof error.code, "string", `${what}: code`);
  assert.equal(typeof error.retryable, "boolean", `${what}: retryable`);
  assert.ok(error.message.length > 10, `${what}: the message says nothing: "${error.message}"`);
  assert.ok(typeof error.stack === "string", `${what}: no stack`);
  for (const part of ["[object Object]", "undefined", "<html", "<!DOCTYPE", "<!doctype", "</"]) assert.excludes(error.message, part, what);
}

async function failureOf(tools, service, call = (client) => client.chatCompletion(question)) {
  return tools.assert.rejects(call(tools.client(service)));
}

const create = (client) => client.chat.completions.create({ ...question, stream: true });

/** @type {import("./harness.js").Check[]} */
export const errorChecks = [
  {
    name: "errors: every HTTP status has its class, whole and streamed",
    async run(tools) {
      const { assert, scenario } = tools;
      await forEachCase(classOfStatus, async (status, name) => {
        for (const [what, call] of Object.entries({ whole: undefined, streamed: create })) {
          const error = await failureOf(tools, scenario("error", { status, shape: "openai" }), call);
          expectError(tools, error, name, `${status} ${what}`);
          assert.equal(error.status, Number(status), what);
          // Chromium itself asks a second time after a 408.
          assert.ok(/^request-[12]$/.test(error.requestId), `${status} ${what}: requestId ${error.requestId}`);
          assert.equal(error.model, "test-model", `${status} ${what}: model`);
          assert.equal(error.retryable, retryable.includes(Number(status)), `${status} ${what}: retryable`);
          assert.includes(error.message, "The requested model 'X' is not supported", `${status} ${what}`);
        }
      });
    },
  },
  {
    name: "errors: every shape of an error body gives its words and no markup",
    async run(tools) {
      const { assert, scenario } = tools;
      await forEachCase(wire.errorShapes, async (shape, { status, text }) => {
        for (const call of [undefined, create]) {
          const error = await failureOf(tools, scenario("error", { shape }), call);
          expectError(tools, error, classOfStatus[status], shape);
          assert.equal(error.status, status, shape);
          if (text !== undefined) assert.includes(error.message, text, shape);
        }
      });
      const list = await failureOf(tools, scenario("error", { shape: "detailList" }));
      assert.includes(list.message, "messages", "the place of the mistake");
      const array = await failureOf(tools, scenario("error", { shape: "array" }));
      assert.includes(array.message, "Error in `parameters`: second");
    },
  },
  {
    name: "errors: chatCompletionStream throws an HTTP error at the first step, and textStream, events and final() too",
    async run(tools) {
      const { scenario, client, assert } = tools;
      const readers = {
        chunks: (answer) => answer.next(),
        textStream: (answer) => collect(answer.textStream),
        events: (answer) => collect(answer.events),
        final: (answer) => answer.final(),
        toReadableStream: (answer) => answer.toReadableStream().getReader().read(),
      };
      await forEachCase(readers, async (what, read) => {
        const answer = client(scenario("error", { shape: "permission" })).chat.stream(question);
        expectError(tools, await assert.rejects(read(answer)), "PermissionError", what);
      });
      const generation = client(scenario("ok")).endpoint(`${scenario("error", { shape: "tgi" }).url}/generate`).textGenerationStream({ inputs: "x" });
      expectError(tools, await assert.rejects(collect(generation)), "RateLimitError", "generation");
    },
  },
  {
    name: "errors: Retry-After of a 429 is told as retryAt",
    async run(tools) {
      const { assert, scenario } = tools;
      const before = Date.now();
      const error = await failureOf(tools, scenario("error", { shape: "tgi", retryAfter: 30 }));
      expectError(tools, error, "RateLimitError", "429");
      const retryAt = error.retryAt instanceof Date ? error.retryAt.getTime() : error.retryAt;
      assert.equal(typeof retryAt, "number", "retryAt");
      assert.ok(retryAt >= before + 29_000 && retryAt <= Date.now() + 31_000, `retryAt is ${retryAt - before} ms away`);
    },
  },
  {
    name: "errors: a page, a picture or nothing in place of an answer is an InvalidResponseError",
    async run(tools) {
      const { scenario } = tools;
      const wrong = {
        html: scenario("html"),
        picture: scenario("binary"),
        "empty event stream": scenario("empty"),
        "empty JSON": scenario("empty", { type: "json" }),
        "cut JSON": scenario("not-json"),
        "another JSON": scenario("other-json"),
      };
      await forEachCase(wrong, async (what, service) => {
        const whole = await failureOf(tools, service);
        expectError(tools, whole, "InvalidResponseError", `whole: ${what}`);
        const streamed = await failureOf(tools, service, async (client) => collect(await create(client)));
        // A body that ends before it began is also a truncated one.
        const name = what.startsWith("empty") && streamed.name === "TruncatedError" ? "TruncatedError" : "InvalidResponseError";
        expectError(tools, streamed, name, `streamed: ${what}`);
      });
    },
  },
  {
    name: "errors: an error object with status 200 in place of an answer gives its words",
    async run(tools) {
      const { assert, scenario } = tools;
      for (const call of [undefined, async (client) => collect(await create(client))]) {
        const error = await failureOf(tools, scenario("other-json", { body: "error" }), call);
        assert.ok(error instanceof tools.library.InferenceError, String(error));
        assert.includes(error.message, "Model too busy");
      }
    },
  },
  {
    name: "errors: nobody listens at the address",
    async run(tools) {
      const { assert, library } = tools;
      // Each call is to meet the closed port itself.
      const client = new library.InferenceClient({ baseUrl: "http://127.0.0.1:9", retry: false, breaker: false });
      for (const call of [() => client.chatCompletion(question), () => create(client), () => collect(client.chatCompletionStream(question))]) {
        const error = await assert.rejects(call());
        expectError(tools, error, "NetworkError", "closed port");
        assert.equal(error.status, undefined);
        assert.equal(error.retryable, true);
        assert.ok(error.cause !== undefined, "the runtime's own error is not the cause");
      }
    },
  },
  {
    name: "errors: the connection is reset before the headers",
    async run(tools) {
      expectError(tools, await failureOf(tools, tools.scenario("reset")), "NetworkError", "whole");
      expectError(tools, await failureOf(tools, tools.scenario("reset"), create), "NetworkError", "streamed");
    },
  },
  {
    name: "errors: a server that does not allow the page",
    applies: ({ page }) => page,
    async run(tools) {
      const error = await failureOf(tools, tools.scenario("ok", { cors: 0 }));
      expectError(tools, error, "NetworkError", "no CORS headers");
      tools.assert.includes(error.message, "CORS", "a person is told what it may be");
    },
  },
  ...Object.entries({
    "the connection is reset": ["reset", ["StreamInterruptedError", "TruncatedError"]],
    "the connection ends inside a chunk": ["fin", ["StreamInterruptedError", "TruncatedError"]],
    "the body ends without a finish reason": ["truncated", ["TruncatedError"]],
  }).map(([what, [name, classes]]) => ({
    name: `errors: ${what}: the answer is not complete, and what came is in partial`,
    async run(tools) {
      const { assert, scenario, client } = tools;
      const text = wire.tokensOf({ tokens: 5 }).join("");
      // A reset may overtake what was sent before it, so every reader first takes all of the text, then lets it happen.
      const readers = {
        events: async (answer, service) => {
          let received = "";
          for await (const event of answer.events) {
            if (event.type === "finish") throw new Error("a finish event came");
            if (event.type === "text") received += event.text;
            if (received === text) await service.go();
          }
        },
        chunks: async (answer, service) => {
          let received = "";
          for await (const chunk of answer) {
            received += chunk.choices[0]?.delta?.content ?? "";
            if (received === text) await service.go();
          }
        },
        textStream: async (answer, service) => {
          let received = "";
          for await (const part of answer.textStream) {
            received += part;
            if (received === text) await service.go();
          }
        },
        final: async (answer, service) => {
          let received = "";
          let final;
          const iteration = (async () => {
            for await (const part of answer.textStream) {
              received += part;
              if (received !== text) continue;
              final = assert.rejects(answer.final(), "final() resolved");
              await service.go();
            }
          })();
          await assert.rejects(iteration);
          throw await final;
        },
      };
      await forEachCase(readers, async (reader, read) => {
        const service = scenario(name, { after: 5, gate: 1 });
        const answer = client(service).chat.stream(question);
        const error = await assert.rejects(read(answer, service), `${reader} ended as if all were well`);
        expectError(tools, error, classes.includes(error.name) ? error.name : classes[0], reader);
        assert.equal(error.partial?.text, text, `${reader}: partial.text`);
        assert.deepEqual(error.partial?.toolCalls, [], `${reader}: partial.toolCalls`);
        assert.equal(await assert.rejects(answer.final()), error, `${reader}: final() afterwards`);
        // A second loop that simply ends would look like a complete answer.
        if (reader === "chunks") assert.equal(await assert.rejects(collect(answer), "a second loop ended as if all were well"), error);
      });
    },
  })),
  {
    name: "errors: an error object in the stream, in every shape, ends it with its words and what came before",
    async run(tools) {
      const { assert, scenario, client } = tools;
      await forEachCase(wire.streamErrors, async (shape, { message }) => {
        for (const done of [0, 1]) {
          const answer = client(scenario("stream-error", { shape, after: 4, done })).chat.stream(question);
          const error = await assert.rejects(collect(answer.events), `${shape}: the stream ended as if all were well`);
          assert.ok(error instanceof tools.library.InferenceError, `${shape}: ${error}`);
          expectError(tools, error, error.name, shape);
          assert.includes(error.message, message, shape);
          assert.equal(error.partial?.text, wire.tokensOf({ tokens: 4 }).join(""), `${shape}: partial.text`);
        }
      });
    },
  },
  {
    name: "errors: an error object before the first token",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const error = await assert.rejects(collect(client(scenario("stream-error", { shape: "tgiChat", after: 0 })).chatCompletionStream(question)));
      assert.ok(error instanceof tools.library.InferenceError, String(error));
      assert.includes(error.message, "CUDA out of memory");
    },
  },
  {
    name: "errors: error: null in a chunk is no error",
    async run({ assert, library }) {
      const chunks = wire.chatChunks({ tokens: 3 }).map((chunk) => ({ ...chunk, error: null }));
      const fetch = async () => new Response(wire.eventStream(chunks), { headers: { "content-type": "text/event-stream" } });
      const client = new library.InferenceClient({ baseUrl: "https://service.example", fetch });
      assert.deepEqual(await collect(client.chatCompletionStream(question)), chunks);
    },
  },
  {
    name: "errors: an event that is not JSON is an InvalidResponseError with what came before",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const text = wire.tokensOf({ tokens: 5 }).join("");
      const readers = {
        async chunks(answer, take) {
          for await (const chunk of answer) take(chunk.choices[0]?.delta?.content ?? "");
        },
        async textStream(answer, take) {
          for await (const part of answer.textStream) take(part);
        },
        async events(answer, take) {
          for await (const event of answer.events) if (event.type === "text") take(event.text);
        },
        async final(answer, take) {
          take(text);
          await answer.final();
        },
      };
      await forEachCase(readers, async (reader, read) => {
        let received = "";
        const answer = client(scenario("invalid-json", { after: 5 })).chat.stream(question);
        const error = await assert.rejects(read(answer, (part) => (received += part)));
        expectError(tools, error, "InvalidResponseError", reader);
        assert.equal(received, text, `${reader}: what was delivered`);
        assert.equal(error.partial?.text, text, `${reader}: partial.text`);
      });
    },
  },
  {
    name: "errors: malformed options: which one, and what was expected",
    async run(tools) {
      const { assert, library } = tools;
      const make = (options) => () => new library.InferenceClient(options).chatCompletion(question);
      const malformed = {
        accessToken: make({ accessToken: 42 }),
        provider: make({ provider: "no-such-provider", accessToken: "hf_oauth_a" }),
        endpointUrl: make({ endpointUrl: "not a url" }),
        baseUrl: make({ baseUrl: 7 }),
        billTo: make({ baseUrl: "https://h.example", billTo: {} }),
        headers: make({ baseUrl: "https://h.example", headers: "x" }),
        fetch: make({ baseUrl: "https://h.example", fetch: "x" }),
        signal: make({ baseUrl: "https://h.example", signal: {} }),
        model: make({ baseUrl: "https://h.example", model: 5 }),
        "timeout.stall": make({ baseUrl: "https://h.example", timeout: { stall: "soon" } }),
        "timeout.total": make({ baseUrl: "https://h.example", timeout: { total: -1 } }),
        messages: () => new library.InferenceClient({ baseUrl: "https://h.example" }).chatCompletion({ model: "m", messages: "Hello" }),
        inputs: () => new library.InferenceClient({ endpointUrl: "https://h.example" }).textGeneration({ inputs: 5 }),
      };
      await forEachCase(malformed, async (option, call) => {
        const error = await assert.rejects(async () => call(), `${option} was taken`);
        expectError(tools, error, "InputError", option);
        assert.equal(error.option, option);
        assert.ok(typeof error.expected === "string" && error.expected !== "", `${option}: expected`);
        assert.includes(error.message, option.split(".").at(-1), option);
        assert.equal(error.retryable, false);
      });
    },
  },
  {
    name: "errors: a provider and an endpoint at the same time contradict each other",
    async run(tools) {
      const { assert, library } = tools;
      const call = async () => new library.InferenceClient({ endpointUrl: "https://h.example", provider: "groq" }).chatCompletion(question);
      expectError(tools, await assert.rejects(call), "InputError", "both");
    },
  },
  {
    name: "errors: no model where one is needed",
    async run(tools) {
      const { assert, library } = tools;
      const call = async () => new library.InferenceClient({ accessToken: "hf_oauth_a", fetch: async () => Response.json({}) }).chatCompletion({ messages: question.messages });
      const error = await assert.rejects(call);
      expectError(tools, error, "InputError", "no model");
      assert.equal(error.option, "model");
    },
  },
  {
    name: "errors: no token where one is needed",
    async run(tools) {
      const { assert, library } = tools;
      let calls = 0;
      const fetch = async () => (calls++, Response.json({}));
      for (const accessToken of [undefined, "", () => undefined, async () => undefined]) {
        const error = await assert.rejects(async () => new library.InferenceClient({ accessToken, fetch }).chatCompletion(question));
        expectError(tools, error, "AuthenticationError", "no token");
        assert.equal(error.status, undefined);
      }
      assert.equal(calls, 0, "a request was sent without a token");
    },
  },
  {
    name: "errors: a user's token in a page is refused unless allowed; hf_oauth_ is fine",
    applies: ({ page }) => page,
    async run(tools) {
      const { assert, library, scenario } = tools;
      const token = "hf_0123456789abcdefghijklmnopqrstuvwx";
      const forms = { string: { accessToken: token }, function: { accessToken: async () => token } };
      await forEachCase(forms, async (form, options) => {
        const error = await assert.rejects(async () => new library.InferenceClient({ baseUrl: scenario("ok").url, ...options }).chatCompletion(question));
        expectError(tools, error, "InputError", form);
        assert.includes(error.message, "dangerouslyAllowBrowser", form);
        assert.excludes(error.message, token, form);
        await new library.InferenceClient({ baseUrl: scenario("ok").url, ...options, dangerouslyAllowBrowser: true }).chatCompletion(question);
      });
      await new library.InferenceClient({ baseUrl: scenario("ok").url, accessToken: "hf_oauth_abc" }).chatCompletion(question);
    },
  },
  {
    name: "errors: a user's token outside a page needs no permission",
    applies: ({ page }) => !page,
    async run({ library, scenario }) {
      await new library.InferenceClient({ baseUrl: scenario("ok").url, accessToken: "hf_0123456789abcdefghijklmnopqrstuvwx" }).chatCompletion(question);
    },
  },
  {
    name: "errors: no token in any error",
    async run(tools) {
      const { assert, library, scenario } = tools;
      const secret = "hf_oauth_very-secret-value";
      const services = [scenario("error", { shape: "string" }), scenario("html"), scenario("reset"), scenario("truncated"), scenario("not-json")];
      for (const service of services) {
        const client = new library.InferenceClient({ baseUrl: service.url, accessToken: secret });
        const error = await assert.rejects(async () => collect(await create(client)));
        for (const text of [error.message, String(error.stack), JSON.stringify(error), JSON.stringify(error.trace ?? null), String(error.cause)]) assert.excludes(text, "very-secret", service.url);
      }
    },
  },
  {
    name: "errors: a token with characters that no header can hold",
    async run(tools) {
      const { assert, library } = tools;
      for (const accessToken of ["hf_oauth_a\nb", "hf_oauth_日本"]) {
        const error = await assert.rejects(async () => new library.InferenceClient({ baseUrl: "https://h.example", accessToken }).chatCompletion(question));
        expectError(tools, error, "InputError", "token");
        assert.equal(error.option, "accessToken");
        assert.excludes(error.message, accessToken);
      }
    },
  },
  {
    name: "errors: a fetch that rejects with something that is no Error",
    async run(tools) {
      const { assert, library } = tools;
      for (const reason of ["words", undefined, null, 42, { code: 1 }]) {
        const client = new library.InferenceClient({ baseUrl: "https://h.example", fetch: () => Promise.reject(reason) });
        expectError(tools, await assert.rejects(client.chatCompletion(question)), "NetworkError", String(reason));
      }
      const throwing = new library.InferenceClient({ baseUrl: "https://h.example", fetch: () => { throw new TypeError("at once"); } });
      expectError(tools, await assert.rejects(throwing.chatCompletion(question)), "NetworkError", "thrown at once");
      const body = () => new ReadableStream({ pull: (controller) => controller.error("words") });
      const breaking = new library.InferenceClient({ baseUrl: "https://h.example", fetch: async () => new Response(body(), { headers: { "content-type": "text/event-stream" } }) });
      const error = await assert.rejects(collect(breaking.chatCompletionStream(question)));
      assert.ok(error instanceof library.InferenceError, String(error));
      // The client is as good as new after all of this.
      const fetch = async () => Response.json(wire.chatCompletion());
      assert.deepEqual(await new library.InferenceClient({ baseUrl: "https://h.example", fetch }).chatCompletion(question), wire.chatCompletion());
    },
  },
  {
    name: "errors: a stream that nobody reads causes no unhandled rejection",
    async run({ scenario, client }) {
      const failing = [scenario("error"), scenario("reset"), scenario("html")];
      for (const service of failing) client(service).chatCompletionStream(question);
      for (const service of failing) client(service).chat.stream(question).textStream;
      for (const service of failing) client(service).endpoint(service.url).textGenerationStream({ inputs: "x" });
      for (const name of ["reset", "truncated"]) {
        const service = scenario(name, { after: 3, gate: 1 });
        await create(client(service));
        await service.go();
        await service.closed();
      }
      // The harness fails the check when a rejection turns up.
      await turns(10);
    },
  },
];

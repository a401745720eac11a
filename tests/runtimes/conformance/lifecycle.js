import * as wire from "../../server/wire.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };

/** These come first: the module has not been loaded yet when they begin. @type {import("./harness.js").Check[]} */
export const lifecycleChecks = [
  {
    name: "lifecycle: the first calls, made at once and without init(), share one module",
    async run({ assert, scenario, client, library }) {
      const service = scenario("ok");
      const calls = [client(service).chatCompletion(question), library.init(), client(service).chatCompletion(question), library.init()];
      const [first, , second] = await Promise.all(calls);
      assert.deepEqual(first, wire.chatCompletion());
      assert.deepEqual(second, wire.chatCompletion());
    },
  },
  {
    name: "lifecycle: init() again does nothing, also with streams open",
    async run({ assert, scenario, client, library }) {
      const stream = client(scenario("ok", { tokens: 6, pace: 1 })).chatCompletionStream(question);
      let text = (await stream.next()).value.choices[0].delta.content;
      assert.equal(await library.init(), undefined);
      await library.init();
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
      assert.equal(text, wire.tokensOf({ tokens: 6 }).join(""));
    },
  },
  {
    name: "lifecycle: the names of the package",
    async run({ assert, library }) {
      for (const name of ["InferenceClient", "init"]) assert.equal(typeof library[name], "function", name);
      for (const name of ["Inference", "Input", "Authentication", "Permission", "PaymentRequired", "NotFound", "RateLimit", "Server", "Network", "Timeout", "StreamInterrupted", "Truncated", "InvalidResponse", "ResponseTooLarge", "Internal"]) {
        assert.equal(typeof library[`${name}Error`], "function", `${name}Error`);
        assert.equal(typeof library[`is${name}Error`], "function", `is${name}Error`);
      }
      assert.equal(library.isInferenceError(new Error("x")), false);
      assert.equal(library.isRateLimitError(undefined), false);
    },
  },
  {
    name: "lifecycle: new InferenceClient(token, options) and new InferenceClient(options), synchronously",
    async run({ assert, scenario, library }) {
      const service = scenario("ok");
      const byToken = new library.InferenceClient("hf_oauth_a", { baseUrl: service.url });
      const byOptions = new library.InferenceClient({ baseUrl: service.url, accessToken: "hf_oauth_a" });
      assert.deepEqual(await byToken.chatCompletion(question), await byOptions.chatCompletion(question));
      const [one, two] = await service.closed(2);
      assert.equal(one.headers.authorization, two.headers.authorization);
    },
  },
  {
    name: "lifecycle: a client shows no token when it is printed",
    async run({ assert, library }) {
      const client = new library.InferenceClient({ accessToken: "hf_oauth_very-secret" });
      assert.excludes(JSON.stringify(client), "very-secret");
      assert.excludes(String(client), "very-secret");
    },
  },
];

import * as wire from "../../server/wire.js";
import { forEachCase } from "./harness.js";

const question = { model: "org/model", messages: [{ role: "user", content: "Hello" }] };
const prompt = { inputs: "Hello" };
const userToken = "hf_0123456789abcdefghijklmnopqrstuvwx";

/** A `fetch` that goes nowhere: it keeps what it was called with and answers as the services would. */
function recorder() {
  const calls = [];
  const fetch = async (input, init = {}) => {
    const request = input instanceof Request ? input : undefined;
    const url = request ? request.url : String(input);
    const headers = new Headers(request ? request.headers : undefined);
    for (const [name, value] of new Headers(init.headers ?? {})) headers.set(name, value);
    const bodyText = init.body !== undefined && init.body !== null ? await new Response(init.body).text() : request ? await request.clone().text() : "";
    const body = bodyText === "" ? undefined : JSON.parse(bodyText);
    calls.push({ url, method: init.method ?? request?.method ?? "GET", headers, body, bodyText, redirect: init.redirect ?? request?.redirect });
    const { pathname } = new URL(url);
    if (pathname.startsWith("/api/models/")) {
      return Response.json({
        id: "org/model",
        inferenceProviderMapping: {
          groq: { status: "live", providerId: "groq-name", task: "conversational" },
          cohere: { status: "live", providerId: "cohere-name", task: "conversational" },
          "fireworks-ai": { status: "live", providerId: "accounts/fireworks/models/name", task: "conversational" },
          "hf-inference": { status: "live", providerId: "org/model", task: "conversational" },
          "featherless-ai": { status: "live", providerId: "featherless-name", task: "text-generation" },
        },
      });
    }
    if (pathname.endsWith("/chat/completions")) return Response.json(wire.chatCompletion());
    if (pathname.endsWith("/completions")) return Response.json(wire.completion());
    return Response.json(pathname.endsWith("/generate") ? wire.generation() : [wire.generation()]);
  };
  return { fetch, calls, posted: () => calls.filter(({ method }) => method === "POST") };
}

/** Runs one call against a recorder. @returns {Promise<any>} the request that was posted */
async function posted(library, options, call) {
  const { fetch, posted } = recorder();
  await call(new library.InferenceClient({ dangerouslyAllowBrowser: true, ...options, fetch }));
  return posted().at(-1);
}

const chat = (client) => client.chatCompletion(question);

/** @type {import("./harness.js").Check[]} */
export const requestChecks = [
  {
    name: "requests: the automatic router",
    async run({ assert, library }) {
      const request = await posted(library, { accessToken: userToken }, chat);
      assert.equal(request.url, "https://router.huggingface.co/v1/chat/completions");
      assert.equal(request.headers.get("authorization"), `Bearer ${userToken}`);
      assert.includes(request.headers.get("content-type"), "application/json");
      assert.equal(request.body.model, "org/model");
      assert.ok(request.bodyText.startsWith("{\"model\":"), "model is not the first key of the body");
    },
  },
  {
    name: "requests: a provider named as a suffix of the model stays in the model",
    async run({ assert, library }) {
      const request = await posted(library, { accessToken: userToken }, (client) => client.chatCompletion({ ...question, model: "org/model:cheapest" }));
      assert.equal(request.url, "https://router.huggingface.co/v1/chat/completions");
      assert.equal(request.body.model, "org/model:cheapest");
    },
  },
  {
    name: "requests: a named provider goes through the router with the provider's own name for the model",
    async run({ assert, library }) {
      const table = {
        groq: ["https://router.huggingface.co/groq/openai/v1/chat/completions", "groq-name"],
        cohere: ["https://router.huggingface.co/cohere/compatibility/v1/chat/completions", "cohere-name"],
        "fireworks-ai": ["https://router.huggingface.co/fireworks-ai/inference/v1/chat/completions", "accounts/fireworks/models/name"],
        "hf-inference": ["https://router.huggingface.co/hf-inference/models/org/model/v1/chat/completions", "org/model"],
      };
      await forEachCase(table, async (provider, [url, model]) => {
        const { fetch, calls } = recorder();
        await new library.InferenceClient({ accessToken: userToken, provider, fetch, dangerouslyAllowBrowser: true }).chatCompletion(question);
        assert.deepEqual(calls.map(({ method, url }) => [method, decodeURI(url)]), [
          ["GET", "https://huggingface.co/api/models/org/model?expand[]=inferenceProviderMapping"],
          ["POST", url],
        ]);
        assert.equal(calls[1].body.model, model, provider);
        assert.equal(calls[1].headers.get("authorization"), `Bearer ${userToken}`, provider);
      });
    },
  },
  {
    name: "requests: a model that the provider does not offer: said before anything is sent",
    async run({ assert, library, scenario }) {
      const cases = {
        "the Hub does not know the model": [{ shape: "missing" }, "groq"],
        "no provider offers it": [{ shape: "none" }, "groq"],
        "another provider offers it": [{}, "cohere"],
        "the provider offers it for another task": [{}, "featherless-ai"],
      };
      await forEachCase(cases, async (_, [shape, provider]) => {
        const [hub, router] = [scenario("hub", shape), scenario("ok")];
        const client = new library.InferenceClient({ hubUrl: hub.url, baseUrl: router.url, provider, accessToken: "hf_oauth_a" });
        const error = await assert.rejects(client.chatCompletion(question));
        assert.ok(error instanceof library.InputError || error instanceof library.NotFoundError, `${error.name}: ${error.message}`);
        assert.includes(error.message, "org/model");
        assert.equal((await hub.requests()).length, 1, "lookups");
        assert.equal((await router.requests()).length, 0, "requests to the router");
      });
    },
  },
  {
    name: "requests: text generation through a named provider",
    async run({ assert, library }) {
      const request = await posted(library, { accessToken: userToken, provider: "featherless-ai" }, (client) => client.textGeneration({ ...prompt, model: "org/model" }));
      assert.equal(request.url, "https://router.huggingface.co/featherless-ai/v1/completions");
      assert.equal(request.body.model, "featherless-name");
      assert.equal(request.body.prompt, "Hello");
    },
  },
  {
    name: "requests: a provider's own key goes to the provider's own host, and only there",
    async run({ assert, library }) {
      const { fetch, calls } = recorder();
      await new library.InferenceClient({ accessToken: "gsk_secret", provider: "groq", fetch, dangerouslyAllowBrowser: true }).chatCompletion(question);
      const requests = calls.filter(({ method }) => method === "POST");
      assert.equal(requests.length, 1);
      assert.equal(requests[0].url, "https://api.groq.com/openai/v1/chat/completions");
      assert.equal(requests[0].headers.get("authorization"), "Bearer gsk_secret");
      for (const { url, headers } of calls) {
        if (new URL(url).host !== "api.groq.com") assert.equal(headers.get("authorization"), null, `the provider's key was sent to ${url}`);
      }
    },
  },
  {
    name: "requests: chat URLs of endpoints: host, /v1, full path, sub-path, query string",
    async run({ assert, library }) {
      const table = {
        "https://h.example": "https://h.example/v1/chat/completions",
        "https://h.example/": "https://h.example/v1/chat/completions",
        "https://h.example/v1": "https://h.example/v1/chat/completions",
        "https://h.example/v1/": "https://h.example/v1/chat/completions",
        "https://h.example/v1/chat/completions": "https://h.example/v1/chat/completions",
        "https://h.example/v1/chat/completions/": "https://h.example/v1/chat/completions",
        "https://h.example/foo": "https://h.example/foo/v1/chat/completions",
        "https://h.example/foo/": "https://h.example/foo/v1/chat/completions",
        "https://h.example/foo/v1": "https://h.example/foo/v1/chat/completions",
        "https://h.example/foo/chat/completions": "https://h.example/foo/chat/completions",
        "https://h.example?x=1": "https://h.example/v1/chat/completions?x=1",
        "https://h.example/?x=1": "https://h.example/v1/chat/completions?x=1",
        "https://h.example/v1?x=1&y=/v1": "https://h.example/v1/chat/completions?x=1&y=/v1",
        "https://h.example/v1/?x=1": "https://h.example/v1/chat/completions?x=1",
        "https://h.example/v1/chat/completions?api-version=2": "https://h.example/v1/chat/completions?api-version=2",
        "https://h.example/foo?x=1#part": "https://h.example/foo/v1/chat/completions?x=1",
        "http://127.0.0.1:8080/v1": "http://127.0.0.1:8080/v1/chat/completions",
      };
      await forEachCase(table, async (given, expected) => {
        const { url } = await posted(library, {}, (client) => client.endpoint(given).chatCompletion(question));
        assert.equal(url, expected, given);
        const asOption = await posted(library, { endpointUrl: given }, chat);
        assert.equal(asOption.url, expected, `endpointUrl: ${given}`);
      });
      const perCall = await posted(library, {}, (client) => client.chatCompletion({ ...question, endpointUrl: "https://h.example/v1" }));
      assert.equal(perCall.url, "https://h.example/v1/chat/completions");
      assert.ok(!("endpointUrl" in perCall.body), "endpointUrl was sent in the body");
    },
  },
  {
    name: "requests: generation URLs of endpoints",
    async run({ assert, library }) {
      const table = {
        "https://h.example/v1": "https://h.example/v1/completions",
        "https://h.example/v1/": "https://h.example/v1/completions",
        "https://h.example/v1/completions": "https://h.example/v1/completions",
        "https://h.example/v1/chat/completions": "https://h.example/v1/completions",
        "https://h.example/foo/v1?x=1": "https://h.example/foo/v1/completions?x=1",
        "https://h.example/generate": "https://h.example/generate",
        "https://h.example/foo/generate?x=1": "https://h.example/foo/generate?x=1",
        "https://h.example/generate_stream": "https://h.example/generate",
      };
      await forEachCase(table, async (given, expected) => {
        const { url } = await posted(library, {}, (client) => client.endpoint(given).textGeneration(prompt));
        assert.equal(url, expected, given);
      });
    },
  },
  {
    name: "requests: an endpoint needs no lookup and no token",
    async run({ assert, library }) {
      const { fetch, calls } = recorder();
      await new library.InferenceClient({ fetch }).endpoint("https://h.example").chatCompletion({ messages: question.messages });
      assert.equal(calls.length, 1);
      assert.equal(calls[0].headers.get("authorization"), null);
    },
  },
  {
    name: "requests: baseUrl with and without /v1 stands in for the router",
    async run({ assert, library }) {
      for (const baseUrl of ["https://proxy.example", "https://proxy.example/", "https://proxy.example/v1", "https://proxy.example/v1/"]) {
        const plain = await posted(library, { baseUrl }, chat);
        assert.equal(plain.url, "https://proxy.example/v1/chat/completions", baseUrl);
        assert.equal(plain.headers.get("authorization"), null, "a token came from nowhere");
        const named = await posted(library, { baseUrl, accessToken: userToken, provider: "groq" }, chat);
        assert.equal(named.url, "https://proxy.example/groq/openai/v1/chat/completions", baseUrl);
        assert.equal(named.headers.get("authorization"), `Bearer ${userToken}`);
      }
      const below = await posted(library, { baseUrl: "https://proxy.example/api/llm" }, chat);
      assert.equal(below.url, "https://proxy.example/api/llm/v1/chat/completions");
    },
  },
  {
    name: "requests: hubUrl stands in for the Hub",
    async run({ assert, library }) {
      const { fetch, calls } = recorder();
      const options = { fetch, accessToken: userToken, provider: "groq", hubUrl: "https://hub.example/", baseUrl: "https://proxy.example", dangerouslyAllowBrowser: true };
      await new library.InferenceClient(options).chatCompletion(question);
      assert.equal(decodeURI(calls[0].url), "https://hub.example/api/models/org/model?expand[]=inferenceProviderMapping");
    },
  },
  {
    name: "requests: the token as string, as function, as async function, as first argument, per call",
    async run({ assert, library }) {
      let asked = 0;
      const forms = {
        string: { accessToken: "hf_oauth_a" },
        function: { accessToken: () => "hf_oauth_a" },
        "async function": { accessToken: async () => (asked++, "hf_oauth_a") },
      };
      for (const [form, options] of Object.entries(forms)) {
        const { headers } = await posted(library, options, chat);
        assert.equal(headers.get("authorization"), "Bearer hf_oauth_a", form);
      }
      assert.equal(asked, 1, "calls of the token function");
      const { fetch, posted: requests } = recorder();
      const client = new library.InferenceClient("hf_oauth_first", { fetch });
      await client.chatCompletion(question);
      await client.chatCompletion(question, { accessToken: "hf_oauth_second" });
      await client.chatCompletion({ ...question, accessToken: "hf_oauth_third" });
      assert.deepEqual(requests().map(({ headers }) => headers.get("authorization")), ["Bearer hf_oauth_first", "Bearer hf_oauth_second", "Bearer hf_oauth_third"]);
      assert.ok(!("accessToken" in requests()[2].body), "the token was sent in the body");
    },
  },
  {
    name: "requests: a token function that fails rejects the call with its error as the cause",
    async run({ assert, library }) {
      const { fetch, calls } = recorder();
      const reason = new Error("keychain is locked");
      const client = new library.InferenceClient({ fetch, accessToken: async () => { throw reason; } });
      const error = await assert.rejects(client.chatCompletion(question));
      assert.ok(error === reason || error.cause === reason, `the reason was lost: ${error}`);
      assert.equal(calls.length, 0);
    },
  },
  {
    name: "requests: headers, billTo, and what may not be set",
    async run({ assert, library }) {
      const { headers } = await posted(library, { accessToken: "hf_oauth_a", headers: { "X-Custom": "one" }, billTo: "my-org" }, chat);
      assert.equal(headers.get("x-custom"), "one");
      assert.equal(headers.get("x-hf-bill-to"), "my-org");
      assert.equal(headers.get("user-agent"), null, "user-agent makes browsers ask for permission");
      const asHeaders = await posted(library, { accessToken: "hf_oauth_a", headers: new Headers({ "x-custom": "two" }) }, chat);
      assert.equal(asHeaders.headers.get("x-custom"), "two");
      const asList = await posted(library, { accessToken: "hf_oauth_a", headers: [["x-custom", "three"]] }, chat);
      assert.equal(asList.headers.get("x-custom"), "three");
      const perCall = await posted(library, { accessToken: "hf_oauth_a", headers: { "x-custom": "one", "x-other": "kept" } }, (client) => client.chatCompletion(question, { headers: { "x-custom": "four" } }));
      assert.equal(perCall.headers.get("x-custom"), "four");
      assert.equal(perCall.headers.get("x-other"), "kept");
    },
  },
  {
    name: "requests: the body arrives as given, with unknown keys, without undefined, and stream set",
    async run({ assert, scenario, client }) {
      const service = scenario("ok");
      const extra = { top_k: 5, chat_template_kwargs: { thinking: false }, stop: ["a\u2028\"b"], nothing: null, big: 12345678901234567000 };
      const messages = [{ role: "user", content: [{ type: "text", text: "Grüße 👋" }] }];
      await client(service).chatCompletion({ model: "m", messages, ...extra, temperature: undefined });
      await client(service).chatCompletionStream({ model: "m", messages, ...extra }).final();
      const [whole, streamed] = await service.closed(2);
      for (const { body, bodyText, method, headers } of [whole, streamed]) {
        assert.equal(method, "POST");
        assert.includes(headers["content-type"], "application/json");
        assert.ok(bodyText.startsWith("{\"model\":"), "model is not the first key");
        assert.deepEqual(body.messages, messages);
        for (const [key, value] of Object.entries(extra)) assert.deepEqual(body[key], value, key);
        assert.ok(!("temperature" in body), "an undefined value was sent");
      }
      assert.equal(streamed.body.stream, true);
    },
  },
  {
    name: "requests: the default model of the client, and the model of the call",
    async run({ assert, library }) {
      const { fetch, posted: requests } = recorder();
      const client = new library.InferenceClient({ fetch, accessToken: "hf_oauth_a", model: "default/model" });
      await client.chatCompletion({ messages: question.messages });
      await client.chatCompletion(question);
      assert.deepEqual(requests().map(({ body }) => body.model), ["default/model", "org/model"]);
    },
  },
  {
    name: "requests: a page asks only for the headers it needs to send",
    applies: ({ page }) => page,
    async run({ assert, scenario, library }) {
      const service = scenario("ok");
      await new library.InferenceClient({ baseUrl: service.url, accessToken: "hf_oauth_a" }).chatCompletion(question);
      const preflights = await service.preflights();
      assert.equal(preflights.length, 1);
      const asked = preflights[0].headers["access-control-request-headers"].split(",").map((name) => name.trim()).sort();
      assert.deepEqual(asked, ["authorization", "content-type"]);
    },
  },
  {
    name: "requests: a redirect to another origin does not take the token along",
    async run({ assert, scenario, library }) {
      for (const status of [307, 308, 302]) {
        const service = scenario("redirect", { status });
        const client = new library.InferenceClient({ baseUrl: service.url, accessToken: "hf_oauth_secret" });
        // Whether a redirect is followed or refused is the client's choice; that the token stays at home is not.
        await client.chatCompletion(question).catch((error) => assert.ok(error instanceof library.InferenceError, String(error)));
        const requests = await service.closed();
        assert.equal(requests[0].origin, "first");
        assert.ok(requests[0].headers.authorization, "the first origin got no token");
        for (const { origin, headers } of requests.slice(1)) {
          assert.equal(origin, "other");
          assert.equal(headers.authorization, undefined, "the other origin got the token");
        }
      }
    },
  },
];

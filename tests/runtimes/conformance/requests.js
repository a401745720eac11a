import * as wire from "../../server/wire.js";
import { forEachCase } from "./harness.js";

const question = { model: "org/model", messages: [{ role: "user", content: "Hello" }] };
const prompt = { inputs: "Hello" };
const userToken = "hf_0123456789abcdefghijklmnopqrstuvwx";

const offered = {
  groq: { status: "live", providerId: "groq-name", task: "conversational" },
  cohere: { status: "live", providerId: "cohere-name", task: "conversational" },
  "fireworks-ai": { status: "live", providerId: "accounts/fireworks/models/name", task: "conversational" },
  "hf-inference": { status: "live", providerId: "org/model", task: "conversational" },
  "featherless-ai": { status: "live", providerId: "featherless-name", task: "text-generation" },
};

const hubAnswer = (mapping) => () => Response.json({ id: "org/model", inferenceProviderMapping: mapping });

/**
 * A `fetch` that goes nowhere: it keeps what it was called with and answers as the services would.
 * @param {() => Response} hub what the Hub answers
 */
function recorder(hub = hubAnswer(offered)) {
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
    if (pathname.startsWith("/api/models/")) return hub();
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

/**
 * Where each provider chats (`[own host, path]`), written from the providers' documents. Behind the router the same path
 * follows `https://router.huggingface.co/<name>`.
 */
const chatRoutes = {
  baseten: ["https://inference.baseten.co", "/v1/chat/completions"],
  cerebras: ["https://api.cerebras.ai", "/v1/chat/completions"],
  cohere: ["https://api.cohere.com", "/compatibility/v1/chat/completions"],
  deepinfra: ["https://api.deepinfra.com", "/v1/openai/chat/completions"],
  "featherless-ai": ["https://api.featherless.ai", "/v1/chat/completions"],
  "fireworks-ai": ["https://api.fireworks.ai", "/inference/v1/chat/completions"],
  groq: ["https://api.groq.com", "/openai/v1/chat/completions"],
  "hf-inference": ["https://router.huggingface.co/hf-inference", "/models/their-model/v1/chat/completions"],
  novita: ["https://api.novita.ai", "/v3/openai/chat/completions"],
  nscale: ["https://inference.api.nscale.com", "/v1/chat/completions"],
  openai: ["https://api.openai.com", "/v1/chat/completions"],
  ovhcloud: ["https://oai.endpoints.kepler.ai.cloud.ovh.net", "/v1/chat/completions"],
  publicai: ["https://api.publicai.co", "/v1/chat/completions"],
  scaleway: ["https://api.scaleway.ai", "/v1/chat/completions"],
  together: ["https://api.together.xyz", "/v1/chat/completions"],
  "zai-org": ["https://api.z.ai", "/api/paas/v4/chat/completions"],
};

/** The same for text generation. */
const generationRoutes = {
  deepinfra: ["https://api.deepinfra.com", "/v1/openai/completions"],
  "featherless-ai": ["https://api.featherless.ai", "/v1/completions"],
  "hf-inference": ["https://router.huggingface.co/hf-inference", "/models/their-model/v1/completions"],
  novita: ["https://api.novita.ai", "/v3/openai/completions"],
  ovhcloud: ["https://oai.endpoints.kepler.ai.cloud.ovh.net", "/v1/completions"],
  scaleway: ["https://api.scaleway.ai", "/v1/completions"],
  together: ["https://api.together.xyz", "/v1/completions"],
};

const ownHeaders = { "zai-org": { "x-source-channel": "hugging_face", "accept-language": "en-US,en" } };

/** What the Hub says when one provider offers the model under the name `their-model`. */
const theirs = (provider, task) => hubAnswer({ [provider]: { status: "live", providerId: "their-model", task } });

/** Makes one call and says where its requests went: `[lookups, posts]`. */
async function requestsOf(library, hub, options, call) {
  const { fetch, calls, posted } = recorder(hub);
  await call(new library.InferenceClient({ dangerouslyAllowBrowser: true, ...options, fetch }));
  return [calls.filter(({ method }) => method === "GET"), posted()];
}

/** A call that must not send anything but lookups. @returns {Promise<any>} its error */
async function refused({ assert, library }, hub, options, call = chat) {
  const { fetch, posted } = recorder(hub);
  const client = new library.InferenceClient({ accessToken: userToken, dangerouslyAllowBrowser: true, ...options, fetch });
  const error = await assert.rejects(call(client));
  assert.equal(posted().length, 0, "something was sent");
  assert.ok(error instanceof library.InferenceError, `${error?.name}: ${error?.message}`);
  return error;
}

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
    name: "requests: each of the sixteen providers through the router with a Hugging Face token",
    async run({ assert, library }) {
      assert.equal(Object.keys(chatRoutes).length, 16);
      const { openai: _, ...routed } = chatRoutes;
      const table = { ...Object.fromEntries(Object.entries(routed).map(([name, [, path]]) => [name, [path, "conversational", chat]])) };
      for (const [name, [, path]] of Object.entries(generationRoutes)) {
        table[`${name} (text)`] = [path, "text-generation", (client) => client.textGeneration({ ...prompt, model: "org/model" })];
      }
      await forEachCase(table, async (name, [path, task, call]) => {
        const provider = name.replace(" (text)", "");
        const [lookups, posts] = await requestsOf(library, theirs(provider, task), { accessToken: userToken, provider }, call);
        assert.deepEqual(lookups.map(({ url, headers }) => [decodeURI(url), headers.get("authorization")]), [
          ["https://huggingface.co/api/models/org/model?expand[]=inferenceProviderMapping", `Bearer ${userToken}`],
        ]);
        assert.equal(posts.length, 1);
        const [{ url, headers, body, bodyText }] = posts;
        assert.equal(url, `https://router.huggingface.co/${provider}${path}`);
        assert.deepEqual(Object.fromEntries(headers), { authorization: `Bearer ${userToken}`, "content-type": "application/json", ...ownHeaders[provider] });
        assert.equal(body.model, "their-model");
        assert.ok(bodyText.startsWith("{\"model\":"), "model is not the first key");
      });
    },
  },
  {
    name: "requests: each of the sixteen providers on its own host with its own key, which nobody else sees",
    async run({ assert, library }) {
      const table = { ...Object.fromEntries(Object.entries(chatRoutes).map(([name, route]) => [name, [route, "conversational", chat]])) };
      for (const [name, route] of Object.entries(generationRoutes)) {
        table[`${name} (text)`] = [route, "text-generation", (client) => client.textGeneration({ ...prompt, model: "org/model" })];
      }
      await forEachCase(table, async (name, [[host, path], task, call]) => {
        const provider = name.replace(" (text)", "");
        const [lookups, posts] = await requestsOf(library, theirs(provider, task), { accessToken: "sk-own-key", provider }, call);
        for (const { url, headers } of lookups) {
          assert.equal(new URL(url).host, "huggingface.co");
          assert.deepEqual(Object.fromEntries(headers), {}, "headers of the lookup");
        }
        assert.equal(posts.length, 1);
        assert.equal(posts[0].url, host + path);
        assert.deepEqual(Object.fromEntries(posts[0].headers), { authorization: "Bearer sk-own-key", "content-type": "application/json", ...ownHeaders[provider] });
        // OpenAI is not on the Hub: the model's name is its own.
        assert.equal(posts[0].body.model, provider === "openai" ? "org/model" : "their-model");
      });
    },
  },
  {
    name: "requests: a JSON schema is asked for in the provider's form, everything else stays as it is",
    async run({ assert, library }) {
      const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
      const openai = { type: "json_schema", json_schema: { name: "place", description: "d", schema, strict: true } };
      const forms = {
        together: { type: "json_schema", schema },
        cohere: { type: "json_object", schema },
        "fireworks-ai": { type: "json_object", schema },
        "hf-inference": { type: "json_object", value: schema },
      };
      const others = [{ type: "text" }, { type: "json_object" }, { type: "json", value: schema }, { type: "regex", value: "a+" }];
      await forEachCase(chatRoutes, async (provider) => {
        const accessToken = provider === "openai" ? "sk-own-key" : userToken;
        for (const [given, expected] of [[openai, forms[provider] ?? openai], ...others.map((format) => [format, format])]) {
          const call = (client) => client.chatCompletion({ ...question, response_format: given, store: true, top_k: 5 });
          const [, [{ body }]] = await requestsOf(library, theirs(provider, "conversational"), { accessToken, provider }, call);
          const { model: _, ...rest } = body;
          const store = provider === "cerebras" ? {} : { store: true };
          assert.deepEqual(rest, { messages: question.messages, response_format: expected, ...store, top_k: 5 }, JSON.stringify(given));
        }
      });
    },
  },
  {
    name: "requests: OpenAI takes its own key only, with or without its name before the model's",
    async run(tools) {
      const { assert, library } = tools;
      const error = await refused(tools, undefined, { provider: "openai" });
      assert.equal(error.name, "AuthenticationError");
      assert.includes(error.message, "openai");
      for (const model of ["openai/gpt-4o", "gpt-4o"]) {
        const [lookups, [{ url, body }]] = await requestsOf(library, undefined, { accessToken: "sk-own-key", provider: "openai" }, (client) => client.chatCompletion({ ...question, model }));
        assert.deepEqual([lookups.length, url, body.model], [0, "https://api.openai.com/v1/chat/completions", "gpt-4o"]);
      }
    },
  },
  {
    name: "requests: a provider that nobody knows is refused with the names of the known ones, before anything is sent",
    async run(tools) {
      const { assert, library } = tools;
      await forEachCase({ "fal-ai": 1, replicate: 1, wavespeed: 1, sambanova: 1, Groq: 1, "no-such": 1 }, async (provider) => {
        const hub = () => { throw new Error("the Hub was asked"); };
        const error = await refused(tools, hub, { provider });
        assert.ok(error instanceof library.InputError, error.name);
        for (const known of Object.keys(chatRoutes)) assert.includes(error.message, known);
      });
    },
  },
  {
    name: "requests: suffixes of the model are the router's to read",
    async run({ assert, library }) {
      for (const suffix of ["fastest", "cheapest", "preferred", "groq"]) {
        const model = `org/model:${suffix}`;
        for (const call of [(client) => client.chatCompletion({ ...question, model }), (client) => client.chatCompletionStream({ ...question, model }).final()]) {
          const [lookups, [{ url, body }]] = await requestsOf(library, undefined, { accessToken: userToken }, call);
          assert.deepEqual([lookups.length, url, body.model], [0, "https://router.huggingface.co/v1/chat/completions", model]);
        }
      }
    },
  },
  {
    name: "requests: a text goes to the first offer that is live, then staging, then in error; a suffix pins the provider",
    async run({ assert, library }) {
      const generate = (model) => (client) => client.textGeneration({ ...prompt, model });
      const offers = (...list) => hubAnswer(Object.fromEntries(list.map(([name, status]) => [name, { status, providerId: `${name}-model`, task: "text-generation" }])));
      const table = {
        "live first": [offers(["together", "error"], ["novita", "staging"], ["scaleway", "live"]), "org/model", "scaleway"],
        "then staging": [offers(["together", "error"], ["novita", "staging"]), "org/model", "novita"],
        "then error": [offers(["together", "error"]), "org/model", "together"],
        "the Hub's order within a status": [offers(["together", "live"], ["scaleway", "live"]), "org/model", "together"],
        "an unknown provider is passed over": [offers(["sambanova", "live"], ["together", "staging"]), "org/model", "together"],
        pinned: [offers(["together", "live"], ["scaleway", "staging"]), "org/model:scaleway", "scaleway"],
      };
      await forEachCase(table, async (_, [hub, model, provider]) => {
        const [lookups, [{ url, body }]] = await requestsOf(library, hub, { accessToken: userToken }, generate(model));
        assert.equal(decodeURI(lookups[0].url), "https://huggingface.co/api/models/org/model?expand[]=inferenceProviderMapping");
        assert.equal(url, `https://router.huggingface.co/${provider}${generationRoutes[provider][1]}`);
        assert.equal(body.model, `${provider}-model`);
      });
    },
  },
  {
    name: "requests: the Hub's mapping as an object and as an array, whatever the offer's status",
    async run({ assert, library }) {
      for (const status of ["live", "staging", "error"]) {
        const offer = { status, providerId: "groq-name", task: "conversational" };
        const other = { status: "live", providerId: "other", task: "conversational" };
        const forms = {
          object: { together: other, groq: { ...offer, adapter: "lora", adapterWeightsPath: "a", type: "single-model", isModelAuthor: false } },
          array: [{ provider: "together", ...other }, { provider: "groq", hfModelId: "org/model", ...offer }],
        };
        await forEachCase(forms, async (_, mapping) => {
          const [, [{ url, body }]] = await requestsOf(library, hubAnswer(mapping), { accessToken: userToken, provider: "groq" }, chat);
          assert.deepEqual([url, body.model], ["https://router.huggingface.co/groq/openai/v1/chat/completions", "groq-name"]);
        });
      }
    },
  },
  {
    name: "requests: a task that does not match names who serves it, and what the provider serves",
    async run(tools) {
      const { assert, library } = tools;
      const hub = hubAnswer({
        deepinfra: { status: "live", providerId: "d", task: "text-generation" },
        groq: { status: "live", providerId: "g", task: "conversational" },
        together: { status: "staging", providerId: "t", task: "conversational" },
      });
      const generate = (client) => client.textGeneration({ ...prompt, model: "org/model" });
      const table = {
        "chat with deepinfra": [{ provider: "deepinfra" }, chat, ["org/model", "deepinfra", "conversational", "text-generation", "groq", "together"]],
        "text with together": [{ provider: "together" }, generate, ["org/model", "together", "conversational", "text-generation", "deepinfra"]],
        "chat with cerebras": [{ provider: "cerebras" }, chat, ["org/model", "cerebras", "groq", "together"]],
      };
      await forEachCase(table, async (_, [options, call, words]) => {
        const error = await refused(tools, hub, options, call);
        assert.ok(error instanceof library.InputError, error.name);
        assert.equal(error.retryable, false);
        for (const word of words) assert.includes(error.message, word);
      });
    },
  },
  {
    name: "requests: a lookup is made once for each token",
    async run({ assert, library }) {
      const { fetch, calls } = recorder();
      const client = new library.InferenceClient({ fetch, provider: "groq", accessToken: "hf_oauth_first" });
      const lookups = () => calls.filter(({ method }) => method === "GET").length;
      await client.chatCompletion(question);
      await client.chatCompletion(question);
      assert.equal(lookups(), 1);
      await client.chatCompletion(question, { accessToken: "hf_oauth_second" });
      assert.equal(lookups(), 2, "another token may see other offers");
      await client.chatCompletion(question, { accessToken: "gsk_key" });
      assert.equal(lookups(), 3, "so may nobody in particular");
      await client.chatCompletion(question);
      await client.chatCompletion({ ...question, model: "org/other" });
      assert.equal(lookups(), 4, "another model");
    },
  },
  {
    name: "requests: a lookup that fails says what failed, is not remembered, and is not taken for an unserved model",
    async run(tools) {
      const { assert, library } = tools;
      const answer = (status, body, type = "application/json") => () => new Response(body, { status, headers: { "content-type": type } });
      const page = "<!DOCTYPE html><html><body>Sign in to the network</body></html>";
      const table = {
        401: [answer(401, '{"error":"Invalid credentials in Authorization header"}'), "AuthenticationError", "Invalid credentials"],
        403: [answer(403, '{"error":"Access is restricted"}'), "PermissionError", "restricted"],
        404: [answer(404, '{"error":"Repository not found"}'), "InputError", "org/model"],
        429: [answer(429, '{"error":"Too many"}'), "RateLimitError", "Too many"],
        500: [answer(500, '{"error":"Internal Error"}'), "ServerError", "Internal Error"],
        "502, a page": [answer(502, page, "text/html"), "ServerError", "502"],
        "no mapping": [answer(200, '{"id":"org/model"}'), "InputError", "org/model"],
        "a page": [answer(200, page, "text/html"), "InvalidResponseError", ""],
        "broken JSON": [answer(200, '{"inferenceProviderMapping":{"groq":'), "InvalidResponseError", ""],
        nothing: [answer(200, ""), "InvalidResponseError", ""],
        unreachable: [() => { throw new TypeError("fetch failed"); }, "NetworkError", ""],
      };
      await forEachCase(table, async (_, [hub, name, words]) => {
        const error = await refused(tools, hub, { provider: "groq" });
        assert.equal(error.name, name, error.message);
        assert.includes(error.message, words);
        assert.excludes(error.message, "<", "a page was shown");
        assert.excludes(error.message, "body already used");
        let fails = true;
        const { fetch } = recorder(() => (fails ? hub() : hubAnswer(offered)()));
        const client = new library.InferenceClient({ accessToken: "hf_oauth_a", provider: "groq", fetch });
        await assert.rejects(client.chatCompletion(question));
        fails = false;
        if (name !== "InputError") assert.deepEqual(await client.chatCompletion(question), wire.chatCompletion(), "the failure was remembered");
      });
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
    name: "requests: logprobs, n, images, tools, logit_bias, stream_options and unknown keys reach the service as given",
    async run({ assert, scenario, client }) {
      const given = {
        messages: [
          { role: "system", content: "Be brief.", name: "rules" },
          { role: "user", content: [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${"iVBORw0KGgo=".repeat(5_000)}`, detail: "low" } }] },
          { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: "{\"n\": 9007199254740993}" } }] },
          { role: "tool", tool_call_id: "call_1", content: "{\"seen\":true}" },
        ],
        logprobs: true,
        top_logprobs: 5,
        n: 2,
        logit_bias: { 50256: -100, 15: 0.5 },
        tools: [{ type: "function", function: { name: "look", description: "d", parameters: { type: "object", properties: { n: { type: "integer", maximum: 1e21 } } }, strict: true } }],
        tool_choice: { type: "function", function: { name: "look" } },
        parallel_tool_calls: false,
        tool_prompt: "p",
        response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "object", additionalProperties: false }, strict: true } },
        reasoning_effort: "minimal",
        max_completion_tokens: 20,
        stop: ["\u2028", "\ud83d\ude00"],
        seed: 2 ** 53 - 1,
        temperature: 1e-7,
        chat_template_kwargs: { thinking: true, nested: [[], {}, null, [0.1, -0, 1e300]] },
        "ключ \u0000\"": "значение",
      };
      const service = scenario("ok");
      await client(service).chatCompletion({ model: "m", ...given });
      await client(service).chatCompletionStream({ model: "m", ...given, stream_options: { include_usage: false, x: 1 } }).final();
      await client(service).chatCompletionStream({ model: "m", ...given }).final();
      const bodies = (await service.closed(3)).map(({ body }) => body);
      const wired = JSON.parse(JSON.stringify(given));
      assert.deepEqual(bodies[0], { model: "m", ...wired });
      assert.deepEqual(bodies[1], { model: "m", stream: true, stream_options: { include_usage: false, x: 1 }, ...wired });
      assert.deepEqual(bodies[2], { model: "m", stream: true, stream_options: { include_usage: true }, ...wired });
    },
  },
  {
    name: "requests: numbers beyond 2^53 go as they are written, where JavaScript can write them",
    async run({ assert, library }) {
      const { fetch, posted: requests } = recorder();
      const client = new library.InferenceClient({ fetch, accessToken: "hf_oauth_a" });
      // Not every runtime has JSON.rawJSON yet; without it JavaScript cannot write such a number.
      if (typeof JSON.rawJSON === "function") {
        await client.chatCompletion({ ...question, seed: JSON.rawJSON("9313781139405380001"), precise: JSON.rawJSON("0.1000000000000000055511151231257827") });
        assert.includes(requests()[0].bodyText, "\"seed\":9313781139405380001,\"precise\":0.1000000000000000055511151231257827");
      }
      const sent = requests().length;
      const error = await assert.rejects(client.chatCompletion({ ...question, seed: 9313781139405380001n }));
      assert.ok(error instanceof library.InputError, `${error.name}: ${error.message}`);
      assert.equal(requests().length, sent, "something was sent in place of a BigInt");
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

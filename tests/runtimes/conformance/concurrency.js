import * as wire from "../../server/wire.js";
import { collect } from "./harness.js";

const ask = (id) => ({ model: "test-model", messages: [{ role: "user", content: String(id) }] });
const contentOf = (chunk) => chunk.choices[0]?.delta?.content ?? "";
const answerTo = (id, tokens) => wire.tokensOf({ tokens, id: String(id) }).join("");

/** @type {import("./harness.js").Check[]} */
export const concurrencyChecks = [
  {
    name: "concurrency: 200 streams at once, each with its own content",
    async run({ assert, scenario, client, environment }) {
      const count = 200;
      // No stream goes on before so many are open, which proves that they are open at the same time.
      const barrier = Math.min(count, environment.connections);
      const service = scenario("ok", { echo: 1, tokens: 20, pace: 1, barrier });
      const shared = client(service);
      const ids = Array.from({ length: count }, (_, index) => index);
      const ways = [
        async (id) => (await collect(shared.chatCompletionStream(ask(id)))).map(contentOf).join(""),
        async (id) => (await collect(shared.chat.stream(ask(id)).textStream)).join(""),
        async (id) => (await shared.chat.stream(ask(id)).final()).text,
        async (id) => (await collect(await shared.chat.completions.create({ ...ask(id), stream: true }))).map(contentOf).join(""),
      ];
      const texts = await Promise.all(ids.map((id) => ways[id % ways.length](id)));
      for (const id of ids) assert.equal(texts[id], answerTo(id, 20), `stream ${id}`);
      assert.equal((await service.closed(count)).length, count);
    },
  },
  {
    name: "concurrency: chats, generations and failures at the same time keep apart",
    async run({ assert, scenario, library, client }) {
      const service = scenario("ok", { echo: 1, tokens: 10, pace: 1 });
      const broken = scenario("error", { shape: "tgi" });
      const cut = scenario("truncated", { echo: 1, after: 4 });
      const shared = client(service);
      const calls = Array.from({ length: 60 }, async (_, id) => {
        switch (id % 5) {
          case 0:
            return (await shared.chatCompletion(ask(id))).choices[0].message.content;
          case 1:
            return (await collect(shared.endpoint(`${service.url}/generate`).textGenerationStream({ inputs: String(id) }).textStream)).join("");
          case 2:
            return (await shared.endpoint(`${service.url}/v1`).textGeneration({ inputs: String(id), model: "m" })).generated_text;
          case 3: {
            const error = await assert.rejects(shared.chatCompletion(ask(id), { baseUrl: broken.url }));
            assert.ok(error instanceof library.RateLimitError, String(error));
            return answerTo(id, 10);
          }
          default: {
            const error = await assert.rejects(collect(shared.chatCompletionStream(ask(id), { baseUrl: cut.url })));
            assert.equal(error.partial.text, answerTo(id, 4), "partial");
            return answerTo(id, 10);
          }
        }
      });
      const texts = await Promise.all(calls);
      for (const [id, text] of texts.entries()) assert.equal(text, answerTo(id, 10), `call ${id}`);
    },
  },
  {
    name: "concurrency: two clients with their own options do not mix them",
    async run({ assert, scenario, library }) {
      const [first, second] = [scenario("ok", { id: "first", tokens: 10, pace: 1 }), scenario("ok", { id: "second", tokens: 10, pace: 1 })];
      const one = new library.InferenceClient({ baseUrl: first.url, accessToken: "hf_oauth_one", headers: { "x-client": "one" } });
      const two = new library.InferenceClient({ baseUrl: second.url, headers: { "x-client": "two" } });
      const [a, b] = await Promise.all([one.chat.stream(ask(1)).final(), two.chat.stream(ask(2)).final()]);
      assert.equal(a.text, answerTo("first", 10));
      assert.equal(b.text, answerTo("second", 10));
      const [[requestOfOne], [requestOfTwo]] = [await first.closed(), await second.closed()];
      assert.equal(requestOfOne.headers["x-client"], "one");
      assert.equal(requestOfTwo.headers["x-client"], "two");
      assert.ok(requestOfOne.headers.authorization, "the first client's token is missing");
      assert.equal(requestOfTwo.headers.authorization, undefined, "the second client sent a token");
    },
  },
  {
    name: "concurrency: a slow reader does not disturb a fast one, and loses nothing",
    async run({ assert, scenario, client }) {
      const shared = client(scenario("ok", { echo: 1, tokens: 300 }));
      const slow = shared.chatCompletionStream(ask("slow"));
      let text = contentOf((await slow.next()).value);
      assert.equal((await shared.chat.stream(ask("fast")).final()).text, answerTo("fast", 300));
      for await (const chunk of slow) text += contentOf(chunk);
      assert.equal(text, answerTo("slow", 300));
    },
  },
];

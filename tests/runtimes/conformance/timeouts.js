import * as wire from "../../server/wire.js";
import { collect, forEachCase } from "./harness.js";

const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };

/** The servers here are silent for ever, so a limit is passed however slow the machine is. */
async function expectTimeout({ assert, library }, service, promise, phase) {
  const error = await assert.rejects(promise);
  assert.equal(error.name, "TimeoutError", `${error.message}`);
  assert.ok(error instanceof library.TimeoutError && library.isTimeoutError(error), "not an instance of TimeoutError");
  assert.equal(error.phase, phase);
  const [request] = await service.closed();
  assert.equal(request.closedByClient, true, "the connection was closed by the client");
  return error;
}

/** @type {import("./harness.js").Check[]} */
export const timeoutChecks = [
  {
    name: "timeouts: firstToken, when there are no headers, and when there are headers but no token",
    async run(tools) {
      const { scenario, client } = tools;
      const timeout = { firstToken: 60 };
      const calls = {
        create: [scenario("stall"), (client) => client.chat.completions.create({ ...question, stream: true })],
        final: [scenario("stall", { after: 0 }), (client) => client.chat.stream(question).final()],
        chunks: [scenario("stall", { after: 0 }), (client) => collect(client.chatCompletionStream(question))],
        "comments only": [scenario("keep-alive", { after: 0 }), (client) => collect(client.chatCompletionStream(question))],
      };
      await forEachCase(calls, (_, [service, call]) => expectTimeout(tools, service, call(client(service, { timeout })), "firstToken"));
    },
  },
  {
    name: "timeouts: stall, with what came before; comments do not count as an answer",
    async run(tools) {
      const { assert, scenario, client } = tools;
      await forEachCase({ silence: scenario("stall", { after: 4 }), comments: scenario("keep-alive", { after: 4 }) }, async (_, service) => {
        const answer = client(service, { timeout: { stall: 60 } }).chat.stream(question);
        const error = await expectTimeout(tools, service, collect(answer), "stall");
        assert.equal(error.partial?.text, wire.tokensOf({ tokens: 4 }).join(""));
      });
    },
  },
  {
    name: "timeouts: total, although tokens keep coming",
    async run(tools) {
      const { assert, scenario, client } = tools;
      const service = scenario("endless");
      const answer = client(service).chat.stream(question, { timeout: { total: 150 } });
      let received = "";
      const reading = (async () => {
        for await (const text of answer.textStream) received += text;
      })();
      const error = await expectTimeout(tools, service, reading, "total");
      assert.equal(error.partial?.text, received);
    },
  },
  {
    name: "timeouts: a finish reason without [DONE] on a connection that stays open is complete",
    async run({ assert, scenario, client }) {
      const service = scenario("held", { done: 0 });
      const final = await client(service, { timeout: { stall: 60 } }).chat.stream(question).final();
      assert.equal(final.text, wire.tokensOf().join(""));
      assert.equal((await service.closed())[0].closedByClient, true);
    },
  },
  {
    name: "timeouts: none fires after the end",
    async run({ assert, scenario, client }) {
      const timeout = { firstToken: 20_000, stall: 20_000, total: 20_000 };
      const final = await client(scenario("ok"), { timeout }).chat.stream(question).final();
      assert.equal(final.text, wire.tokensOf().join(""));
      await client(scenario("ok"), { timeout: { firstToken: Infinity, stall: Infinity, total: Infinity } }).chatCompletion(question);
    },
  },
];

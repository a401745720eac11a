import * as wire from "../../server/wire.js";
import { collect, forEachCase } from "./harness.js";

const request = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const small = wire.tokensOf({ tokens: 3 }).join("");
const large = wire.tokensOf({}).join("");

/** A client whose own target is the large one, and what the two were asked. */
function stage({ scenario, client }, options, route, more) {
  const [one, other] = [scenario("ok", { tokens: 3, ...options }), scenario("ok")];
  const told = [];
  const routing = client(other, { onRoute: (choice) => told.push(choice), route: { small: { endpointUrl: one.url }, ...route }, ...more });
  const asked = async () => [(await one.requests()).length, (await other.requests()).length];
  return { routing, told, asked };
}

/** @type {import("./harness.js").Check[]} */
export const routeChecks = [
  {
    name: "route: a choice, by function and by estimate, and its reason in the trace",
    async run(tools) {
      const { assert } = tools;
      const cases = {
        "a function": [{ policy: async () => "large" }, "large", "function"],
        "the estimate": [{}, "small", "estimate"],
        "a threshold": [{ threshold: 0 }, "large", "estimate"],
      };
      await forEachCase(cases, async (name, [route, chosen, reason]) => {
        const { routing, told, asked } = stage(tools, {}, route);
        const { text, trace } = await routing.chat.stream(request).final();
        assert.equal(text, chosen === "small" ? small : large, name);
        assert.deepEqual([trace.route.chosen, trace.route.reason, await asked()], [chosen, reason, chosen === "small" ? [1, 0] : [0, 1]], name);
        assert.deepEqual(told, [trace.route], name);
      });
    },
  },
  {
    name: "route: a cascade shows an answer that is accepted, and nothing of one that is not",
    async run(tools) {
      const { assert } = tools;
      const cases = {
        accepted: [{}, { accept: async ({ text }) => text === small }, undefined],
        "not accepted": [{}, { accept: () => false }, "accept"],
        cut: [{ finish: "length" }, {}, "length"],
        filtered: [{ finish: "content_filter" }, {}, "content_filter"],
      };
      await forEachCase(cases, async (name, [options, route, escalated]) => {
        const expected = escalated ? large : small;
        const { routing, asked } = stage(tools, options, { policy: "cascade", ...route });
        const answer = routing.chat.stream(request);
        const events = await collect(answer.events);
        assert.equal(events.map((event) => (event.type === "text" ? event.text : "")).join(""), expected, name);
        assert.equal(events.filter(({ type }) => type === "start").length, 1, name);
        const { text, trace } = await answer.final();
        assert.deepEqual([text, trace.route.escalated, await asked()], [expected, escalated, [1, escalated ? 1 : 0]], name);
        assert.equal((await collect(routing.chat.stream(request).textStream)).join(""), expected, name);
        const chunks = await collect(routing.chat.stream(request));
        assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""), expected, name);
        assert.equal((await routing.chatCompletion(request)).choices[0].message.content, expected, name);
      });
    },
  },
  {
    name: "route: what nobody accepts in time is shown to nobody",
    async run(tools) {
      const { assert, library } = tools;
      const { routing, asked } = stage(tools, {}, { policy: "cascade", accept: () => new Promise(() => {}) }, { timeout: { total: 300 } });
      const error = await assert.rejects(routing.chat.stream(request).final());
      assert.ok(library.isTimeoutError(error) && error.phase === "total", String(error));
      assert.equal(error.partial, undefined);
      assert.deepEqual(await asked(), [1, 0]);
    },
  },
  {
    name: "route: a small target that is not there is followed by the large one",
    async run(tools) {
      const { assert, scenario } = tools;
      const { routing } = stage(tools, {}, { small: { endpointUrl: scenario("reset").url }, policy: "cascade" });
      const { text, trace } = await routing.chat.stream(request).final();
      assert.equal(text, large);
      assert.deepEqual([trace.route.chosen, trace.route.escalated], ["small", "no_answer"]);
    },
  },
  {
    name: "route: for show, nothing changes and the trace tells",
    async run(tools) {
      const { assert } = tools;
      const { routing, asked, told } = stage(tools, {}, { policy: "cascade", shadow: true });
      const { text, trace } = await routing.chat.stream(request).final();
      assert.deepEqual([text, trace.route, await asked()], [large, { chosen: "small", reason: "cascade", shadow: true }, [0, 1]]);
      assert.deepEqual(told, [trace.route]);
    },
  },
  {
    name: "route: an answer that was accepted is kept",
    async run(tools) {
      const { assert } = tools;
      let judged = 0;
      const { routing, asked } = stage(tools, {}, { policy: "cascade", accept: () => (judged++, true) }, { cache: { when: "always" } });
      for (let time = 0; time < 3; time++) assert.equal((await routing.chat.stream(request).final()).text, small);
      assert.deepEqual([judged, await asked()], [1, [1, 0]]);
    },
  },
];

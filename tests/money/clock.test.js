/** What money does as time goes by: prices that grow old, budgets that begin anew, loops that run wild; on a virtual clock. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { usePackage } from "../testing/support.js";

const { library, testing } = await usePackage();

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const messages = [{ role: "user", content: "How much?" }];
/** The service of the tests tells 7 tokens of prompt and 2 of answer. */
const tokens = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };

/** Runs with time in hand. */
async function timed(work) {
  const clock = new testing.VirtualClock();
  const restore = clock.install();
  try {
    await work(clock);
  } finally {
    restore();
  }
}

function shop(clock, options) {
  const fetch = testing.faultyFetch({ clock, answer: ["one", " two"] });
  const client = new library.InferenceClient({ accessToken: "hf_x", fetch, retry: false, ...options });
  const ask = (request) => clock.run(client.chat.stream({ model: "lab/model:groq", messages, max_tokens: 2, ...request }).final());
  return { client, fetch, ask };
}

const catalogAt = (input) => ({ data: [{ id: "lab/model", providers: [{ provider: "groq", status: "live", pricing: { input, output: 0 } }] }] });

test("a catalogue is asked for once in five minutes, by models() and by calls; the old one serves while the new one comes", () =>
  timed(async (clock) => {
    let asked = 0;
    const { client, ask } = shop(clock, { budget: { usd: 1 }, catalog: async () => catalogAt((asked += 1)) });
    assert.equal((await ask()).cost.usd, 7 / 1e6);
    await clock.run(client.models());
    await clock.advance(5 * MINUTE - SECOND);
    await ask();
    assert.equal(asked, 1, "it is still fresh");
    await clock.advance(SECOND);
    // The call that finds it old does not wait: the prices that are known will do for it.
    await ask();
    assert.equal(asked, 2);
    assert.equal((await ask()).cost.usd, 14 / 1e6, "the new prices");
    await clock.advance(6 * MINUTE);
    assert.equal((await clock.run(client.models()))[0].providers[0].price.input, 3, "models() waits for the new one");
    await clock.run(client.models({ refresh: true }));
    assert.equal(asked, 4);
    assert.deepEqual((await clock.run(client.models())).map(({ id }) => id), ["lab/model"]);
    assert.equal(asked, 4);
  }));

test("a catalogue that fails is left alone for half a minute, one that is silent holds a call up for three seconds", () =>
  timed(async (clock) => {
    let asked = 0;
    const broken = async () => {
      asked += 1;
      throw new Error("no");
    };
    const failing = shop(clock, { budget: { usd: 1 }, catalog: broken });
    for (let call = 0; call < 3; call++) assert.equal((await failing.ask()).cost, undefined, "unknown, not nothing");
    assert.equal(asked, 1);
    await clock.advance(30 * SECOND);
    await failing.ask();
    assert.equal(asked, 2);

    const silent = shop(clock, { budget: { usd: 1 }, catalog: () => new Promise(() => {}) });
    const began = Date.now();
    assert.equal((await silent.ask()).cost, undefined);
    assert.equal(Date.now() - began, 3 * SECOND);
  }));

test("a budget of an hour that is used up says when it begins anew, and does", () =>
  timed(async (clock) => {
    const alerts = [];
    const { client, ask } = shop(clock, { budget: { tokens: 40, per: "hour", onAlert: ({ reached }) => alerts.push(reached) } });
    const spend = async () => {
      for (let calls = 0; ; calls++) {
        const failed = await ask().then(() => undefined, (error) => error);
        if (failed) return { calls, failed };
      }
    };
    const first = await spend();
    assert.ok(library.isBudgetExceededError(first.failed), String(first.failed));
    assert.ok(first.calls >= 2, `${first.calls} calls`);
    assert.equal(first.failed.retryAt % (60 * MINUTE), 0);
    assert.deepEqual(first.failed.budget, { index: 0, unit: "tokens", spent: first.calls * tokens.total_tokens, limit: 40 });
    await clock.advance(first.failed.retryAt - Date.now() - 1);
    assert.equal((await spend()).calls, 0, "a millisecond too early");
    await clock.advance(1);
    assert.equal((await spend()).calls, first.calls);
    const reached = [0.5, 0.8, 1].filter((share) => first.calls * tokens.total_tokens >= share * 40);
    assert.deepEqual(alerts, [...reached, ...reached], "told in each hour");
    assert.deepEqual(client.ledger.summary().hours.map(({ requests }) => requests), [first.calls, first.calls]);
  }));

test("two ordinary days alert nobody; a loop that has run wild is told within a minute, once in an hour", () =>
  timed(async (clock) => {
    const told = [];
    const { ask } = shop(clock, {
      spikes: { onSpike: (spike) => told.push(spike) },
      catalog: false,
      // A call costs 0.01 USD.
      prices: [{ input: 0, output: 5_000 }],
    });
    for (let call = 0; call < 2 * 24 * 12; call++) {
      await ask();
      // Some calls come together.
      await clock.advance(call % 20 === 0 ? SECOND : 5 * MINUTE);
    }
    assert.deepEqual(told, []);
    const began = Date.now();
    while (told.length === 0 && Date.now() - began < MINUTE) {
      await ask();
      await clock.advance(0.5 * SECOND);
    }
    assert.equal(told.length, 1);
    const [{ what, observed, usual }] = told;
    assert.equal(what, "usd");
    assert.ok(usual > 0.005 && usual < 0.02 && observed > 25 * usual, `${observed}, usually ${usual}`);
    for (let call = 0; call < 200; call++) {
      await ask();
      await clock.advance(0.5 * SECOND);
    }
    assert.equal(told.length, 1, "it has been told");
  }));

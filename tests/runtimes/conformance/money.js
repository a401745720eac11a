import * as wire from "../../server/wire.js";
import { forEachCase } from "./harness.js";

const messages = [{ role: "user", content: "How much?" }];
const large = { model: "lab/large:groq", messages, max_tokens: 16 };
const fair = { model: "lab/large:novita", messages, max_tokens: 16 };
/** What `wire.usageOf(8)` costs at a price: 7 tokens in, 8 out. */
const costs = { groq: (7 * 3 + 8 * 15) / 1e6, novita: (7 * 0.2 + 8 * 0.6) / 1e6, small: (7 * 0.01 + 8 * 0.02) / 1e6 };
const about = (assert, found, expected) => assert.ok(Math.abs(found - expected) < 1e-15, `${found} is not ${expected}`);
const ask = (client, request, options) => client.chat.stream(request, options).final();
const failure = (promise) => promise.then((value) => { throw new Error(`it succeeded: ${JSON.stringify(value)}`); }, (error) => error);

/** @type {import("./harness.js").Check[]} */
export const moneyChecks = [
  {
    name: "money: models() lists who serves what, typed, filtered and sorted, from one request",
    async run({ assert, scenario, client, environment }) {
      const service = scenario("market");
      const shop = client(service);
      // There a request must not wait for what another began.
      const asked = /workerd/i.test(environment.name) ? 2 : 1;
      const [first, second] = await Promise.all([shop.models(), shop.models()]);
      assert.deepEqual(first, second);
      assert.deepEqual(first.map(({ id }) => id), ["lab/large", "lab/small"]);
      assert.deepEqual(first[0], {
        id: "lab/large",
        created: 1754412026,
        ownedBy: "lab",
        inputModalities: ["text", "image"],
        outputModalities: ["text"],
        providers: [
          { provider: "groq", status: "live", contextLength: 131072, price: { input: 3, output: 15, cached: 0.3 }, isFree: false, tools: true, structuredOutput: true, latency: 120, throughput: 480.5, isModelAuthor: false },
          { provider: "together", status: "live", contextLength: 32768, price: { input: 0.1, output: 0.3 }, tools: false, latency: 700, throughput: 40 },
          { provider: "novita", status: "live", contextLength: 65536, price: { input: 0.2, output: 0.6 }, tools: true, latency: 400, throughput: 90 },
          { provider: "scaleway", status: "error" },
        ],
      });
      assert.equal((await service.requests()).length, asked);
      const cases = {
        "the cheapest": [{ sort: "price" }, "small: novita; large: together novita groq scaleway"],
        "the most context": [{ sort: "contextLength" }, "large: groq novita together scaleway; small: novita"],
        "the fastest": [{ sort: "throughput" }, "large: groq novita together scaleway; small: novita"],
        "the soonest": [{ sort: "latency" }, "large: groq novita together scaleway; small: novita"],
        "with tools": [{ tools: true }, "large: groq novita"],
        "without": [{ tools: false }, "large: together"],
        "with schemas": [{ structuredOutput: true }, "large: groq"],
        "with room": [{ contextLength: 65536, search: "LARGE" }, "large: groq novita"],
        "not too dear": [{ maxPrice: { input: 1, output: 0.5 } }, "large: together; small: novita"],
        "quick": [{ throughput: 50, latency: 400 }, "large: groq novita"],
        "with enough tokens a second": [{ throughput: 100 }, "large: groq"],
        "soon enough": [{ latency: 399 }, "large: groq"],
        "live": [{ status: "live" }, "large: groq together novita; small: novita"],
        "without schemas": [{ structuredOutput: false }, ""],
        "that write": [{ outputModality: "text" }, "large: groq together novita scaleway"],
        "that paint": [{ outputModality: "image" }, ""],
        "cheap to ask": [{ maxPrice: { input: 0.1 } }, "large: together; small: novita"],
        "that see": [{ inputModality: "image", status: "error" }, "large: scaleway"],
        "of one provider": [{ provider: "novita", sort: "price" }, "small: novita; large: novita"],
        "nobody's": [{ search: "nothing" }, ""],
      };
      await forEachCase(cases, async (name, [filter, expected]) => {
        const found = await shop.models(filter);
        assert.equal(found.map(({ id, providers }) => `${id.slice(4)}: ${providers.map(({ provider }) => provider).join(" ")}`).join("; "), expected, name);
      });
      first[0].providers.length = 0;
      assert.equal((await shop.models())[0].providers.length, 4, "the caller changed its own list only");
      await shop.models({ refresh: true });
      assert.equal((await service.requests()).length, asked + 1);
    },
  },
  {
    name: "money: a list of models that cannot be had is an error that says so; a catalogue can be given",
    async run({ assert, scenario, client, library }) {
      const hidden = await failure(client(scenario("market", { catalogue: 0 })).models());
      assert.ok(library.isInvalidResponseError(hidden) && hidden.status === 503, String(hidden));
      const lost = await failure(client(scenario("reset")).models());
      assert.ok(library.isNetworkError(lost), String(lost));
      const catalogs = { json: wire.market, "function": () => wire.market, promise: async () => structuredClone(wire.market) };
      await forEachCase(catalogs, async (name, catalog) => {
        const service = scenario("market", { catalogue: 0 });
        const shop = client(service, { catalog });
        assert.equal((await shop.models()).length, 2, name);
        about(assert, (await ask(shop, fair)).cost.usd, costs.novita);
        assert.deepEqual((await service.requests()).map(({ path }) => path), ["/v1/chat/completions"], name);
      });
      const odd = await failure(client(scenario("market"), { catalog: () => ({ models: [] }) }).models());
      assert.ok(library.isInvalidResponseError(odd), String(odd));
    },
  },
  {
    name: "money: final(), errors, onUsage and the ledger tell the same cost",
    async run({ assert, scenario, client }) {
      const records = [];
      const shop = client(scenario("market", { pace: 20 }), { catalog: true, tags: { user: "ann" }, onUsage: (record) => records.push(record) });
      const { cost, usage } = await ask(shop, fair, { tags: { feature: "search" } });
      about(assert, cost.usd, costs.novita);
      assert.equal(`${cost.source} ${cost.estimated} ${cost.cached} ${usage.estimated}`, "catalog false undefined undefined");
      about(assert, cost.input + cost.output, cost.usd);
      await shop.chatCompletion(large);
      const aborted = shop.chat.stream(large);
      for await (const _ of aborted.textStream) break;
      assert.deepEqual(records.map(({ provider, state }) => `${provider} ${state}`), ["novita complete", "groq complete", "groq aborted"]);
      const { startedAt, duration, requestId, ...first } = records[0];
      assert.ok(startedAt > 1e12 && duration >= 0 && requestId !== "");
      assert.deepEqual(first, {
        provider: "novita", model: "lab/large:novita", task: "conversational", state: "complete",
        tags: { user: "ann", feature: "search" }, usage: wire.usageOf(8), cost,
      });
      about(assert, records[1].cost.usd, costs.groq);
      assert.ok(records[2].cost.estimated && records[2].usage.estimated && records[2].cost.usd > 0);
      const { total, models, providers, tags, hours, days, budgets } = shop.ledger.summary();
      const usd = records.reduce((sum, record) => sum + record.cost.usd, 0);
      about(assert, total.usd, usd);
      assert.equal(`${total.requests} ${total.unpriced} ${total.estimated}`, "3 0 1");
      assert.deepEqual(models.map(({ key, requests }) => [key, requests]), [["lab/large", 3]]);
      assert.deepEqual(providers.map(({ key, requests }) => [key, requests]), [["novita", 1], ["groq", 2]]);
      assert.deepEqual(tags.map(({ name, key, requests }) => [name, key, requests]), [["user", "ann", 3], ["feature", "search", 1]]);
      assert.ok(hours.length >= 1 && days.length >= 1 && hours[0].start % 3_600_000 === 0 && days[0].start % 86_400_000 === 0);
      assert.deepEqual(budgets, []);
      assert.deepEqual(JSON.parse(JSON.stringify({ ledger: shop.ledger })).ledger, shop.ledger.summary());
    },
  },
  {
    name: "money: what is not known is undefined; prices of one's own and the service's bill are known",
    async run({ assert, scenario, client, library }) {
      const fresh = new library.InferenceClient({});
      assert.equal(fresh.ledger.summary().total.requests, 0);
      const plain = client(scenario("ok"));
      assert.equal((await ask(plain, fair)).cost, undefined);
      assert.equal(plain.ledger.summary().total.unpriced, 1);
      const own = client(scenario("ok"), { prices: [{ model: "lab/other", input: 9, output: 9 }, { provider: "scenario", input: 1, output: 2, cached: 0.5 }] });
      about(assert, (await ask(own, fair)).cost.usd, (7 + 16) / 1e6);
      const silent = await ask(client(scenario("ok", { usage: "never" }), { prices: [{ input: 1, output: 1 }] }), fair);
      assert.ok(silent.usage.estimated && silent.cost.estimated && silent.cost.source === "prices");
      // A catalogue that cannot be had fails no call.
      const blind = await ask(client(scenario("market", { catalogue: 0 }), { budget: { usd: 1 } }), fair);
      assert.ok(blind.text.length > 0 && blind.cost === undefined);
      const broken = await failure(ask(client(scenario("truncated"), { prices: [{ input: 1, output: 1 }] }), fair));
      assert.ok(library.isTruncatedError(broken) && broken.cost.estimated && broken.cost.usd > 0 && broken.usage.estimated);
    },
  },
  {
    name: "money: the cheapest goes first, and the next when it cannot answer",
    async run({ assert, scenario, client }) {
      const service = scenario("market");
      const shop = client(service, { fallbacks: { auto: "price" } });
      const [model] = await shop.models({ search: "large", status: "live", sort: "price" });
      assert.equal(model.providers[0].provider, "together");
      const answer = await ask(shop, { model: `${model.id}:${model.providers[0].provider}`, messages });
      assert.equal(answer.provider, "novita");
      about(assert, answer.cost.usd, costs.novita);
      const chats = (await service.requests()).filter(({ path }) => path === "/v1/chat/completions");
      assert.deepEqual(chats.map(({ body }) => body.model), ["lab/large:together", "lab/large:novita"]);
      assert.equal((await service.requests()).length, 3, "the catalogue is asked for once");
      assert.deepEqual(answer.trace.attempts.map(({ usd }) => usd), [undefined, answer.cost.usd]);
    },
  },
  {
    name: "money: a budget that is used up refuses before anything is sent, tells its alerts once, and can go to what is cheaper",
    async run({ assert, scenario, client, library }) {
      const service = scenario("market");
      const alerts = [];
      const budget = { usd: 0.0005, per: "day", alertAt: [1, 0.5], onAlert: (alert) => alerts.push(alert) };
      const shop = client(service, { budget });
      let answered = 0;
      let refused;
      while (!refused) {
        const outcome = await ask(shop, large).catch((error) => error);
        if (outcome instanceof Error) refused = outcome;
        else answered += 1;
      }
      assert.ok(library.isBudgetExceededError(refused), String(refused));
      // At most 17 + 16 tokens are reserved: 0.000291 of the 0.0005, and each call takes 0.000141.
      assert.equal(answered, 2);
      assert.equal((await service.requests()).filter(({ path }) => path !== "/v1/models").length, 2);
      const { index, unit, spent, limit } = refused.budget;
      assert.deepEqual({ index, unit, limit }, { index: 0, unit: "usd", limit: 0.0005 });
      about(assert, spent, 2 * costs.groq);
      assert.ok(refused.retryAt > Date.now() && !refused.retryable && /Budget 0 /.test(refused.message), refused.message);
      assert.deepEqual(alerts.map(({ reached, budget: own }) => [reached, own === budget]), [[0.5, true]]);
      const elsewhere = client(scenario("market"), {
        budget: { ...budget, usd: 0.0001, onExceeded: "fallback" },
        fallbacks: [{ model: "lab/small" }],
      });
      about(assert, (await ask(elsewhere, large)).cost.usd, costs.small);
      const warned = client(scenario("market"), { budget: { ...budget, usd: 0.0000001, onExceeded: "warn" } });
      about(assert, (await ask(warned, large)).cost.usd, costs.groq);
      const [state] = warned.ledger.summary().budgets;
      assert.ok(state.spent > state.limit);
    },
  },
  {
    name: "money: many calls at once share a budget without overspending it or waiting for ever",
    async run({ assert, scenario, client, library }) {
      const shop = client(scenario("market"), { budget: { usd: 0.0015 } });
      const outcomes = await Promise.all(Array.from({ length: 40 }, () => ask(shop, large).catch((error) => error)));
      const answers = outcomes.filter((outcome) => !(outcome instanceof Error));
      assert.ok(outcomes.every((outcome) => !(outcome instanceof Error) || library.isBudgetExceededError(outcome)), String(outcomes.find((outcome) => outcome instanceof Error)));
      const [{ spent, limit }] = shop.ledger.summary().budgets;
      assert.ok(spent <= limit && spent > limit / 2, `${spent} of ${limit}`);
      about(assert, spent, answers.reduce((sum, { cost }) => sum + cost.usd, 0));
    },
  },
  {
    name: "money: a call that costs far more than others is told",
    async run({ assert, scenario, client }) {
      const told = [];
      const spikes = { onSpike: (spike) => told.push(spike), atLeast: { call: 0.001 }, factor: 10 };
      const shop = client(scenario("ok"), { spikes, catalog: false, prices: [{ model: "dear", input: 1000, output: 1000 }, { input: 1, output: 1 }] });
      for (let call = 0; call < 50; call++) await ask(shop, { model: "usual", messages });
      assert.deepEqual(told, []);
      await ask(shop, { model: "dear", messages });
      await ask(shop, { model: "dear", messages });
      assert.deepEqual(told.map(({ what, observed, usual }) => [what, observed, usual]), [["call", 0.015, 0.000015]]);
    },
  },
  {
    name: "money: options that make no sense are InputErrors that name them",
    async run({ assert, scenario, client, library }) {
      const wrong = {
        "budget": [{ budget: {} }, { budget: { usd: 1, tokens: 1 } }, { budget: [null] }],
        "budget.usd": [{ budget: { usd: -1 } }, { budget: { usd: "1" } }, { budget: { usd: NaN } }],
        "budget.per": [{ budget: { usd: 1, per: "year" } }],
        "budget.onExceeded": [{ budget: { usd: 1, onExceeded: "stop" } }],
        "budget.alertAt": [{ budget: { usd: 1, alertAt: ["half"] } }],
        "budget.tag": [{ budget: { usd: 1, tag: 1 } }],
        "prices.input": [{ prices: [{ input: "free" }] }],
        "prices": [{ prices: [7] }],
        "catalog": [{ catalog: "https://example.org" }],
        "spikes.onSpike": [{ spikes: {} }],
        "spikes.factor": [{ spikes: { onSpike() {}, factor: -1 } }],
      };
      for (const [option, cases] of Object.entries(wrong)) {
        for (const options of cases) {
          const service = scenario("ok");
          const error = await failure(ask(client(service, options), fair));
          assert.ok(library.isInputError(error) && error.option === option, `${option}: ${JSON.stringify(options)}: ${error} ${error.option}`);
          assert.equal((await service.requests()).length, 0);
        }
      }
    },
  },
];

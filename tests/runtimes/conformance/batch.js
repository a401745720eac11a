import * as wire from "../../server/wire.js";
import { collect, forEachCase } from "./harness.js";

const ask = (id, more) => ({ model: "test-model", messages: [{ role: "user", content: String(id) }], ...more });
const numbers = (count) => Array.from({ length: count }, (_, index) => index);
const answerTo = (id, tokens = 8) => wire.tokensOf({ tokens, id: String(id) }).join("");
const textOf = ({ answer }) => answer.text ?? answer.generated_text;
const failure = (promise) => promise.then((value) => { throw new Error(`it succeeded: ${JSON.stringify(value)}`); }, (error) => error);
const asked = async (service) => (await service.requests()).map(({ body }) => wire.questionOf(body)).sort((a, b) => a - b).join(" ");
const lettersOf = (results) => results.map(({ status }) => status[0]).join("");

/** A checkpoint in memory. */
function store(text = "") {
  const own = {
    text,
    appends: [],
    load: () => own.text || undefined,
    async append(added) {
      await undefined;
      own.appends.push(added);
      own.text += added;
    },
  };
  return own;
}

/** @type {import("./harness.js").Check[]} */
export const batchChecks = [
  {
    name: "batch: chats and generations, as they come and in order on demand",
    async run({ assert, scenario, client }) {
      const slow = scenario("truncated", { after: 2, gate: 1 });
      const service = scenario("ok", { echo: 1, tokens: 8 });
      const requests = [
        { request: ask(0), id: "slow", options: { baseUrl: slow.url } },
        ask(1),
        { model: "test-model", inputs: "2", parameters: { max_new_tokens: 8 } },
        { request: { model: "test-model", inputs: "3" }, id: "three" },
        ask(4),
      ];
      const batch = client(service).batch(requests, { concurrency: 2 });
      const results = [];
      for await (const result of batch) {
        results.push(result);
        if (results.length === 4) await slow.go();
      }
      assert.deepEqual(results.map(({ index }) => index), [1, 2, 3, 4, 0], "the slow one comes last");
      assert.deepEqual(results.map(({ id }) => id), [undefined, undefined, "three", undefined, "slow"]);
      assert.equal(lettersOf(results), "oooof");
      for (const result of results.slice(0, 4)) assert.equal(textOf(result), answerTo(result.index));
      assert.equal(results[0].answer.usage.completion_tokens, 8);
      assert.equal(results[0].answer.trace.state, "complete");
      const ordered = await client(service).batch(numbers(30).map((id) => ask(id)), { concurrency: 5 }).results();
      assert.deepEqual(ordered.map(({ index }) => index), numbers(30));
      assert.deepEqual(ordered.map(textOf), numbers(30).map((id) => answerTo(id)));
      // Both, when it is known from the start.
      const both = client(service).batch(numbers(12).map((id) => ask(id)));
      const kept = both.results();
      const taken = await collect(both);
      assert.equal(taken.length, 12);
      assert.deepEqual((await kept).map(({ index }) => index), numbers(12));
      assert.deepEqual(await client(service).batch([]).results(), []);
    },
  },
  {
    name: "batch: a failed item is a typed result, and concerns no other",
    async run({ assert, scenario, client, library }) {
      const service = scenario("ok", { echo: 1, tokens: 8 });
      const options = (name, more) => ({ baseUrl: scenario(name, more).url });
      const cyclic = ask(9);
      cyclic.self = cyclic;
      const cases = {
        RateLimitError: { request: ask(0), options: options("error", { shape: "tgi" }) },
        TruncatedError: { request: ask(0), options: options("truncated", { after: 4 }) },
        NetworkError: { request: ask(0), options: options("reset") },
        "InputError request": {},
        "InputError request of both": { messages: [], inputs: "x" },
        "InputError request that is none": { request: null },
        "InputError item that is none": null,
        "InputError id": { request: ask(0), id: 7 },
        "InputError options": { request: ask(0), options: "fast" },
        "InputError options.signal": { request: ask(0), options: { signal: new AbortController().signal } },
        "InputError timeout.stall": { request: ask(0), options: { timeout: { stall: -1 } } },
        "InputError messages": { model: "m", messages: "hello" },
        "InputError that cannot be written": cyclic,
        "InvalidResponseError of a schema": ask(0, { schema: { type: "object" } }),
      };
      const items = Object.values(cases).flatMap((item, index) => [item, ask(index)]);
      const results = await client(service).batch(items, { concurrency: 3, checkpoint: store() }).results();
      await forEachCase(Object.fromEntries(Object.keys(cases).map((name, index) => [name, index])), (name, index) => {
        const [failed, good] = results.slice(2 * index, 2 * index + 2);
        assert.equal(failed.status, "failed", name);
        assert.ok(failed.error instanceof library.InferenceError && failed.error.name === name.split(" ")[0], `${failed.error}`);
        if (/^InputError [a-z.A-Z]+$/.test(name)) assert.equal(failed.error.option, name.split(" ")[1], name);
        assert.equal(textOf(good), answerTo(index), name);
      });
      assert.equal(results[2].error.partial.text, wire.tokensOf({}).slice(0, 4).join(""));
    },
  },
  {
    name: "batch: requests are taken as there is room, also when the reader is slow",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { echo: 1, tokens: 4, pace: 1 });
      let pulled = 0;
      async function* source(count) {
        for (const id of numbers(count)) {
          pulled += 1;
          await undefined;
          yield ask(id);
        }
      }
      let over = 0;
      let most = 0;
      const onProgress = ({ done, total }) => {
        over = done;
        most = Math.max(most, pulled - done);
        if (pulled < 40) assert.equal(total, undefined);
      };
      const batch = client(service).batch(source(40), { concurrency: 3, onProgress });
      assert.equal(pulled, 0, "nothing happens before it is read");
      let taken = 0;
      let lead = 0;
      for await (const { status } of batch) {
        assert.equal(status, "ok");
        taken += 1;
        lead = Math.max(lead, pulled - taken);
        // Until nothing goes on by itself any more: as many results wait as may be under way.
        if (taken === 10) {
          while (over < 13) await new Promise((resolve) => setTimeout(resolve, 1));
          await service.closed(pulled);
        }
      }
      assert.equal(taken, 40);
      assert.ok(most <= 3 + 1, `${most} were taken and not over`);
      assert.ok(lead <= 6 + 1, `${lead} were taken and not read`);
      assert.ok((await service.mostAtOnce()) <= 3);
      pulled = 0;
      assert.equal((await client(service).batch(source(20), { concurrency: 20 }).results()).length, 20);
      const promises = await client(service).batch([1, 2].map(async (id) => ask(id))).results();
      assert.deepEqual(promises.map(textOf), [1, 2].map((id) => answerTo(id, 4)));
    },
  },
  {
    name: "batch: leaving, abort() and the signal close what is in flight and take nothing more",
    async run({ assert, scenario, client }) {
      let closed = 0;
      function* source() {
        try {
          for (let id = 0; ; id++) yield ask(id);
        } finally {
          closed += 1;
        }
      }
      const first = { request: ask(0), options: { baseUrl: scenario("ok", { tokens: 3 }).url } };
      function* withFirst() {
        yield first;
        yield* source();
      }
      const left = scenario("endless");
      for await (const { index } of client(left).batch(withFirst(), { concurrency: 4 })) {
        assert.equal(index, 0);
        await left.seen(3);
        break;
      }
      await left.closed(3);
      assert.equal(closed, 1, "the source is closed");
      const reason = new Error("enough");
      const controller = new AbortController();
      const clientController = new AbortController();
      const ways = {
        abort: [{}, {}, (batch) => batch.abort(reason)],
        signal: [{}, { signal: controller.signal }, () => controller.abort(reason)],
        "the client's signal": [{ signal: clientController.signal }, {}, () => clientController.abort(reason)],
      };
      await forEachCase(ways, async (name, [own, options, abort]) => {
        const service = scenario("endless");
        const batch = client(service, own).batch(source(), { concurrency: 3, ...options });
        const next = batch.next();
        await service.seen(3);
        abort(batch);
        assert.equal(await failure(next), reason, name);
        assert.deepEqual(await batch.next(), { done: true, value: undefined }, name);
        assert.equal((await service.closed(3)).length, 3, name);
        const ordered = client(service, own).batch([ask(1)], { ...options });
        if (name === "abort") ordered.abort(reason);
        assert.equal(await failure(ordered.results()), reason, `${name}: before it began`);
        assert.equal((await service.requests()).length, 3, name);
      });
      const plain = client(scenario("ok")).batch([ask(1)]);
      plain.abort();
      assert.equal((await failure(plain.next())).name, "AbortError");
      // A source that gives nothing for ever holds nobody up.
      const silent = client(scenario("ok")).batch({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) });
      const waits = silent.next();
      await undefined;
      silent.abort(reason);
      assert.equal(await failure(waits), reason);
    },
  },
  {
    name: "batch: a budget that is used up fails what is left without a request, and a checkpoint goes on from there",
    async run({ assert, scenario, client, library }) {
      const request = (id) => ({ model: "lab/large:groq", messages: [{ role: "user", content: String(id) }], max_tokens: 16 });
      const requests = numbers(9).map(request);
      const checkpoint = store();
      const service = scenario("market");
      // At most 17 + 16 tokens are reserved for each: 0.000291 USD, of which a call takes 0.000141.
      const poor = client(service, { budget: { usd: 0.0005, per: "day" } });
      let last;
      const results = await poor.batch(requests, { concurrency: 4, checkpoint, onProgress: (progress) => (last = progress) }).results();
      const failed = results.filter(({ status }) => status === "failed");
      assert.equal(failed.length, 7, lettersOf(results));
      for (const { error } of failed) assert.ok(library.isBudgetExceededError(error) && error.retryAt > Date.now(), String(error));
      const chats = async () => (await service.requests()).filter(({ path }) => path === "/v1/chat/completions");
      assert.equal((await chats()).length, 2);
      assert.equal(`${last.done} ${last.failed} ${last.unpriced}`, "2 7 0");
      assert.ok(Math.abs(last.usd - 0.000282) < 1e-12 && last.eta === 0, `${last.usd} ${last.eta}`);
      const rich = await client(service).batch(requests, { checkpoint }).results();
      assert.equal(lettersOf(rich), "ooooooooo");
      assert.deepEqual(rich.filter(({ resumed }) => resumed).map(({ index }) => index), results.filter(({ status }) => status === "ok").map(({ index }) => index));
      assert.equal((await chats()).length, 9);
    },
  },
  {
    name: "batch: after a crash, what is finished is not asked again, and what was cut off is",
    async run({ assert, scenario, client, library }) {
      const service = scenario("ok", { echo: 1, tokens: 8 });
      const checkpoint = store();
      const requests = numbers(10).map((id) => ask(id));
      const secret = "hf_oauth_topSecret";
      const begin = (more) => client(service, { accessToken: secret }).batch(more, { concurrency: 2, checkpoint });
      const sent = async () => (await service.requests()).length;
      let seen = 0;
      for await (const result of begin(requests)) {
        assert.equal(result.resumed, undefined);
        // What the loop has been given is kept already.
        assert.ok(checkpoint.text.includes(JSON.stringify(result.answer.text)));
        if (++seen === 5) break;
      }
      const lines = checkpoint.text.split("\n");
      assert.equal(lines[0], '{"checkpoint":"hf-inference-wasm","version":1}');
      assert.ok(lines.length - 2 >= 5, checkpoint.text);
      assert.excludes(checkpoint.text, secret);
      assert.excludes(checkpoint.text, '"messages"');
      // Every place at which a crash may have cut the file off.
      const whole = `${lines.slice(0, 6).join("\n")}\n`;
      const record = whole.lastIndexOf("\n", whole.length - 2) + 1;
      const cuts = { "at its end": [whole.length, 5], "before the last line's end": [whole.length - 1, 5], "in the last record": [record + 90, 4], "in the last key": [record + 9, 4], "before the last record": [record, 4], "after the header": [lines[0].length, 0], "in the header": [11, 0], "at the start": [0, 0] };
      await forEachCase(cuts, async (name, [cut, finished]) => {
        const before = await sent();
        checkpoint.text = whole.slice(0, cut);
        const results = await begin(requests).results();
        assert.deepEqual(results.map(textOf), numbers(10).map((id) => answerTo(id)), name);
        assert.equal(results.filter(({ resumed }) => resumed).length, finished, name);
        assert.equal((await sent()) - before, 10 - finished, name);
        const again = await begin(requests).results();
        assert.ok(again.every(({ resumed }) => resumed), `${name}: ${checkpoint.text}`);
        assert.deepEqual(again.map(({ answer }) => answer), results.map(({ answer }) => answer), name);
        assert.equal((await sent()) - before, 10 - finished, name);
      });
      // The content counts, not the position: one is new, one has changed, the order is another.
      const known = await sent();
      const others = [ask(77), ...[...requests].reverse()];
      others[4] = ask(6, { temperature: 0.5 });
      const results = await begin(others).results();
      assert.deepEqual((await service.requests()).slice(known).map(({ body }) => wire.questionOf(body)).sort(), ["6", "77"]);
      assert.deepEqual(results.map(textOf), [77, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((id) => answerTo(id)));
      // Another model, another service, another name: another item.
      const before = await sent();
      await begin([ask(1, { model: "other" }), { request: ask(1), id: "one" }, { request: ask(1), options: { billTo: "lab" } }]).results();
      assert.equal(await sent(), before + 2, "who pays is no difference");
      // Equal requests count one by one.
      const twice = store();
      const same = await client(service).batch([ask(5), ask(5)], { checkpoint: twice }).results();
      const thrice = await client(service).batch([ask(5), ask(5), ask(5)], { checkpoint: twice }).results();
      assert.equal(`${lettersOf(same)} ${thrice.map(({ resumed }) => !!resumed)}`, "oo true,true,false");
    },
  },
  {
    name: "batch: a checkpoint may come in pieces, is appended to in turn, and its faults are told",
    async run({ assert, scenario, client, library }) {
      const service = scenario("ok", { echo: 1, tokens: 8 });
      const requests = numbers(12).map((id) => ask(id));
      const checkpoint = store();
      let busy = 0;
      const { append } = checkpoint;
      checkpoint.append = async (text) => {
        assert.equal(++busy, 1, "one after the other");
        await new Promise((resolve) => setTimeout(resolve, 1));
        await append(text);
        busy -= 1;
      };
      await client(service).batch(requests, { concurrency: 6, checkpoint }).results();
      const length = checkpoint.text.length;
      assert.equal(checkpoint.appends.reduce((sum, text) => sum + text.length, 0), length, "nothing is written twice");
      checkpoint.load = async function* () {
        for (let at = 0; at < checkpoint.text.length; at += 7) yield checkpoint.text.slice(at, at + 7);
      };
      assert.ok((await client(service).batch(requests, { checkpoint }).results()).every(({ resumed }) => resumed));
      assert.equal(checkpoint.text.length, length);
      const option = async (own) => {
        const sent = scenario("ok");
        const error = await failure(client(sent).batch(requests, { checkpoint: own }).results());
        assert.ok(library.isInputError(error), String(error));
        assert.equal((await sent.requests()).length, 0);
        return error.option;
      };
      assert.equal(await option(store('{"checkpoint":"hf-inference-wasm","version":2}\n')), "checkpoint");
      assert.equal(await option(store("my notes")), "checkpoint", "a file of something else is left alone");
      assert.equal(await option({ ...store(), load: () => 7 }), "checkpoint.load");
      const broken = new Error("no such disk");
      assert.equal(await failure(client(service).batch(requests, { checkpoint: { ...store(), load: () => Promise.reject(broken) } }).results()), broken);
      // What cannot be kept is given to the loop all the same; then it is told, and nothing more is sent.
      const full = store();
      let left = 3;
      const fill = full.append;
      full.append = (text) => (left-- > 0 ? fill(text) : Promise.reject(broken));
      const own = scenario("ok", { echo: 1, tokens: 8 });
      const results = [];
      const error = await failure((async () => {
        for await (const result of client(own).batch(requests, { concurrency: 1, checkpoint: full })) results.push(result);
      })());
      assert.equal(error, broken);
      assert.equal(`${lettersOf(results)} ${await asked(own)}`, "oooo 0 1 2 3");
      left = Infinity;
      const rest = await client(own).batch(requests, { checkpoint: full }).results();
      assert.equal(rest.filter(({ resumed }) => resumed).length, 3);
    },
  },
  {
    name: "batch: values of a schema come back from a checkpoint as they were",
    async run({ assert, library }) {
      const chunk = { choices: [{ index: 0, delta: { content: '{"when":"2026-01-01"}' }, finish_reason: "stop" }] };
      let requests = 0;
      const fetch = async () => {
        requests += 1;
        return new Response(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
      };
      const own = new library.InferenceClient({ endpointUrl: "http://127.0.0.1:1/v1", fetch });
      // A library whose values are no JSON.
      const schema = {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: ({ when }) => ({ value: { when: new Date(when), big: 1n } }),
        },
      };
      const request = ask(1, { schema, response_format: { type: "json_object" } });
      const checkpoint = store();
      const [first] = await own.batch([request], { checkpoint }).results();
      if (first.status === "failed") throw first.error;
      assert.ok(first.answer.object.when instanceof Date && first.answer.object.big === 1n);
      const [second] = await own.batch([request], { checkpoint }).results();
      assert.ok(second.resumed && second.answer.object.when.getTime() === Date.UTC(2026, 0, 1));
      // What does not fit any more is asked again.
      const strict = { "~standard": { ...schema["~standard"], validate: () => ({ issues: [{ message: "no" }] }) } };
      const [third] = await own.batch([{ ...request, schema: strict }], { checkpoint }).results();
      assert.equal(third.status, "failed");
      assert.equal(requests, 2);
    },
  },
  {
    name: "batch: progress has counts, tokens, cost and the time that is left",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { echo: 1, tokens: 8 });
      const checkpoint = store();
      const run = async (options, requests, own) => {
        const told = [];
        await client(service, own).batch(requests, { concurrency: 1, onProgress: (progress) => told.push(progress), ...options }).results();
        return told;
      };
      const requests = numbers(4).map((id) => ask(id));
      const price = { prices: [{ input: 1, output: 2 }] };
      const told = await run({ checkpoint }, requests.slice(0, 2), price);
      assert.deepEqual(told.map(({ done, total, running, failed, resumed }) => [done, total, running, failed, resumed]), [[1, 2, 0, 0, 0], [2, 2, 0, 0, 0]]);
      const [, last] = told;
      assert.equal(`${last.promptTokens} ${last.completionTokens} ${last.unpriced} ${last.eta}`, "14 16 0 0");
      assert.ok(Math.abs(last.usd - (14 + 2 * 16) / 1e6) < 1e-15, String(last.usd));
      assert.ok(last.elapsed >= 0 && last.tokensPerSecond >= 0 && told[0].eta >= 0);
      // What is not known is absent, and what came from the checkpoint costs nothing again.
      const unknown = await run({ checkpoint }, new Set([...requests, { request: null }]));
      const final = unknown.at(-1);
      assert.equal(`${final.total} ${final.done} ${final.failed} ${final.resumed} ${final.usd} ${final.unpriced} ${final.completionTokens}`, "5 4 1 2 undefined 2 16");
      assert.equal(unknown[0].eta, undefined, "nothing was called yet");
      // A replay is not paid for.
      const cached = await run({ cache: true, temperature: 0 }, [ask(1, { temperature: 0 }), ask(1, { temperature: 0 })], price);
      assert.equal(`${cached.at(-1).completionTokens} ${cached.at(-1).unpriced}`, "8 0");
      const generator = await run({}, (function* () { yield* requests; })());
      assert.equal(generator.at(-1).total, 4, "the end is news");
      // Whoever listens harms nothing, and nobody has to.
      assert.equal((await client(service).batch(requests).results()).length, 4);
    },
  },
  {
    name: "batch: what makes no sense is an InputError that names it; an error of the source comes after what was under way",
    async run({ assert, scenario, client, library }) {
      const service = scenario("ok", { echo: 1, tokens: 8 });
      const wrong = {
        requests: [undefined, 7, "text", {}].map((requests) => [requests]),
        concurrency: [0, -1, 1.5, "2", NaN, Infinity].map((concurrency) => [[ask(1)], { concurrency }]),
        onProgress: [[[ask(1)], { onProgress: true }]],
        checkpoint: [null, {}, "file.jsonl", { load() {} }].map((checkpoint) => [[ask(1)], { checkpoint }]),
        signal: [[[ask(1)], { signal: "stop" }]],
        options: [null, 7].map((options) => [[ask(1)], options]),
      };
      for (const [option, cases] of Object.entries(wrong)) {
        for (const given of cases) {
          const error = await failure(client(service).batch(...given).results());
          assert.ok(library.isInputError(error) && error.option === option, `${option}: ${JSON.stringify(given)}: ${error} ${error.option}`);
          assert.equal((await failure(client(service).batch(...given).next())).option, option);
        }
      }
      assert.equal((await service.requests()).length, 0);
      const broken = new Error("the rows are gone");
      async function* source() {
        yield ask(0);
        yield ask(1);
        throw broken;
      }
      const results = [];
      const error = await failure((async () => {
        for await (const result of client(service).batch(source())) results.push(result);
      })());
      assert.equal(error, broken);
      assert.equal(lettersOf(results), "oo");
      assert.equal(await failure(client(service).batch(source()).results()), broken);
      const late = client(service).batch(numbers(5).map((id) => ask(id)));
      await late.next();
      assert.ok(library.isInputError(await failure(late.results())), "what a loop has taken is not kept");
      await late.return();
      const early = client(service).batch([ask(1)]);
      await early.results();
      assert.ok(library.isInputError(await failure(early.next())));
    },
  },
  {
    name: "batch: limits, tags and options are those of ordinary calls",
    async run({ assert, scenario, client }) {
      const service = scenario("ok", { echo: 1, tokens: 4, pace: 1 });
      const shared = client(service, { limits: { concurrency: 2 } });
      const results = await shared.batch(
        numbers(12).map((id) => ({ request: ask(id), options: { tags: { part: id % 2 ? "odd" : "even" } } })),
        { concurrency: 10, tags: { job: "nightly" }, headers: { "x-job": "7" } },
      ).results();
      assert.equal(lettersOf(results), "o".repeat(12));
      assert.ok((await service.mostAtOnce()) <= 2, "the client's limit holds");
      assert.deepEqual(shared.ledger.summary().tags.map(({ name, key, requests }) => [name, key, requests]).sort(), [["job", "nightly", 12], ["part", "even", 6], ["part", "odd", 6]]);
      assert.ok((await service.requests()).every(({ headers }) => headers["x-job"] === "7"));
    },
  },
  {
    name: "affinity: a conversation stays with the provider that answered, and goes on without it when it fails",
    async run({ assert, scenario, client, library }) {
      const service = scenario("market");
      const shop = client(service, { sessionAffinity: "thread" });
      const messages = [{ role: "user", content: "Hello" }];
      const models = async () => (await service.requests()).map(({ body }) => body.model);
      const first = await shop.chat.stream({ model: "lab/large", messages }).final();
      assert.equal(`${first.provider} ${first.trace.affinity}`, "groq new");
      messages.push(first.message, { role: "user", content: "Go on" });
      const second = await shop.chat.stream({ model: "lab/large", messages, prompt_cache_key: "mine" }).final();
      assert.equal(`${second.provider} ${second.trace.affinity}`, "groq kept");
      assert.ok(/^complete in \d+ ms: to who answered last; groq complete/.test(library.summary(second.trace)), library.summary(second.trace));
      await shop.chat.stream({ model: "lab/large", messages }, { sessionAffinity: "another" }).final();
      assert.deepEqual(await models(), ["lab/large", "lab/large:groq", "lab/large"]);
      const [, { body }] = await service.requests();
      assert.deepEqual(body.messages, messages);
      assert.equal(body.prompt_cache_key, "mine");
      // The one that answers now is kept from then on; together cannot answer.
      const moving = client(service, { sessionAffinity: "moving", fallbacks: [{ model: "lab/large:novita" }] });
      await moving.chat.stream({ model: "lab/large:together", messages }).final();
      const third = await moving.chat.stream({ model: "lab/large:together", messages }).final();
      assert.deepEqual((await models()).slice(3), ["lab/large:together", "lab/large:novita", "lab/large:novita"]);
      assert.equal(third.trace.affinity, "kept");
      assert.excludes(await moving.snapshot(), "moving");
      const error = await failure(shop.chat.stream({ model: "lab/large", messages }, { sessionAffinity: 7 }).final());
      assert.ok(library.isInputError(error) && error.option === "sessionAffinity", String(error));
    },
  },
];

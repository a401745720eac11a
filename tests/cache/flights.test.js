/** Equal calls in flight share one request, with the packed package. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, library, mapStore, messages, question, slowService, stage, testing, turns } from "./support.js";

const text = "The sky is blue because of Rayleigh.";

/** Longer than a flight goes on without readers. */
const grace = 100;

/** Runs with time in hand. */
async function timed(work) {
  const clock = new testing.VirtualClock();
  const restore = clock.install();
  try {
    return await work(clock);
  } finally {
    restore();
  }
}

function slowStage(options) {
  const { fetch, requests } = slowService();
  return { ...stage({ fetch, ...options }), requests };
}

test("calls at the same time share one request, whatever they read", async () => {
  const { client, fetch } = stage();
  const streams = Array.from({ length: 5 }, () => client.chat.stream(question));
  const texts = await Promise.all([
    collect(streams[0].textStream).then((parts) => parts.join("")),
    collect(streams[1].events).then((events) => events.map((event) => (event.type === "text" ? event.text : "")).join("")),
    collect(streams[2]).then((chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("")),
    streams[3].final().then((final) => final.text),
    client.chat.completions.create({ ...question, stream: true }).then((stream) => stream.final()).then((final) => final.text),
  ]);
  assert.deepEqual(new Set(texts), new Set([text]));
  assert.equal(fetch.requests.length, 1);
  const finals = await Promise.all(streams.map((stream) => stream.final()));
  assert.deepEqual(finals.map(({ trace }) => trace.cache.hit), [false, true, true, true, true]);
  assert.deepEqual(finals.map(({ trace }) => trace.cache.joined ?? false), [false, true, true, true, true]);
  assert.deepEqual(finals.map(({ trace }) => trace.attempts.length), [1, 0, 0, 0, 0]);
  assert.equal(library.summary(finals[1].trace), "complete: shared with a call in flight");
});

test("who comes late reads from the start, then what comes", async () => {
  const { client, requests } = slowStage();
  const first = client.chat.stream(question);
  const reading = first.textStream[Symbol.asyncIterator]();
  const one = reading.next();
  await turns();
  requests[0].say("one ");
  assert.equal((await one).value, "one ");
  const late = client.chat.stream(question).textStream[Symbol.asyncIterator]();
  assert.equal((await late.next()).value, "one ");
  const both = [reading.next(), late.next()];
  await turns();
  requests[0].say("two");
  assert.deepEqual((await Promise.all(both)).map(({ value }) => value), ["two", "two"]);
  requests[0].end();
  assert.deepEqual((await Promise.all([reading.next(), late.next()])).map(({ done }) => done), [true, true]);
  assert.equal(requests.length, 1);
});

test("each reads at its own pace, and nothing is read ahead of the foremost", async () => {
  const { client, requests } = slowStage();
  const [slow, fast] = [client.chat.stream(question), client.chat.stream(question)].map((stream) => stream.textStream[Symbol.asyncIterator]());
  const firsts = [slow.next(), fast.next()];
  await turns();
  for (const word of ["a", "b", "c", "d"]) requests[0].say(word);
  await Promise.all(firsts);
  for (const word of ["b", "c"]) assert.equal((await fast.next()).value, word);
  await turns();
  const before = requests[0].pulls;
  await turns(10);
  assert.equal(requests[0].pulls, before, "nobody waits, and nothing is read");
  assert.equal((await slow.next()).value, "b");
  requests[0].end();
  const rest = async (reader) => {
    let text = "";
    for (let step = await reader.next(); !step.done; step = await reader.next()) text += step.value;
    return text;
  };
  assert.equal(await rest(fast), "d");
  assert.equal(await rest(slow), "cd");
});

test("the connection closes when the last reader has left, and not before", () =>
  timed(async (clock) => {
    const { client, requests } = slowStage();
    const streams = [1, 2, 3].map(() => client.chat.stream(question));
    const firsts = streams.map((stream) => stream.textStream[Symbol.asyncIterator]().next());
    await turns();
    requests[0].say("one ");
    await Promise.all(firsts);
    streams[0].abort();
    streams[1].abort();
    await clock.advance(grace);
    assert.equal(requests[0].aborted, false);
    const last = streams[2].textStream[Symbol.asyncIterator]().next();
    await turns();
    requests[0].say("two");
    assert.equal((await last).value, "two");
    streams[2].abort();
    await turns();
    assert.equal(requests[0].aborted, false, "somebody may be about to come");
    await clock.advance(grace);
    assert.equal(requests[0].aborted, true);
    assert.equal(requests.length, 1);
    await assert.rejects(streams[0].final(), { name: "AbortError" });
  }));

test("an effect that runs twice, as React's StrictMode does, sends one request", () =>
  timed(async (clock) => {
    for (const task of ["the same task", "another task", "after the first piece"]) {
      const { client, requests } = slowStage();
      const effect = () => {
        const stream = client.chat.stream(question);
        const shown = collect(stream.textStream).catch((error) => error);
        return { shown, cleanUp: () => stream.abort() };
      };
      const first = effect();
      if (task !== "the same task") await turns();
      if (task === "after the first piece") {
        requests[0].say("one ");
        await turns();
      }
      first.cleanUp();
      const second = effect();
      await turns();
      await clock.advance(grace);
      assert.equal(requests.length, 1, task);
      assert.equal(requests[0].aborted, false, task);
      requests[0].say("two");
      requests[0].end();
      const parts = await clock.run(second.shown);
      assert.equal(parts.join(""), task === "after the first piece" ? "one two" : "two");
      assert.equal((await first.shown).name, "AbortError");
    }
  }));

test("an error reaches all, the same, behind what had come", async () => {
  const { client, requests } = slowStage();
  const streams = [1, 2, 3].map(() => client.chat.stream(question));
  const read = async (stream) => {
    const shown = [];
    try {
      for await (const part of stream.textStream) shown.push(part);
    } catch (error) {
      return { shown: shown.join(""), error };
    }
  };
  const reads = streams.map(read);
  await turns();
  requests[0].say("one ");
  await turns();
  requests[0].break();
  const outcomes = await Promise.all(reads);
  assert.deepEqual(outcomes.map(({ shown }) => shown), ["one ", "one ", "one "]);
  assert.equal(new Set(outcomes.map(({ error }) => error)).size, 1, "one error");
  assert.ok(library.isStreamInterruptedError(outcomes[0].error), String(outcomes[0].error));
  assert.equal(outcomes[0].error.partial.text, "one ");
  assert.equal(requests.length, 1);

  const refused = stage({ service: { faults: [{ kind: "status", status: 401 }, null] } });
  const errors = await Promise.all([1, 2].map(() => refused.client.chat.completions.create({ ...question, stream: true }).catch((error) => error)));
  assert.ok(library.isAuthenticationError(errors[0]));
  assert.equal(errors[1], errors[0]);
  assert.equal(refused.fetch.requests.length, 1);
  assert.equal((await refused.client.chat.stream(question).final()).text, text, "a failure is not kept");
});

test("each call keeps its own limit and its own signal", () =>
  timed(async (clock) => {
    const { client, requests } = slowStage();
    const reason = new Error("enough");
    const controller = new AbortController();
    const long = client.chat.stream(question).final();
    const short = client.chat.stream(question, { timeout: { total: 1_000 } }).final().catch((error) => error);
    const signalled = client.chat.stream(question, { signal: controller.signal }).final().catch((error) => error);
    await turns();
    await clock.advance(1_001);
    assert.equal((await short).phase, "total");
    controller.abort(reason);
    assert.equal(await signalled, reason);
    requests[0].say("all");
    requests[0].end();
    assert.equal((await clock.run(long)).text, "all");
    assert.equal(requests.length, 1);
  }));

test("calls with other keys, or that ask for something else, do not share", async () => {
  const { client, fetch } = stage();
  await Promise.all([
    client.chat.stream(question, { accessToken: "a" }).final(),
    client.chat.stream(question, { accessToken: "b" }).final(),
    client.chat.stream({ ...question, seed: 1 }).final(),
    client.chat.stream(question, { singleFlight: false }).final(),
    client.chat.stream(question, { cache: false }).final(),
    client.chat.stream({ model: "test-model", messages }).final(),
    client.chat.stream({ model: "test-model", messages }).final(),
  ]);
  assert.equal(fetch.requests.length, 7);
});

test("singleFlight alone shares whatever is in flight, and keeps nothing", async () => {
  const { client, fetch } = stage({ cache: undefined, singleFlight: true });
  const warm = { model: "test-model", messages };
  const finals = await Promise.all([1, 2].map(() => client.chat.stream(warm).final()));
  assert.equal(fetch.requests.length, 1);
  assert.equal(finals[1].trace.cache.joined, true);
  await turns();
  await client.chat.stream(warm).final();
  assert.equal(fetch.requests.length, 2);
});

test("while a store is being written to, the answer is still given", async () => {
  let written;
  const store = { ...mapStore(), put: () => new Promise((resolve) => (written = resolve)) };
  const { client, fetch } = stage({ cache: { store } });
  await client.chat.stream(question).final();
  await turns();
  assert.equal((await client.chat.stream(question).final()).text, text);
  assert.equal(fetch.requests.length, 1);
  written();
  await turns();
  await client.chat.stream(question).final();
  assert.equal(fetch.requests.length, 2, "nothing is there, and nothing in flight");
});

test("whole answers are shared too", async () => {
  const { client, fetch } = stage();
  const answers = await Promise.all([1, 2, 3].map(() => client.chatCompletion(question)));
  assert.deepEqual(answers[1], answers[0]);
  assert.equal(fetch.requests.length, 1);
});

test("the client's own limits count requests, not readers", async () => {
  const { client, requests } = slowStage({ limits: { concurrency: 1 } });
  const calls = [1, 2, 3].map(() => client.chat.stream(question).final());
  await turns();
  requests[0].say("x");
  requests[0].end();
  assert.deepEqual((await Promise.all(calls)).map((final) => final.text), ["x", "x", "x"]);
});

/** A small seeded generator (mulberry32). */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * Callers with a few questions and keys come, read, stop reading, leave and come again in any order, while
 * services bring, end and break answers. What must hold of it at any moment:
 *
 * - of one question and key there is one live request at most, and none while its answer is kept;
 * - a reader sees a prefix of its own request's answer, then its whole or the request's error: never another
 *   key's, never an incomplete answer as a complete one;
 * - a request is aborted only when its readers have left, and then it is.
 */
async function play(seed) {
  await timed(async (clock) => {
    const pick = random(seed);
    const { fetch, requests } = slowService();
    const client = new library.InferenceClient({ endpointUrl: "https://llm.example", fetch, retry: false, cache: { ttl: 1e9 }, breaker: false });
    const readers = [];
    let words = 0;
    const keyOf = (request) => `${request.body.messages[0].content} ${request.authorization}`;
    const come = () => {
      const content = `question ${pick(2)}`;
      const accessToken = `key-${pick(2)}`;
      const stream = client.chat.stream({ ...question, messages: [{ role: "user", content }] }, { accessToken });
      const iterator = stream.textStream[Symbol.asyncIterator]();
      readers.push({ key: `${content} Bearer ${accessToken}`, stream, iterator, text: "", state: "open", waiting: false });
    };
    const read = (reader) => {
      reader.waiting = true;
      reader.iterator.next().then(
        ({ done, value }) => {
          reader.waiting = false;
          if (done) reader.state = reader.state === "left" ? "left" : "complete";
          else reader.text += value;
        },
        (error) => {
          reader.waiting = false;
          if (reader.state !== "left") Object.assign(reader, { state: "failed", error });
        },
      );
    };
    const live = () => requests.filter(({ ended, aborted }) => !ended && !aborted);
    const open = () => readers.filter(({ state }) => state === "open");
    const some = (list) => list[pick(list.length)];
    const check = () => {
      const keys = live().map(keyOf);
      assert.equal(new Set(keys).size, keys.length, `seed ${seed}: two requests for one thing`);
      for (const reader of readers) {
        const own = requests.filter((request) => keyOf(request) === reader.key);
        assert.ok(own.some(({ said = "" }) => said.startsWith(reader.text)) || reader.text === "", `seed ${seed}: ${reader.key} was shown "${reader.text}"`);
        if (reader.state === "complete") assert.ok(own.some(({ ended, said }) => ended === "complete" && said === reader.text), `seed ${seed}: an incomplete answer`);
        if (reader.state === "failed") assert.ok(own.some(({ ended }) => ended === "broken"), `seed ${seed}: ${reader.error}`);
      }
      for (const request of requests) {
        if (request.aborted && !request.ended) assert.ok(readers.some(({ key, state }) => key === keyOf(request) && state === "left"), `seed ${seed}: aborted, and nobody left`);
      }
    };
    for (let step = 0; step < 120; step++) {
      const before = requests.length;
      switch (pick(9)) {
        case 0:
        case 1:
          come();
          break;
        case 2:
        case 3:
        case 4: {
          const reader = some(open().filter(({ waiting }) => !waiting));
          if (reader) read(reader);
          break;
        }
        case 5: {
          const reader = some(open());
          if (reader) {
            reader.state = "left";
            reader.stream.abort();
          }
          break;
        }
        case 6:
        case 7: {
          const request = some(live());
          if (!request) break;
          const kind = pick(8);
          if (kind < 5) {
            const word = `w${(words += 1)} `;
            request.said = (request.said ?? "") + word;
            request.say(word);
          } else if (kind < 7 && request.said) {
            request.ended = "complete";
            request.end();
          } else {
            request.ended = "broken";
            request.break();
          }
          break;
        }
        default:
          await clock.advance(pick(60));
      }
      if (pick(3) > 0) await turns(4);
      check();
      // Whose answer has been kept is not asked for again. Only a request is kept that somebody read to its end.
      for (const request of requests.slice(before)) {
        const done = readers.some(({ key, state }) => state === "complete" && key === keyOf(request));
        assert.ok(!done, `seed ${seed}: asked for again`);
      }
    }
    // To the end: everybody reads, every request ends.
    for (let round = 0; round < 400 && open().length > 0; round++) {
      for (const reader of open()) if (!reader.waiting) read(reader);
      for (const request of live()) {
        request.said = `${request.said ?? ""}end`;
        request.say("end");
        request.ended = "complete";
        request.end();
      }
      await turns(4);
      await clock.advance(1);
    }
    assert.equal(open().length, 0, `seed ${seed}: somebody waits for ever`);
    check();
    await clock.advance(grace);
    assert.equal(live().length, 0, `seed ${seed}: a request that nobody reads`);
    assert.equal(client.ledger.summary().total.requests, requests.length, `seed ${seed}: each request is paid for once, however many have read it`);
    return { requests: requests.length, readers: readers.length };
  });
}

test("readers that come, read and leave in any order: one request each time, nobody's answer to another", async () => {
  const rounds = Number(process.env.ROUNDS ?? 60);
  const first = Number(process.env.SEED ?? 1);
  for (let seed = first; seed < first + rounds; seed++) await play(seed);
});

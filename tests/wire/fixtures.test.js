/**
 * The client, installed from its tarball, reads every body of tests/fixtures/ as the file beside it says and as a plain
 * reader of whole bodies (reader.ts) does, however the body is cut and whoever reads it.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { cuts, loadFixtures } from "./fixtures.js";

const { InferenceClient, isInferenceError } = await importPackage();
const { joined, readChat, readGeneration, readRefusal } = await importReader();
const fixtures = await loadFixtures();
/** A client of its own for each answer: one remembers that a service has refused. */
const client = () => new InferenceClient({ endpointUrl: "https://endpoint.example/v1", retry: false });

/** Imports the package by its public name, as a project that has installed the tarball does. */
async function importPackage() {
  const consumer = createRequire(new URL("../../target/consumer/package.json", import.meta.url));
  let entry;
  try {
    entry = consumer.resolve("hf-inference-wasm");
  } catch (cause) {
    throw new Error("the packed package is not installed in target/consumer: see tests/runtimes/install-package.js", { cause });
  }
  return import(pathToFileURL(entry).href);
}

async function importReader() {
  const source = await readFile(new URL("./reader.ts", import.meta.url), "utf8");
  const { code } = await transform(source, { loader: "ts", format: "esm", target: "node20" });
  return import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
}

/**
 * Stands in for `fetch`: answers with a body that comes in `pieces`.
 *
 * @param {Uint8Array[]} pieces
 * @param {string} contentType
 */
function answering(pieces, contentType, status = 200) {
  return async () => {
    const rest = pieces.values();
    const pull = (/** @type {ReadableStreamDefaultController} */ controller) => {
      const { done, value } = rest.next();
      if (done) controller.close();
      else controller.enqueue(value);
    };
    const headers = contentType === "" ? {} : { "content-type": contentType };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), { status, headers });
  };
}

const chatRequest = ({ request }) => ({
  messages: [{ role: "user", content: "Hello" }],
  stream_options: { include_usage: true },
  ...request,
});

/** Some members, where a missing one is `null`. */
const pick = (from, keys) => Object.fromEntries(keys.map((key) => [key, from[key] ?? null]));

/** The members of `found` that `expected` has. */
const sameMembers = (expected, found) => pick(found, Object.keys(expected));

const partialMembers = ["text", "reasoning", "toolCalls"];
const choiceMembers = ["index", ...partialMembers, "finishReason", "rawFinishReason"];
const chatMembers = [...partialMembers, "finishReason", "rawFinishReason", "choices", "usage", "model"];
const generationMembers = ["generated_text", "details", "usage"];

/** A result of `final()` without tokens that no service told. */
const asTold = (final) => (final.usage?.estimated ? { ...final, usage: undefined } : final);

/** What is known of a result of `final()`, without what only the package has. */
function chatResult(final) {
  const result = pick(asTold(final), chatMembers);
  return { ...result, choices: result.choices.map((choice) => pick(choice, choiceMembers)) };
}

/** Arguments as `JSON.stringify` writes them: a reader that has parsed them does not know how they were written. */
function rewritten(value) {
  if (Array.isArray(value)) return value.map(rewritten);
  if (typeof value !== "object" || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rewritten(member)]));
  if (typeof copy.arguments === "string") {
    try {
      copy.arguments = JSON.stringify(JSON.parse(copy.arguments));
    } catch {
      // Not JSON, or not all of it.
    }
  }
  return copy;
}

const knownEvents = {
  text: ["text"],
  reasoning: ["text"],
  "tool-call-start": ["index", "id", "name"],
  "tool-call-delta": ["index", "id", "name", "arguments"],
  "tool-call": ["index", "toolCall"],
  usage: ["usage"],
  finish: ["finishReason", "rawFinishReason"],
};

/** The package's events in the reader's terms. */
function story(events) {
  const [start, ...rest] = events;
  if (start !== undefined) assert.equal(start.type, "start");
  const known = rest.map((event) => {
    assert.ok(Object.hasOwn(knownEvents, event.type), `an event of type ${event.type}`);
    return pick(event, ["type", ...knownEvents[event.type]]);
  });
  const isCall = (event) => event.type === "tool-call";
  // A call may be told as complete as soon as it is; what matters is that it is, once, before the finish.
  const finish = known.findIndex((event) => event.type === "finish");
  if (finish >= 0) assert.ok(known.findLastIndex(isCall) < finish && finish === known.length - 1, "the finish is last");
  return rewritten({ events: joined(known.filter((event) => !isCall(event))), calls: known.filter(isCall) });
}

/** Everything that an iterable gives, and what it throws. */
async function collect(iterable) {
  const items = [];
  try {
    for await (const item of iterable) items.push(item);
  } catch (error) {
    return { items, error };
  }
  return { items };
}

const settled = (promise) => promise.then((value) => ({ value }), (error) => ({ error }));

function assertFailure(error, fixture) {
  const { expected } = fixture;
  assert.ok(isInferenceError(error), `no error of the package's: ${error?.stack ?? error}`);
  assert.equal(error.name, expected.error.name, error.message);
  assert.ok(error.message.includes(expected.error.message), error.message);
  assert.doesNotMatch(error.message, /<[a-z!/]/i, "no markup in a message");
  if (expected.error.serviceCode !== undefined) assert.equal(error.serviceCode ?? "", expected.error.serviceCode);
}

/** Holds what an answer came to against the expectation and the plain reader. */
function assertOutcome({ value, error }, fixture, reading, result) {
  const { expected } = fixture;
  if (expected.error !== undefined) {
    assertFailure(error, fixture);
    const partial = error.partial && pick(error.partial, partialMembers);
    assert.deepEqual(partial ?? null, expected.partial);
    return;
  }
  assert.equal(error, undefined);
  const { shown: _, ...final } = expected.final;
  const found = result(value);
  assert.deepEqual(sameMembers(final, found), final);
  assert.deepEqual(rewritten(found), rewritten(reading.final));
}

/** The plain reader finds what the expectation says. */
function assertReading(reading, { expected }) {
  if (expected.error !== undefined) {
    assert.ok(reading.error !== undefined, "the plain reader finds no error");
    assert.deepEqual(sameMembers(expected.error, reading.error), expected.error);
    assert.deepEqual(reading.partial, expected.partial);
  } else {
    assert.equal(reading.error, undefined);
    const { shown: _, ...final } = expected.final;
    assert.deepEqual(rewritten(sameMembers(final, reading.final)), rewritten(final));
  }
  if (expected.chunks !== undefined) assert.equal(reading.chunks.length, expected.chunks);
}

const shownText = ({ final, partial }) => final?.shown ?? final?.text ?? final?.generated_text ?? partial?.text ?? "";

/** Reads a streamed answer in each of the ways, and holds each against the expectation and the plain reader. */
async function checkStream(fixture, reading, open, result) {
  const { expected } = fixture;
  const check = async (stream, iterated, compare) => {
    compare(iterated.items);
    const outcome = await settled(stream.final());
    assertOutcome(outcome, fixture, reading, result);
    assert.equal(iterated.error, outcome.error, "the iterator and final() throw the same");
  };

  assertOutcome(await settled(open().final()), fixture, reading, result);

  let stream = open();
  await check(stream, await collect(stream.textStream), (pieces) => {
    assert.equal(pieces.join(""), shownText(expected));
    assert.ok(pieces.every((piece) => piece !== "" && piece.isWellFormed()), "pieces of text are whole characters");
  });

  stream = open();
  await check(stream, await collect(stream), (chunks) => {
    assert.equal(chunks.length, expected.chunks);
    assert.deepEqual(chunks, reading.chunks);
  });

  if (reading.events === undefined) return;
  stream = open();
  await check(stream, await collect(stream.events), (events) => {
    const [found, plain] = [story(events), story([{ type: "start" }, ...reading.events])];
    assert.deepEqual(found, plain);
    assert.equal(events.at(-1)?.type === "finish", expected.final !== undefined);
  });
}

const chatBodies = fixtures.filter(({ expected }) => expected.task === "chat");
const generationBodies = fixtures.filter(({ expected }) => expected.task === "text-generation");
const refusals = fixtures.filter(({ expected }) => expected.refusal !== undefined);

test("every fixture is of one of the three kinds", () => {
  assert.equal(chatBodies.length + generationBodies.length + refusals.length, fixtures.length);
});

test("reader.ts type-checks", async () => {
  const compiler = createRequire(import.meta.url).resolve("typescript/package.json");
  const { bin } = JSON.parse(await readFile(compiler, "utf8"));
  const folder = fileURLToPath(new URL("./", import.meta.url));
  const script = fileURLToPath(new URL(bin.tsc, pathToFileURL(compiler)));
  await promisify(execFile)(process.execPath, [script, "--pretty", "false", "-p", folder]).catch((error) => {
    assert.fail(`${error.stdout}${error.stderr}`);
  });
});

describe("chat", { timeout: 120_000 }, () => {
  for (const fixture of chatBodies) {
    const { name, body, contentType, expected } = fixture;
    const streamed = expected.stream !== false;
    const reading = () => readChat(body, chatRequest(expected), expected.options?.reasoningTags ?? true, streamed);
    test(`${name}, by the plain reader`, () => assertReading(reading(), fixture));
    test(name, async () => {
      for (const [cut, pieces] of cuts(body)) {
        const options = { ...expected.options, fetch: answering(pieces, contentType) };
        const read = streamed
          ? checkStream(fixture, reading(), () => client().chat.stream(chatRequest(expected), options), chatResult)
          : settled(client().chatCompletion(chatRequest(expected), options)).then((outcome) => {
              if (expected.error !== undefined) assertFailure(outcome.error, fixture);
              else assert.deepEqual(outcome, { value: JSON.parse(new TextDecoder().decode(body)) });
            });
        await read.catch((error) => {
          throw new Error(`${cut}: ${error.message}`, { cause: error });
        });
      }
    });
  }
});

describe("text generation", { timeout: 120_000 }, () => {
  for (const fixture of generationBodies) {
    const { name, body, contentType, expected } = fixture;
    const reading = () => readGeneration(body);
    test(`${name}, by the plain reader`, () => assertReading(reading(), fixture));
    test(name, async () => {
      for (const [cut, pieces] of cuts(body)) {
        const options = { fetch: answering(pieces, contentType) };
        const read =
          expected.stream !== false
            ? checkStream(
                fixture,
                reading(),
                () => client().textGenerationStream({ inputs: "Hello" }, options),
                (final) => pick(asTold(final), generationMembers),
              )
            : settled(client().textGeneration({ inputs: "Hello" }, options)).then(({ value, error }) => {
                if (expected.error !== undefined) return assertFailure(error, fixture);
                assert.equal(error, undefined);
                const { generated_text, details } = expected.final;
                assert.deepEqual(value, details === null ? { generated_text } : { generated_text, details });
              });
        await read.catch((error) => {
          throw new Error(`${cut}: ${error.message}`, { cause: error });
        });
      }
    });
  }
});

describe("refusals", { timeout: 60_000 }, () => {
  for (const fixture of refusals) {
    const { name, body, expected } = fixture;
    const { statuses, contentType } = expected.refusal;
    for (const status of statuses) {
      test(`${name}, ${status}, by the plain reader`, () => assert.deepEqual(readRefusal(status, body), expected.error));
      test(`${name}, ${status}`, async () => {
        for (const [, pieces] of cuts(body)) {
          const options = { fetch: answering(pieces, contentType, status) };
          const request = { messages: [{ role: "user", content: "Hello" }] };
          const outcomes = await Promise.all([
            settled(client().chatCompletion(request, options)),
            settled(client().chat.stream(request, options).final()),
            settled(client().chat.completions.create({ ...request, stream: true }, options)),
            settled(client().textGeneration({ inputs: "Hello" }, options)),
            settled(client().textGenerationStream({ inputs: "Hello" }, options).final()),
          ]);
          for (const { error } of outcomes) {
            assertFailure(error, fixture);
            assert.equal(error.status, status);
            assert.equal(error.partial, undefined);
            if (expected.error.message === "") assert.match(error.message, new RegExp(`\\(HTTP ${status}\\)$`), "no words");
          }
        }
      });
    }
  }
});

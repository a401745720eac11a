/**
 * Partial JSON: what a growing value costs, against one `JSON.parse` of the finished text.
 *
 *     make package && node bench/partial-json.js
 *
 * An object streams in as deltas of four characters; the consumer takes every state of `partialObject`. CPU time of
 * this process, median of interleaved rounds. The text is checked at the end of each.
 *
 * - "16 KiB pieces": the body comes as a network brings it, many events in a piece.
 * - "one event a piece": the worst case, a state for every delta.
 * - "the stream alone": the same body read by `textStream`, which is what a stream costs without the value.
 */
import { importPackage, median, cpuMilliseconds } from "./support.js";

const { InferenceClient } = await importPackage();

const sizes = [16, 64, 256, 1024].map((kibibytes) => kibibytes * 1024);
const rounds = 7;

/** An object of about `size` characters: records with strings, numbers, lists and nested objects, as models write them. */
function objectOf(size) {
  const records = [];
  const record = (index) => ({
    id: index,
    name: `Record number ${index}`,
    description: "A few words about it, with a \"quotation\", a line\nbreak and an accent: déjà vu.",
    score: index * 1.25,
    tags: ["first", "second", `tag-${index % 7}`],
    nested: { flag: index % 2 === 0, nothing: null, list: [1, 2, 3] },
  });
  let length = 0;
  while (length < size) {
    records.push(record(records.length));
    length += JSON.stringify(records.at(-1)).length + 1;
  }
  return { records };
}

/** The stream of `text` in deltas of four characters, as the pieces of a body. */
function bodyOf(text, pieceSize) {
  const events = [];
  for (let at = 0; at < text.length; at += 4) {
    const delta = { content: text.slice(at, at + 4) };
    events.push(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`);
  }
  events.push('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', "data: [DONE]\n\n");
  const encoder = new TextEncoder();
  if (pieceSize === undefined) return events.map((event) => encoder.encode(event));
  const bytes = encoder.encode(events.join(""));
  return Array.from({ length: Math.ceil(bytes.length / pieceSize) }, (_, at) => bytes.subarray(at * pieceSize, (at + 1) * pieceSize));
}

function clientFor(pieces) {
  const fetch = async () => {
    let at = 0;
    const body = new ReadableStream({ pull: (controller) => (at < pieces.length ? controller.enqueue(pieces[at++]) : controller.close()) });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  return new InferenceClient({ endpointUrl: "http://127.0.0.1:1/v1", fetch });
}

const request = { messages: [{ role: "user", content: "x" }] };

async function readValue(pieces, expected) {
  let last;
  for await (const value of clientFor(pieces).chat.stream(request).partialObject) last = value;
  if (JSON.stringify(last) !== expected) throw new Error("the value is not the text's");
}

async function readText(pieces, expected) {
  let text = "";
  for await (const piece of clientFor(pieces).chat.stream(request).textStream) text += piece;
  if (text !== expected) throw new Error("the text is not the stream's");
}

const rows = [];
for (const size of sizes) {
  const text = JSON.stringify(objectOf(size));
  const network = bodyOf(text, 16_384);
  const single = bodyOf(text);
  const repeats = Math.max(1, Math.round(262_144 / size));
  const parse = async () => {
    for (let repeat = 0; repeat < 20; repeat += 1) if (JSON.stringify(JSON.parse(text)).length !== text.length) throw new Error("not the text");
  };
  const stringify = async () => {
    const value = JSON.parse(text);
    for (let repeat = 0; repeat < 20; repeat += 1) if (JSON.stringify(value).length !== text.length) throw new Error("not the text");
  };
  const parts = {
    parse: [parse, 20],
    stringify: [stringify, 20],
    network: [() => readValue(network, text), 1],
    networkText: [() => readText(network, text), 1],
    single: [() => readValue(single, text), 1],
    singleText: [() => readText(single, text), 1],
  };
  const times = Object.fromEntries(Object.keys(parts).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, [run, count]] of Object.entries(parts)) {
      const spent = await cpuMilliseconds(async () => {
        for (let repeat = 0; repeat < repeats; repeat += 1) await run();
      });
      // The first round warms up.
      if (round > 0) times[name].push(spent / repeats / count);
    }
  }
  const time = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
  const check = time.stringify;
  const jsonParse = time.parse - check;
  const deltas = Math.ceil(text.length / 4);
  const row = (milliseconds) => `${milliseconds.toFixed(2)} ms (${(milliseconds / jsonParse).toFixed(1)} ×, ${((milliseconds * 1000) / deltas).toFixed(2)} µs a delta)`;
  rows.push({
    "KiB": Math.round(text.length / 1024),
    "JSON.parse": `${jsonParse.toFixed(3)} ms`,
    "16 KiB pieces": row(time.network - check),
    "the stream alone": row(time.networkText),
    "one event a piece": row(time.single - check),
    "that stream alone": row(time.singleText),
  });
}
for (const row of rows) {
  console.log(Object.entries(row).map(([name, value]) => `${name}: ${value}`).join("\n  "));
}

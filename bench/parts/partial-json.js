/** A value that grows while it streams in. */
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";

export const title = "Partial JSON";

export const method = [
  "An object of records streams in as deltas of four characters, in events of about 110 bytes (\"long events\": 280); the consumer of `partialObject` takes every state of it. Against one `JSON.parse` of the finished text, which is what somebody who waits for the end pays. The time for each delta must not grow with the size. \"the stream alone\" reads the same body as text. The last value, as JSON, is compared with the text.",
  "No peer in the table gives a growing value from a stream of chunks without parsing the text again for each delta.",
];

const sizes = [16, 64, 256, 1024];
const pieces = [
  { key: "16 KiB pieces", cut: 16_384 },
  { key: "one event a piece", cut: "event" },
  { key: "16 KiB pieces, long events", cut: 16_384, usual: true },
];

/** @param {import("../run.js").Context} context */
export async function run(context) {
  const tables = sizes.map((kibibytes) => {
    const size = kibibytes * 1024;
    // About as much work for each size, and enough of it for the clock.
    const streams = Math.max(1, Math.round((context.quick ? 128 : 2048) / kibibytes));
    const row = (name, options, ours = true) => ({ name, ours, measure: () => runInNode("partial-json", { size, repeats: streams, ...options }) });
    return {
      key: `partial ${kibibytes}`,
      title: `Partial JSON: ${kibibytes} KiB in deltas of 4 characters`,
      chart: false,
      reference: "JSON.parse",
      columns: [
        { head: "CPU ms", value: ({ cpu, count }) => cpu / count, digits: 3 },
        { head: "CPU µs per delta", value: ({ cpu, count }) => (cpu * 1000) / count / (size / 4), digits: 3 },
        { head: "wall ms", value: ({ wall, count }) => wall / count, digits: 3 },
      ],
      rows: [
        row("JSON.parse", { way: "parse", repeats: streams * 40 }, false),
        ...pieces.flatMap(({ key, ...how }) => [row(`partialObject, ${key}`, { way: "object", ...how }), row(`the stream alone, ${key}`, { way: "text", ...how })]),
      ],
    };
  });
  await measureRounds(tables, context);
  return tables;
}

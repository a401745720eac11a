/** Long streams in process, in Node and in Chromium. */
import { clients, names } from "../clients.js";
import { openChromium } from "../measure/chromium.js";
import { cpuPer, wallPer } from "../measure/columns.js";
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";

export const title = "Streams in process";

export const method = [
  "One stream through an injected `fetch`, no network: events of about 280 bytes (a role chunk, content chunks, a finish chunk, one with the usage, `[DONE]`), in pieces of 16 KiB (58 events) or one event a piece. \"mixed\" has non-ASCII text in 4 % of the tokens. The body is a default `ReadableStream` of prebuilt views; building them is not measured. In \"byte stream\" it is a stream of the type `bytes`, as the body of Node's own `fetch` is.",
  "Each run is a process or a page of its own, after a warm-up of a tenth of the events. CPU is that of the whole process (user and system; in Chromium the renderer's `ProcessTime`), so garbage collection and compilation on other threads count. In Chromium `ai` gets a tenth of the events and `@openrouter/sdk` half, or they would take minutes; figures are for one event. Every consumer appends what it gets to one string, which is compared with the text that was sent. The drains are floors: \"raw drain\" reads the bytes and drops them.",
  "Our `textStream` gives the text of one network piece as one string. The peers give an object, or a string, for each event; so do our `chunks` and `events`, which are therefore the like-for-like rows.",
];

const everyone = [...clients.keys()];
const few = [names.text, names.chunks, names.huggingFace, names.parser, names.drain];
const scenarios = [
  { key: "16k ascii", title: "16 KiB pieces, ASCII", cut: 16_384, charset: "ascii" },
  { key: "16k mixed", title: "16 KiB pieces, mixed", cut: 16_384, charset: "mixed" },
  { key: "event ascii", title: "one event a piece, ASCII", cut: "event", charset: "ascii" },
  { key: "event mixed", title: "one event a piece, mixed", cut: "event", charset: "mixed" },
];
const byteStream = { key: "16k mixed bytes", title: "16 KiB pieces, mixed, byte stream", cut: 16_384, charset: "mixed", type: "bytes", who: few };

const table = (platform, scenario, measure) => ({
  key: `${platform} ${scenario.key}`,
  title: `Stream in ${platform}: ${scenario.title}`,
  reference: names.parser,
  columns: [cpuPer("event"), wallPer("event")],
  rows: (scenario.who ?? everyone).map((name) => ({
    name,
    ours: clients.get(name).ours,
    measure: () => measure(clients.get(name), { client: name, cut: scenario.cut, charset: scenario.charset, type: scenario.type }),
  })),
});

/** @param {import("../run.js").Context} context */
export async function run(context) {
  const events = context.quick ? 20_000 : 200_000;
  const chromium = await openChromium("stream");
  context.versions.set("Chromium", chromium.version);
  try {
    const inNode = [...scenarios, byteStream].map((scenario) => table("Node", scenario, (_, options) => runInNode("stream", { ...options, events })));
    const inChromium = scenarios.map((scenario) =>
      table("Chromium", scenario, ({ share = 1 }, options) => chromium.run({ ...options, events: events * share })),
    );
    const tables = [...inNode, ...inChromium];
    await measureRounds(tables, context);
    return tables;
  } finally {
    await chromium.close();
  }
}

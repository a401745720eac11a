/** What it costs to pass a stream on. */
import { clients, names, withReference } from "../clients.js";
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";
import { prepareWorker, version as workerdVersion } from "../measure/workerd.js";

export const title = "Edge proxy";

export const method = [
  "A worker that asks a service and answers its own visitor: the stream goes through the client, and every item that it gives is sent on as a server-sent event of a `Response`: a chunk as the JSON that it is, a text as a chunk that holds it. The response is read to its end, at the visitor's pace; the text in its events is compared with the service's. In process, without sockets, in Node and in workerd (where CPU is that of the workerd process, in steps of 10 ms); one token is one event of the service's.",
  "Our `textStream` joins the tokens that came in one piece of the network's, so the visitor gets fewer and longer events. \"raw drain\" passes the bytes on untouched.",
];

const milliseconds = (head, key) => ({ head, value: (sample) => sample[key] / sample.count, digits: 2 });
const cuts = [
  { key: "16k", cut: 16_384, title: "pieces of 16 KiB" },
  { key: "event", cut: "event", title: "one event a piece" },
];
const rows = [...withReference, names.chunks, names.drain];

/** @param {import("../run.js").Context} context */
export async function run(context) {
  const events = context.quick ? 10_000 : 100_000;
  context.versions.set("workerd", workerdVersion);
  const workers = new Map();
  for (const name of rows) workers.set(name, await prepareWorker("proxy", name));
  const platforms = {
    Node: (options) => runInNode("proxy", options),
    workerd: ({ events: all, ...options }) => workers.get(options.client).run({ ...options, events: all * (clients.get(options.client).share ?? 1) }),
  };
  const tables = Object.entries(platforms).flatMap(([platform, measure]) =>
    cuts.map(({ key, cut, title: how }) => ({
      key: `proxy ${platform} ${key}`,
      title: `Proxy in ${platform}: ${how}`,
      reference: names.parser,
      columns: [milliseconds("CPU ms per 1,000 tokens", "cpu"), milliseconds("wall ms per 1,000 tokens", "wall")],
      rows: rows.map((name) => ({ name, ours: clients.get(name).ours, measure: () => measure({ client: name, events, cut, charset: "mixed" }) })),
    })),
  );
  try {
    await measureRounds(tables, context);
  } finally {
    for (const worker of workers.values()) await worker.remove();
  }
  return tables;
}

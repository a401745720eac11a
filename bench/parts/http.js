/** Concurrent streams over loopback HTTP. */
import { clients, names, withReference } from "../clients.js";
import { addedRss, cpuPer, peakRss, wallPer } from "../measure/columns.js";
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";
import { startService } from "../measure/service.js";

export const title = "Concurrent streams over HTTP";

export const method = [
  "Streams of 300 events from a server on the loopback, in a process of its own: in writes of 16 KiB as fast as they are taken, or one event in each turn of the server's event loop. CPU is the client's process only, after a warm-up of 16 streams. Peak RSS is the maximum of that process; \"by the load\" is how much of it came after the warm-up. Every text is compared.",
  "Node's HTTP client alone costs what \"raw drain\" costs; it is in every row.",
];

const rows = [...withReference, names.chunks, names.drain];
const loads = [
  { concurrent: 1, total: 64 },
  { concurrent: 64, total: 256 },
  { concurrent: 512, total: 512 },
];
const writes = [
  { key: "16k", cut: 16_384, title: "writes of 16 KiB" },
  { key: "event", cut: "event", title: "one event a turn" },
];

/** @param {import("../run.js").Context} context */
export async function run(context) {
  const service = await startService();
  const events = context.quick ? 60 : 300;
  const tables = loads.flatMap(({ concurrent, total }) =>
    writes.map(({ key, cut, title: how }) => ({
      key: `http ${concurrent} ${key}`,
      title: `HTTP: ${concurrent} at a time, ${how}`,
      reference: names.parser,
      columns: [cpuPer("event"), wallPer("event"), peakRss, addedRss],
      rows: rows.map((name) => {
        const options = { client: name, concurrent, total, events, charset: "mixed" };
        return { name, ours: clients.get(name).ours, measure: () => runInNode("http", { ...options, url: service.url({ events, charset: "mixed", cut }) }) };
      }),
    })),
  );
  try {
    await measureRounds(tables, context);
  } finally {
    await service.close();
  }
  return tables;
}

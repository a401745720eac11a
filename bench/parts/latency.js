/** What a client adds to the time to the first token. */
import { clients, withReference } from "../clients.js";
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";
import { startService } from "../measure/service.js";

export const title = "Added latency";

export const method = [
  "Wall time from the call to the first piece of text, one call at a time over the loopback on connections that are open, in pairs: a bare `fetch` up to the first bytes of the body, and the client; each pair in the other order than the one before. The server sends the role and the first token in one write and the rest a turn of its event loop later. Shown is the median of the differences within pairs, for each process; then the median of the rounds.",
];

const milliseconds = (head, key) => ({ head, value: (sample) => sample[key], digits: 3 });

/** @param {import("../run.js").Context} context */
export async function run(context) {
  const service = await startService();
  const answer = { events: 20, charset: "mixed" };
  const pairs = context.quick ? 100 : 1000;
  const table = {
    key: "latency",
    title: "Latency: to the first token, over a bare fetch",
    columns: [milliseconds("added ms", "added"), milliseconds("client, ms", "first"), milliseconds("bare fetch, ms", "raw")],
    rows: withReference.map((name) => ({
      name,
      ours: clients.get(name).ours,
      measure: () => runInNode("latency", { client: name, pairs, ...answer, url: service.url({ ...answer, cut: "first" }) }),
    })),
  };
  try {
    await measureRounds([table], context);
  } finally {
    await service.close();
  }
  return [table];
}

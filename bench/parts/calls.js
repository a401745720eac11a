/** What one call costs when nothing goes wrong. */
import { clients, names, withReference } from "../clients.js";
import { cpuPer, wallPer } from "../measure/columns.js";
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";

export const title = "Calls";

export const method = [
  "10,000 short calls, 100 at a time, with a `fetch` that answers at once: an answer of 8 tokens, in one piece or as a stream. Every client has its defaults: ours its limits on waiting, retries, their budget, the queue and the breaker; `openai`, `ai` and `@openrouter/sdk` their retries; `@huggingface/inference` its own for 503. The bare `fetch` with `response.json()` is the floor (as a stream, with eventsource-parser). Every text is compared, inside of what is measured.",
];

/** @param {import("../run.js").Context} context */
export async function run(context) {
  const calls = context.quick ? 1000 : 10_000;
  const table = (key, how, streamed) => ({
    key,
    title: how,
    reference: names.huggingFace,
    columns: [cpuPer("call"), wallPer("call")],
    rows: withReference.map((name) => ({
      name,
      ours: clients.get(name).ours,
      measure: () => runInNode("calls", { client: name, calls, atOnce: 100, streamed }),
    })),
  });
  const tables = [table("calls whole", "Calls: an answer in one piece", false), table("calls stream", "Calls: a short stream", true)];
  await measureRounds(tables, context);
  return tables;
}

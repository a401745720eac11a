/** From nothing to the first request. */
import { clients, names, onePerPackage, withReference } from "../clients.js";
import { openChromium } from "../measure/chromium.js";
import { cpu, peakRss, wall } from "../measure/columns.js";
import { runInNode } from "../measure/node.js";
import { measureRounds } from "../measure/rounds.js";
import { prepareWorker, version as workerdVersion } from "../measure/workerd.js";

export const title = "Start-up";

export const method = [
  "Three times as many rounds as elsewhere: these runs are short. Node and Chromium: from before the `import` to the call of `fetch` by the first streaming request, in a fresh process or page; for ours that is import, compile, instantiate, and the request. Node's own `fetch` is loaded before, which it would be anyhow; its disk cache is warm, as is the server's that the page loads from. In Chromium the scripts and the module come over the loopback, as esbuild bundled them. \"import alone\" makes no call.",
  "Compile and instantiate in Chromium: what `WebAssembly.compile` takes for the bytes that are already there, `init(module)` for the compiled module, and `init(bytes)` for both. V8 leaves most of the compiling to the first call of each function, so these are short.",
  "workerd: a process is started, serves one request in which the worker makes one streaming call with a `fetch` that answers at once, and is ended. The worker is one bundled script, with the .wasm beside it. \"no client\" is the same worker without any: the difference to it is what a client costs a cold start. CPU comes in steps of 10 ms, from the kernel's clock ticks. All workers have the flag `nodejs_compat`, which some of the peers need.",
];

/** @param {import("../run.js").Context} context */
export async function run(context) {
  context.versions.set("workerd", workerdVersion);
  const first = await openChromium("startup");
  context.versions.set("Chromium", first.version);
  const compiling = await openChromium("compile");
  const workers = new Map();
  for (const name of [undefined, ...withReference]) workers.set(name, await prepareWorker("startup", name));
  const both = onePerPackage.flatMap((name) => [
    { name: `${name}: import alone`, client: name, importOnly: true },
    { name: `${name}: first request`, client: name, importOnly: false },
  ]);
  const tables = [
    {
      key: "startup node",
      title: "Start-up in Node: import to first request",
      reference: `${names.openai}: import alone`,
      columns: [cpu, wall],
      rows: both.map(({ name, ...options }) => ({ name, ours: clients.get(options.client).ours, measure: () => runInNode("startup", options) })),
    },
    {
      key: "startup chromium",
      title: "Start-up in Chromium: import to first request",
      reference: names.openai,
      columns: [wall, cpu],
      rows: onePerPackage.map((name) => ({ name, ours: clients.get(name).ours, measure: () => first.run({ client: name, importOnly: false }) })),
    },
    {
      key: "compile chromium",
      title: "Start-up in Chromium: compile and instantiate",
      columns: [wall, cpu],
      rows: ["compile", "instantiate", "both"].map((step) => ({ name: step, ours: true, measure: () => compiling.run({ step, wasm: compiling.wasm }) })),
    },
    {
      key: "startup workerd",
      title: "Start-up in workerd: process start to first answer",
      reference: "no client",
      columns: [wall, { head: "of it until it listens", value: (sample) => sample.listening, digits: 1 }, cpu, peakRss],
      rows: [...workers].map(([name, worker]) => ({ name: name ?? "no client", ours: clients.get(name)?.ours, measure: worker.start })),
    },
  ];
  try {
    await measureRounds(tables, { ...context, rounds: context.rounds * 3 });
    return tables;
  } finally {
    await first.close();
    await compiling.close();
    for (const worker of workers.values()) await worker.remove();
  }
}

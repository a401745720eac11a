import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

import { build } from "esbuild";
import { Log, LogLevel, Miniflare } from "miniflare";

import * as wire from "../../server/wire.js";

const { version } = createRequire(import.meta.resolve("miniflare"))("workerd/package.json");
/** Miniflare would compress the answers, and hold back short ones for that. */
const uncompressed = { "accept-encoding": "identity" };
const requestsAtOnce = 50;
const tokens = 30;

/** @param {import("../run.js").Context} context */
export async function runInWorkerd(context) {
  context.onValue({ version });
  let logged = "";
  const miniflare = new Miniflare({
    modules: await bundle(context.consumer),
    compatibilityDate: "2026-04-01",
    log: new Log(LogLevel.ERROR),
    // workerd logs every failed connection, and the checks make connections fail.
    handleRuntimeStdio(stdout, stderr) {
      stdout.resume();
      stderr.setEncoding("utf8").on("data", (text) => (logged = (logged + text).slice(-4000)));
    },
    host: "127.0.0.1",
    port: 0,
  });
  context.signal.addEventListener("abort", () => void miniflare.dispose());
  try {
    const worker = await miniflare.ready;
    // These come first: the module is cold, and all requests find it so.
    for (const check of isolateChecks) await context.runHostCheck(check.name, () => check.run({ worker, server: context.server }));
    const response = await fetch(new URL(`/conformance?${new URLSearchParams({ server: context.server, only: context.only })}`, worker), { signal: context.signal, headers: uncompressed });
    let rest = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) context.onValue(JSON.parse(line));
    }
  } catch (error) {
    context.note(`the last that workerd logged:\n${logged}`);
    throw error;
  } finally {
    await miniflare.dispose();
  }
}

/** One module of JavaScript; the .wasm stays a file of its own, which workerd compiles. */
async function bundle(consumer) {
  const files = new Map();
  const result = await build({
    entryPoints: [join(consumer.folder, "tests/runtimes/workerd/worker.js")],
    bundle: true,
    format: "esm",
    write: false,
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    plugins: [
      {
        name: "compiled-wasm",
        setup({ onResolve }) {
          onResolve({ filter: /\.wasm(\?module)?$/ }, ({ path, resolveDir }) => {
            const name = path.replace(/^.*\//, "").replace(/\?.*/, "");
            files.set(name, join(resolveDir, path.replace(/\?.*/, "")));
            return { path: `./${name}`, external: true };
          });
        },
      },
    ],
  });
  const modules = [{ type: "ESModule", path: "worker.js", contents: result.outputFiles[0].text }];
  for (const [name, path] of files) modules.push({ type: "CompiledWasm", path: name, contents: await readFile(path) });
  return modules;
}

const isolateChecks = [
  {
    name: `workerd: one isolate serves ${requestsAtOnce} requests at once, each streaming its own answer`,
    async run({ worker, server }) {
      const run = "simultaneous";
      // The barrier holds every answer after its first token until all have begun.
      const service = `${server}/s/ok;run=${run};echo=1;tokens=${tokens};pace=1;barrier=${requestsAtOnce}`;
      const ways = ["chunks", "textStream", "final"];
      const answers = Array.from({ length: requestsAtOnce }, async (_, id) => {
        const parameters = new URLSearchParams({ id: `caller-${id}`, service, way: ways[id % ways.length] });
        const response = await fetch(new URL(`/answer?${parameters}`, worker), { headers: uncompressed });
        return [response.status, await response.text()];
      });
      for (const [id, [status, text]] of (await Promise.all(answers)).entries()) {
        const expected = wire.tokensOf({ tokens, id: `caller-${id}` }).join("");
        if (status !== 200 || text !== expected) throw new Error(`Request ${id} got status ${status} and "${text}" in place of "${expected}"`);
      }
      const { requests } = await (await fetch(`${server}/log/${run}/closed?count=${requestsAtOnce}`)).json();
      if (requests.length !== requestsAtOnce) throw new Error(`The service saw ${requests.length} requests`);
      for (const { body, headers } of requests) {
        const id = wire.questionOf(body);
        const expected = `sha256:${createHash("sha256").update(`Bearer token-of-${id}`).digest("hex")}`;
        if (headers.authorization !== expected) throw new Error(`The request of ${id} carried another's token`);
      }
    },
  },
  {
    name: "workerd: a caller who leaves ends the worker's own request, the others go on",
    async run({ worker, server }) {
      const service = (run) => `${server}/s/endless;run=${run};echo=1`;
      const open = async (run) => {
        const controller = new AbortController();
        const parameters = new URLSearchParams({ id: run, service: service(run), way: "chunks" });
        const response = await fetch(new URL(`/answer?${parameters}`, worker), { signal: controller.signal, headers: uncompressed });
        const reader = response.body.getReader();
        await reader.read();
        return { controller, reader };
      };
      const [leaving, staying] = await Promise.all([open("leaving"), open("staying")]);
      leaving.controller.abort();
      const response = await fetch(`${server}/log/leaving/closed`);
      if (response.status !== 200) throw new Error("The service's connection stayed open");
      for (let count = 0; count < 5; count++) if ((await staying.reader.read()).done) throw new Error("The other answer ended too");
      const { requests } = await (await fetch(`${server}/log/staying`)).json();
      if (requests[0].closed) throw new Error("The other connection was closed");
      staying.controller.abort();
      await fetch(`${server}/log/staying/closed`);
    },
  },
];

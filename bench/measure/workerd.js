/** Guests in workers of workerd, Cloudflare's runtime, each run in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { clients } from "../clients.js";
import { benchFolder } from "./bundle.js";
import { esbuild, tests } from "./tools.js";

const miniflare = createRequire(tests.resolve("miniflare"));
export const { version } = miniflare("workerd/package.json");
const program = miniflare("workerd").default;

const workers = fileURLToPath(new URL("../../target/bench/", import.meta.url));
const table = join(benchFolder, "clients.js");

/** The longest that one run may take, in milliseconds. */
const limit = 120_000;

/**
 * Bundles guests/worker.js with one guest and one client.
 * @param {string} guest
 * @param {string} [client] none for the worker alone
 * @returns {Promise<{ start(): Promise<object>, run(options: object): Promise<object>, remove(): Promise<void> }>} `start` measures a
 * process from its start to the answer to its first request, `run` a guest in a process that runs
 */
export async function prepareWorker(guest, client) {
  const wasm = new Map();
  const packages = clients.get(client)?.packages ?? [];
  const { outputFiles } = await esbuild.build({
    stdin: { contents: `import { load } from "./guests/worker.js"; import { prepare } from "./guests/${guest}.js"; export default await load(prepare, ${JSON.stringify(client)});`, resolveDir: benchFolder, sourcefile: "entry.js" },
    absWorkingDir: benchFolder,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*"],
    write: false,
    logLevel: "error",
    plugins: [
      {
        name: "one-client",
        setup({ onResolve }) {
          // The table names the other clients, and never imports them here.
          onResolve({ filter: /^[^.]/, namespace: "file" }, ({ path, importer }) => (importer === table && !packages.includes(path) ? { path, external: true } : undefined));
        },
      },
      {
        name: "compiled-wasm",
        setup({ onResolve }) {
          onResolve({ filter: /\.wasm$/ }, ({ path, resolveDir }) => {
            wasm.set(basename(path), join(resolveDir, path));
            return { path: `./${basename(path)}`, external: true };
          });
        },
      },
    ],
  });
  await mkdir(workers, { recursive: true });
  const folder = await mkdtemp(join(workers, "worker-"));
  await writeFile(join(folder, "worker.js"), outputFiles[0].contents);
  for (const [name, path] of wasm) await writeFile(join(folder, name), await readFile(path));
  const modules = ['(name = "worker.js", esModule = embed "worker.js")', ...[...wasm.keys()].map((name) => `(name = "${name}", wasm = embed "${name}")`)];
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (modules = [${modules.join(", ")}], compatibilityDate = "2026-04-01", compatibilityFlags = ["nodejs_compat"]);
`;
  await writeFile(join(folder, "config.capnp"), config);
  return {
    start: () => withProcess(folder, startUp),
    run: (options) => withProcess(folder, (worker) => runGuest(worker, { client, ...options })),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function startUp({ ask, began, listening, cost }) {
  await ask("/start");
  return { wall: performance.now() - began, listening, count: 1, ...(await cost()) };
}

async function runGuest({ ask, cost }, options) {
  await ask("/prepare", options);
  const before = await cost();
  const began = performance.now();
  await ask("/run");
  const wall = performance.now() - began;
  const after = await cost();
  return { cpu: after.cpu - before.cpu, wall, startRss: before.peakRss, peakRss: after.peakRss, ...(await ask("/finish")) };
}

/** Starts the process, does `work` with it, and ends it. */
async function withProcess(folder, work) {
  const began = performance.now();
  // workerd writes the port that it listens on to the descriptor 3.
  const child = spawn(program, ["serve", "config.capnp", "--control-fd=3"], { cwd: folder, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  let logged = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (logged = (logged + text).slice(-2000)));
  const ended = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), limit);
  try {
    const port = await portOf(child.stdio[3]);
    if (port === undefined) throw new Error(`workerd did not listen: ${logged.slice(0, 300)}`);
    const listening = performance.now() - began;
    const ask = async (path, options = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: JSON.stringify(options) });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`status ${response.status}: ${text} ${logged.slice(0, 300)}`);
      return JSON.parse(text);
    };
    return await work({ ask, began, listening, cost: () => costOf(child.pid) });
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    await ended;
  }
}

/** @returns {Promise<number | undefined>} nothing when it ended before it listened */
async function portOf(stream) {
  let text = "";
  for await (const part of stream.setEncoding("utf8")) {
    text += part;
    for (const line of text.split("\n").slice(0, -1)) {
      const { event, port } = JSON.parse(line);
      if (event === "listen") return port;
    }
  }
}

/** The CPU time of a process in milliseconds, in steps of 10, and the largest memory it had; Linux only. */
async function costOf(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const [, peak] = (await readFile(`/proc/${pid}/status`, "utf8")).match(/^VmHWM:\s+(\d+)/m);
  return { cpu: ticks * 10, peakRss: Number(peak) / 1024 };
}

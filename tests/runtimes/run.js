/**
 * Runs the conformance list in every runtime against the packed package:
 *
 *     node tests/runtimes/run.js                        all runtimes
 *     node tests/runtimes/run.js node20 chromium        some of them
 *     node tests/runtimes/run.js --only=bytes deno      only the checks whose name contains "bytes"
 *
 * A runtime that cannot run is a failure.
 *
 * @typedef {object} Context what a runner gets
 * @property {{ folder: string, manifest: any, packageFolder: string }} consumer
 * @property {string} server the scenario server
 * @property {string} only
 * @property {AbortSignal} signal aborted when the time is up
 * @property {(value: any) => void} onValue takes what the guest says: `{ version, entry }`, `{ outcome }`, `{ end }`, `{ fatal }`
 * @property {(text: string) => void} note
 * @property {(open: Function, version: string) => Promise<{ url: string, ended: Promise<void>, close(): void }>} page
 * @property {(name: string, run: () => Promise<void>) => Promise<void>} runHostCheck a check that is made from outside
 */
import { parseArgs } from "node:util";

import { startServer } from "../server/server.js";
import { installPackage } from "./install-package.js";

/** The longest that one runtime may take, in milliseconds. */
const limit = 240_000;

/** Loaded when needed: a runner that cannot even be loaded fails its own runtime only. */
const runtimes = {
  node20: async () => (await import("./node/run.js")).runInNode20,
  node24: async () => (await import("./node/run.js")).runInNode24,
  deno: async () => (await import("./deno/run.js")).runInDeno,
  bun: async () => (await import("./bun/run.js")).runInBun,
  workerd: async () => (await import("./workerd/run.js")).runInWorkerd,
  chromium: async () => (await import("./chromium/run.js")).runInChromium,
  "chromium-worker": async () => (await import("./chromium/run.js")).runInChromiumWorker,
  firefox: async () => (await import("./firefox/run.js")).runInFirefox,
  webkitgtk: async () => (await import("./webkitgtk/run.js")).runInWebKitGtk,
};

const { values, positionals } = parseArgs({ options: { only: { type: "string", default: "" } }, allowPositionals: true });
const unknown = positionals.filter((name) => !(name in runtimes));
if (unknown.length > 0) {
  console.error(`Unknown runtime: ${unknown.join(", ")}. There are: ${Object.keys(runtimes).join(", ")}`);
  process.exit(2);
}

const consumer = await installPackage();
const results = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(runtimes)) results.push(await runIn(name));
printSummary(results);
process.exit(results.every(({ failed, problem }) => failed === 0 && problem === undefined) ? 0 : 1);

async function runIn(name) {
  const start = Date.now();
  const result = { name, version: "", passed: 0, failed: 0, notApplicable: 0, problem: undefined, seconds: 0 };
  const server = await startServer();
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(new Error(`not finished after ${limit / 1000} s`)), limit);
  const lateness = new Promise((_, reject) => timeUp.signal.addEventListener("abort", () => reject(timeUp.signal.reason)));
  lateness.catch(() => {});
  let ended = false;

  const take = (outcome) => {
    const counter = { passed: "passed", failed: "failed", "not applicable": "notApplicable" }[outcome.status];
    result[counter] += 1;
    console.log(`${name}: ${outcome.status}: ${outcome.name} (${outcome.milliseconds} ms)`);
    if (outcome.error) console.log(outcome.error.replace(/^/gm, "    "));
  };
  const onValue = (value) => {
    if (value.version) result.version ||= value.version;
    if (value.outcome) take(value.outcome);
    if (value.end) ended = true;
    if (value.fatal) result.problem = value.fatal;
  };
  /** @type {Context} */
  const context = {
    consumer,
    server: server.url,
    only: values.only,
    signal: timeUp.signal,
    onValue,
    note: (text) => console.log(`${name}: ${text}`),
    async page(open, version) {
      result.version = version;
      let finish;
      const pageEnded = new Promise((resolve) => (finish = resolve));
      const page = await open({
        consumer,
        server: server.url,
        only: values.only,
        onValue(value) {
          onValue(value);
          if (value.end || value.fatal) finish();
        },
      });
      return { ...page, ended: Promise.race([pageEnded, lateness]) };
    },
    async runHostCheck(checkName, run) {
      if (!checkName.includes(values.only)) return;
      const begin = Date.now();
      const outcome = { name: checkName, status: "passed", milliseconds: 0 };
      try {
        await Promise.race([run(), lateness]);
      } catch (error) {
        Object.assign(outcome, { status: "failed", error: String(error?.stack ?? error) });
      }
      outcome.milliseconds = Date.now() - begin;
      take(outcome);
    },
  };

  try {
    const run = await runtimes[name]();
    await Promise.race([run(context), lateness]);
    if (result.problem === undefined && !ended) result.problem = "it ended before the list did";
    if (result.problem === undefined && result.passed + result.failed === 0) result.problem = "no check was run";
  } catch (error) {
    result.problem = String(error?.stack ?? error);
  } finally {
    clearTimeout(timer);
    await server.close();
  }
  if (result.problem !== undefined) console.log(`${name}: failed: ${result.problem}`);
  result.seconds = (Date.now() - start) / 1000;
  return result;
}

function printSummary(results) {
  const rows = [["runtime", "version", "passed", "failed", "not applicable", "seconds", ""]];
  for (const { name, version, passed, failed, notApplicable, seconds, problem } of results) {
    rows.push([name, version, passed, failed, notApplicable, seconds.toFixed(1), problem === undefined ? "" : "did not run to the end"].map(String));
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  console.log();
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
}

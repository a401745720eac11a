/**
 * Measures ours beside the peers and writes the report:
 *
 *     make bench                       every part, ROUNDS=5
 *     make bench PART=size             one part, or some ("size,stream")
 *     make bench ROUNDS=1              fewer rounds
 *     make bench BENCH_QUICK=1         small loads as well, one round: to see that it works
 *     make bench SEED=7                another order
 *
 * The report is target/bench/report.md with report.svg. A run of every part with full loads and at least five rounds, in which
 * nothing failed, writes bench/REPORT.md and bench/report.svg as well.
 *
 * It fails when a client gave a wrong text or did not end, and never because something took long.
 *
 * @typedef {object} Context what a part gets
 * @property {boolean} quick small loads
 * @property {number} rounds
 * @property {() => number} next chance, from the seed
 * @property {(text: string) => void} say
 * @property {Map<string, string>} versions takes what a part finds out
 */
import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, loadavg, platform, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

import { version as nodeVersion } from "./measure/node.js";
import { installOurs, peerVersions } from "./measure/package.js";
import { random } from "./measure/statistics.js";
import { versionOf } from "./measure/tools.js";
import { compareWithLimits } from "./limits.js";
import { limitsTable, writeMarkdown } from "./report/markdown.js";
import { drawSvg } from "./report/svg.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const fullRounds = 5;
const everyPart = ["size", "stream", "http", "startup", "partial-json", "latency", "calls", "proxy"];

const { PART = "", BENCH_QUICK = "", ROUNDS = "", SEED = "" } = process.env;
const quick = BENCH_QUICK !== "" && BENCH_QUICK !== "0";
const rounds = wholeNumber("ROUNDS", ROUNDS, quick ? 1 : fullRounds, 1);
const seed = wholeNumber("SEED", SEED, 1, 0);
const chosen = PART === "" ? everyPart : [...new Set(PART.split(","))];
const unknown = chosen.filter((name) => !everyPart.includes(name));
if (unknown.length > 0) refuse(`There is no part ${unknown.join(", ")}. The parts: ${everyPart.join(", ")}`);

const ourVersion = await installOurs();
/** @type {Context} */
const context = {
  quick,
  rounds,
  next: random(seed),
  say: (text) => console.log(text),
  versions: new Map([["hf-inference-wasm", ourVersion], ...peerVersions(), ["Node", nodeVersion], ["esbuild", versionOf("esbuild")]]),
};

const loadBefore = loadavg()[1];
const parts = [];
for (const name of chosen) {
  console.log(`\n== ${name}`);
  const { run, title, method } = await import(`./parts/${name}.js`);
  try {
    parts.push({ name, title, method, tables: await run(context) });
  } catch (error) {
    console.error(error);
    parts.push({ name, title, method, tables: [], problem: String(error?.message ?? error) });
  }
}

const limits = compareWithLimits(parts);
const failures = parts.flatMap(({ name, problem, tables }) => [
  ...(problem === undefined ? [] : [`${name}: ${problem}`]),
  ...tables.flatMap(({ title, rows }) => rows.filter((row) => row.problem !== undefined).map((row) => `${title}: ${row.name}: ${row.problem}`)),
]);
const full = !quick && rounds >= fullRounds && chosen.length === everyPart.length && failures.length === 0;
const machine = `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}; load average over 5 minutes ${loadBefore.toFixed(1)} before the run and ${loadavg()[1].toFixed(1)} at its end`;
const report = { parts, limits, failures, versions: context.versions, machine, quick, rounds, seed, date: new Date().toISOString().slice(0, 10) };

await save("target/bench", "report.md", "../../bench/NOTES.md");
if (full) await save("bench", "REPORT.md", "NOTES.md");
console.log(`\n${limitsTable(limits)}`);
for (const failure of failures) console.error(`FAILED: ${failure}`);
console.log(`\nwritten: target/bench/report.md and report.svg${full ? ", bench/REPORT.md and bench/report.svg" : ""}`);
process.exit(failures.length > 0 ? 1 : 0);

async function save(folder, name, notes) {
  await mkdir(`${root}${folder}`, { recursive: true });
  await writeFile(`${root}${folder}/${name}`, writeMarkdown(report, notes));
  await writeFile(`${root}${folder}/report.svg`, drawSvg(report));
}

function wholeNumber(name, text, otherwise, least) {
  if (text === "") return otherwise;
  const number = Number(text);
  if (!Number.isInteger(number) || number < least) refuse(`${name} must be a whole number from ${least} on, not "${text}"`);
  return number;
}

function refuse(why) {
  console.error(why);
  process.exit(2);
}

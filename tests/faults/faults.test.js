/**
 * Every row of the fault table against the packed package, in Node and in Chromium: over sockets and in memory. Prints
 * what came of each, in the form of the README's table.
 */
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import puppeteer from "puppeteer-core";

import { require } from "../runtimes/executables.js";
import { hostPage } from "../runtimes/page-host.js";
import { runJsonLines } from "../runtimes/processes.js";
import { startServer } from "../server/server.js";
import { usePackage } from "../testing/support.js";
import { rows } from "./table.js";

/** The whole table, in milliseconds. */
const limit = 120_000;

const runtimes = { Node: inNode, Chromium: inChromium };
/** @type {Map<string, import("./guest.js").Result>} */
const results = new Map();
const problems = new Map();
const consumer = await prepare();
for (const [runtime, run] of Object.entries(runtimes)) problems.set(runtime, await problemOf(runtime, run));

for (const runtime of Object.keys(runtimes)) {
  describe(runtime, () => {
    test("the table was run to its end", () => assert.equal(problems.get(runtime), undefined));
    for (const row of rows) {
      for (const transport of ["sockets", "memory"]) {
        test(`${row.name} (${transport})`, () => expectRow(row, results.get([runtime, transport, row.name].join())));
      }
    }
  });
}

after(() => {
  const columns = Object.keys(runtimes).flatMap((runtime) => ["sockets", "memory"].map((transport) => [runtime, transport]));
  const cellOf = (row, column) => results.get([...column, row.name].join())?.cell ?? "did not run";
  console.log(`| scenario | should | ${columns.map((column) => column.join(", ")).join(" | ")} |`);
  console.log(`|---|---|${columns.map(() => "---|").join("")}`);
  for (const row of rows) console.log(`| ${row.name} | ${row.should} | ${columns.map((column) => cellOf(row, column)).join(" | ")} |`);
});

/** A project with the packed package and the guests, as the runners of tests/runtimes expect it. */
async function prepare() {
  const { directory, manifest } = await usePackage();
  for (const part of ["faults", "server"]) {
    await cp(fileURLToPath(new URL(`../${part}`, import.meta.url)), join(directory, "tests", part), { recursive: true });
  }
  return { folder: directory, manifest };
}

/** Runs the table, and says what kept it from its end. */
async function problemOf(runtime, run) {
  const server = await startServer();
  let problem = "it ended before the table did";
  try {
    await run(server.url, (value) => {
      if (value.result) results.set([runtime, value.result.transport, value.result.row].join(), value.result);
      if (value.end) problem = undefined;
      if (value.fatal) problem = value.fatal;
    });
  } catch (error) {
    problem = String(error?.stack ?? error);
  } finally {
    await server.close();
  }
  return problem;
}

function expectRow(row, result) {
  assert.ok(result, "it did not run");
  assert.deepEqual(result.problems, []);
  assert.equal(result.cell, row.cell);
  const { waits = [], lasts } = row;
  assert.equal(result.waits.length, waits.length, `the waits: ${result.waits}`);
  for (const [index, [least, most]] of waits.entries()) expectWithin(result.waits[index], least, most, `wait ${index + 1}`);
  if (lasts) expectWithin(result.lasted, ...lasts, "it lasted");
}

function expectWithin(value, least, most, what) {
  assert.ok(value >= least && value <= most, `${what}: ${value} ms, expected ${least} to ${most}`);
}

async function inNode(server, onValue) {
  await runJsonLines({
    program: process.execPath,
    parameters: ["tests/faults/node.js", server],
    cwd: consumer.folder,
    onValue,
    signal: AbortSignal.timeout(limit),
  });
}

async function inChromium(server, onValue) {
  const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const browser = await puppeteer.launch({ executablePath: require("chromium"), args: ["--no-sandbox", "--disable-gpu", ...quiet] });
  let finish;
  const ended = new Promise((resolve) => (finish = resolve));
  const page = await hostPage({
    consumer,
    server,
    name: "chromium",
    only: "",
    onValue(value) {
      onValue(value);
      if (value.end || value.fatal) finish();
    },
  });
  try {
    const url = new URL(page.url);
    url.pathname = "/tests/faults/page.html";
    await (await browser.newPage()).goto(url.href);
    const timer = setTimeout(() => finish(), limit);
    await ended;
    clearTimeout(timer);
  } finally {
    page.close();
    await browser.close();
  }
}

import { AssertionError, assert } from "./assert.js";

/** A check that takes longer hangs. Nothing is measured by it. */
const longestCheck = 40_000;

/**
 * What a runtime's runner says about where the checks run.
 * @typedef {object} Environment
 * @property {string} name such as "Chromium 156"
 * @property {boolean} page whether this is a web page (or its worker) under the same-origin policy
 * @property {number} connections how many requests to one host may be open at once
 *
 * @typedef {object} Check
 * @property {string} name
 * @property {(tools: Tools) => Promise<void>} run
 * @property {(environment: Environment) => boolean} [applies] absent when the check is for every runtime
 *
 * @typedef {object} Outcome
 * @property {string} name
 * @property {"passed" | "failed" | "not applicable"} status
 * @property {string} [error]
 * @property {number} milliseconds
 *
 * @typedef {ReturnType<typeof toolsFor>} Tools
 */

/**
 * Runs the checks one after the other and reports each as soon as it is known.
 * @param {{ checks: Check[], library: any, server: string, environment: Environment, report: (outcome: Outcome) => unknown, only?: string }} options
 *   `only` keeps the checks whose name contains it.
 */
export async function runChecks({ checks, library, server, environment, report, only = "" }) {
  const rejections = unhandledRejections();
  for (const check of checks.filter(({ name }) => name.includes(only))) {
    const start = Date.now();
    const outcome = { name: check.name, status: "passed", milliseconds: 0 };
    if (check.applies && !check.applies(environment)) {
      outcome.status = "not applicable";
    } else {
      try {
        await inTime(check.run(toolsFor({ library, server, environment })));
        await turns();
        const unhandled = rejections.take();
        if (unhandled.length > 0) throw new Error(`unhandled rejection: ${unhandled.map(describe).join("; ")}`);
      } catch (error) {
        outcome.status = "failed";
        outcome.error = [describe(error), ...rejections.take().map((reason) => `unhandled rejection: ${describe(reason)}`)].join("\n");
      }
      outcome.milliseconds = Date.now() - start;
    }
    await report(outcome);
  }
}

let runs = 0;
const session = Math.random().toString(36).slice(2);

function toolsFor({ library, server, environment }) {
  return {
    library,
    server,
    environment,
    assert,
    scenario: (name, options) => new Scenario(server, name, options),
    /** A client whose requests go to a scenario in place of the router. It does not retry unless told to. */
    client: (scenario, options) => new library.InferenceClient({ baseUrl: scenario.url, retry: false, ...options }),
  };
}

/** One scenario of the server and the run in which its requests are recorded. */
class Scenario {
  #server;
  #run = `${session}-${++runs}`;

  constructor(server, name, options = {}) {
    this.#server = server;
    const pairs = Object.entries({ run: this.#run, ...options }).map(([key, value]) => `;${key}=${value}`);
    this.url = `${server}/s/${name}${pairs.join("")}`;
  }

  /** The requests so far. */
  async requests() {
    return (await this.#ask("")).requests;
  }

  /** How many requests were being answered at the same time, at most. */
  async mostAtOnce() {
    return (await this.#ask("")).mostAtOnce;
  }

  async preflights() {
    return (await this.#ask("")).preflights;
  }

  /** Waits until `count` requests have arrived. */
  async seen(count = 1) {
    return (await this.#ask(`/seen?count=${count}`)).requests;
  }

  /** Waits until the connections of all requests (at least `count`) have ended or been closed. */
  async closed(count = 1) {
    return (await this.#ask(`/closed?count=${count}`)).requests;
  }

  /** Lets the scenario go on from its gate. */
  async go() {
    await this.#ask("/go");
  }

  async #ask(question) {
    const response = await fetch(`${this.#server}/log/${this.#run}${question}`);
    if (response.status === 504) throw new Error(`The server waited in vain for "${question}": ${await response.text()}`);
    return response.json();
  }
}

/** Lets the tasks that are ready now run, so that what they leave behind shows. */
export async function turns(count = 3) {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Runs every case of a table, also after one has failed, so that one run tells all.
 * @param {Record<string, any>} table
 * @param {(name: string, value: any) => unknown} run
 */
export async function forEachCase(table, run) {
  const failures = [];
  for (const [name, value] of Object.entries(table)) {
    try {
      await run(name, value);
    } catch (error) {
      failures.push(`${name}: ${describe(error).split("\n", 2).join(" ")}`);
    }
  }
  if (failures.length > 0) throw new AssertionError(`${failures.length} cases of ${Object.keys(table).length}\n${failures.join("\n")}`);
}

export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

function unhandledRejections() {
  let reasons = [];
  const note = (reason) => reasons.push(reason);
  // Node and Bun tell the process, all others the global object.
  if (typeof process === "object" && typeof process.on === "function" && typeof Deno === "undefined") {
    process.on("unhandledRejection", note);
  } else {
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      note(event.reason);
    });
  }
  return {
    take() {
      const taken = reasons;
      reasons = [];
      return taken;
    },
  };
}

async function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result after ${longestCheck / 1000} s`)), longestCheck);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The error, and where in the checks it came up. */
function describe(error) {
  if (!(error instanceof Error)) return `${typeof error} ${String(error)}`;
  const frames = String(error.stack ?? "").split("\n").filter((line) => /^\s+at |@\w+:\/\//.test(line) && !/\/(assert|harness)\.js|node:internal/.test(line));
  const cause = error.cause === undefined ? [] : [`caused by ${error.cause?.name}: ${error.cause?.message}`];
  return [`${error.name}: ${error.message}`, ...cause, ...frames.slice(0, 4)].join("\n");
}

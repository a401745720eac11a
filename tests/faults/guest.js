/**
 * Runs the rows of the table, in Node or in a page: over sockets to the scenario server, and in memory with
 * `faultyFetch`. Time is a virtual clock's in both, so that the default waits and limits are seen in full and
 * nobody has to wait for them.
 */
import { textsOf } from "./table.js";

/** Past this, in true time, a call hangs. */
const longestCall = 15_000;

const inTruth = globalThis.setTimeout;
const pause = (milliseconds) => new Promise((resolve) => inTruth(resolve, milliseconds));
const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };

/**
 * @param {{ rows: import("./table.js").Row[], library: any, testing: any, server: string, report: (result: Result) => unknown }} options
 * @typedef {{ row: string, transport: "sockets" | "memory", cell: string, waits: number[], lasted: number, problems: string[] }} Result
 */
export async function runTable({ rows, library, testing, server, report }) {
  await library.init();
  for (const row of rows) {
    await report(await overSockets(row, { library, testing, server }));
    await report(await inMemory(row, { library, testing }));
  }
}

async function inMemory(row, { library, testing }) {
  const clock = new testing.VirtualClock();
  const fetch = testing.faultyFetch({ clock, answer: { text: textsOf(row), ...row.answer }, faults: row.faults });
  const client = new library.InferenceClient({ baseUrl: "https://service.example", fetch });
  const reading = new Reading();
  const restore = clock.install();
  const start = clock.now();
  let lasted;
  try {
    await clock.run(reading.read(client, row)).catch(() => (reading.hangs = true));
    lasted = clock.now() - start;
  } finally {
    restore();
  }
  const closed = fetch.requests.every((request) => request.closed);
  const waits = fetch.requests.slice(1).map(({ at }, index) => at - fetch.requests[index].at);
  return { ...reading.result(row, { library, requests: fetch.requests.length, closed }), transport: "memory", waits, lasted };
}

async function overSockets(row, { library, testing, server }) {
  const run = `fault-${Math.random().toString(36).slice(2)}`;
  const [name, options] = row.scenario;
  const pairs = Object.entries({ tokens: 20, ...options, run }).map(([key, value]) => `;${key}=${encodeURIComponent(value)}`);
  const log = async (question = "") => {
    const response = await fetch(`${server}/log/${run}${question}`);
    if (!response.ok) throw new Error(`${row.name}: the server waited in vain for "${question}"`);
    return response.json();
  };

  const clock = new testing.VirtualClock();
  const reading = new Reading();
  const sent = [];
  const events = [];
  const client = new library.InferenceClient({
    baseUrl: `${server}/s/${name}${pairs.join("")}`,
    onAttempt: () => {
      sent.push(clock.now());
      if (row.silent !== undefined) events.push({ silence: sent.length });
    },
    onRetry: ({ delay }) => events.push({ delay }),
  });
  const restore = clock.install();
  let lasted;
  try {
    let over = false;
    const call = reading.read(client, row).finally(() => (over = true));
    const late = pause(longestCall).then(() => (reading.hangs ||= !over));
    let opened = false;
    // Time passes when the client has said that it waits for that, or when the service has fallen silent.
    const passTime = async () => {
      while (!over && !reading.hangs) {
        const event = events.shift();
        if (event?.delay !== undefined) {
          // The notice has whole milliseconds, cut off.
          await clock.advance(event.delay + 1);
        } else if (event?.silence !== undefined) {
          await log(`/seen?count=${event.silence}`);
          while (reading.deltas < row.silent && !reading.hangs) await pause(1);
          while (!over && events.length === 0 && clock.next !== undefined) await clock.advance(clock.next);
        } else if (options?.gate && !opened && reading.deltas >= options.after) {
          opened = true;
          await log("/go");
        } else {
          await pause(1);
        }
      }
    };
    await Promise.race([Promise.all([call, passTime()]), late]);
    lasted = clock.now() - sent[0];
  } finally {
    restore();
  }
  let closed = true;
  const { requests } = await log("/closed").catch(() => {
    closed = false;
    return log();
  });
  const waits = sent.slice(1).map((at, index) => at - sent[index]);
  const result = reading.result(row, { library, requests: requests.length, closed });
  if (sent.length !== requests.length) result.problems.push(`${sent.length} attempts, but the server saw ${requests.length} requests`);
  return { ...result, transport: "sockets", waits, lasted };
}

/** Reads an answer as an app does, and sees what comes of it. */
class Reading {
  deltas = 0;
  text = "";
  error;
  hangs = false;

  async read(client, { leaveAfter }) {
    try {
      for await (const chunk of client.chatCompletionStream(question)) {
        const content = chunk.choices[0]?.delta?.content;
        if (!content) continue;
        this.deltas += 1;
        this.text += content;
        if (this.deltas === leaveAfter) break;
      }
    } catch (error) {
      this.error = error;
    }
  }

  result(row, { library, requests, closed }) {
    const problems = [];
    const expected = textsOf(row).join("");
    const counts = `${this.deltas}d, ${requests}r`;
    const { error } = this;
    if (!closed) problems.push("a connection stayed open");
    if (error && !(error instanceof library.InferenceError)) problems.push(`not an InferenceError: ${error?.stack ?? error}`);
    if (error && this.deltas > 0 && error.partial?.text !== this.text) problems.push("`partial` is not what was received");
    if (error && !expected.startsWith(this.text)) problems.push("what was received is not the beginning of the answer");
    return { row: row.name, cell: `${this.#verdict(row, expected, closed)}, ${counts}`, problems };
  }

  #verdict({ leaveAfter }, expected, closed) {
    const { error, text } = this;
    if (this.hangs) return "HANG";
    if (error) return `error \`${error.name}\`${error.status === undefined ? "" : ` ${error.status}`}`;
    if (leaveAfter !== undefined) return closed ? "closes the connection" : "LEAKS the connection";
    if (text === expected) return "ok";
    if (text === "") return "SILENT EMPTY";
    return text.length > expected.length ? "SILENT DUPLICATION" : expected.startsWith(text) ? "SILENT TRUNCATION" : "SILENT LOSS";
  }
}

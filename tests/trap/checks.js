/**
 * What is to become of calls when the core traps: the same list in each runtime, with a core that traps on demand.
 *
 * @typedef {object} Surroundings
 * @property {any} library the package
 * @property {() => WeakRef<WebAssembly.Memory>} lastMemory that of the core's last instance
 * @property {string} service
 * @property {string} questions
 * @property {string} name of the runtime, so that runs keep apart
 * @property {(() => void) | undefined} collectGarbage
 * @property {string[]} surprises what was thrown and not caught, and rejected and not handled
 */

const question = { messages: [{ role: "user", content: "Hello" }] };
const answer = "one two";
/** Long enough for anything but a promise that nobody settles. */
const patience = 5_000;

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** How a promise ends, or that it does not. */
async function settled(promise) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, patience, { hangs: true })));
  const end = promise.then((value) => ({ value }), (error) => ({ error }));
  const outcome = await Promise.race([end, late]);
  clearTimeout(timer);
  return outcome;
}

async function expectAnswer(client, baseUrl, what) {
  const { hangs, error, value } = await settled(client.chat.stream(question, { baseUrl }).final());
  expect(!hangs, `${what}: no answer`);
  expect(error === undefined, `${what}: ${error?.stack ?? error}`);
  expect(value.text === answer, `${what}: ${JSON.stringify(value.text)}`);
}

/** Reads the first piece; `end` is the end of the reading. */
async function begin(stream) {
  const iterator = stream.textStream[Symbol.asyncIterator]();
  const { value } = await iterator.next();
  expect(value === "one", `the first piece was ${JSON.stringify(value)}`);
  const read = async () => {
    while (!(await iterator.next()).done);
  };
  const end = read();
  // Whoever gets it may have something to do first.
  end.catch(() => {});
  return { end };
}

let runs = 0;

/** The URLs of a run's scripts, and a question about it. */
function newRun({ service, questions, name }) {
  const run = `${name}-${(runs += 1)}`;
  return {
    url: (script) => `${service}/${run}/${script}`,
    /** Lets the core trap, when it reads what comes. */
    go: () => fetch(`${questions}/${run}/go`),
    async expectClosed() {
      const { status } = await fetch(`${questions}/${run}/closed`);
      expect(status === 200, "connections of calls that failed are still open");
    },
  };
}

/** Resolves when all timers are past that the calls of a check had. */
const timersPast = () => new Promise((resolve) => setTimeout(resolve, soon));
const soon = 2_000;
/** The limit whose timer traps: what says so has to have come before. */
const wide = 700;

/** Each asks for an answer in which the core traps, once the run has had so many requests. */
const ways = {
  async "while the loop reads the answer"(client, run, requests) {
    const { end } = await begin(client.chat.stream(question, { baseUrl: run.url(`trap-midway-after-${requests}`) }));
    await run.go();
    return end;
  },
  async "before there is anything to show, in a task of Rust's"(client, run, requests) {
    const stream = client.chat.stream(question, { baseUrl: run.url(`trap-first-after-${requests}`) });
    await run.go();
    return stream.final();
  },
  async "in a timer"(client, run, requests) {
    const options = { baseUrl: run.url(`trap-at-the-timer-after-${requests}`), timeout: { stall: wide } };
    const { end } = await begin(client.chat.stream(question, options));
    await run.go();
    return end;
  },
};

/** @type {{ name: string, run(surroundings: Surroundings): Promise<void> }[]} */
export const checks = Object.entries(ways).flatMap(([where, trap]) => [
  {
    name: `a trap ${where} fails the call; the next one works, of this client, of an older and of a new one`,
    async run(surroundings) {
      const { InferenceClient, InternalError } = surroundings.library;
      const run = newRun(surroundings);
      const older = new InferenceClient({ model: "m" });
      await expectAnswer(older, run.url("well"), "an older client's call before");
      const client = new InferenceClient({ model: "m" });
      const { hangs, error } = await settled(trap(client, run, 0));
      expect(!hangs, "the call neither answered nor failed");
      expect(error instanceof InternalError, `the call failed with ${error?.stack ?? error}`);
      await expectAnswer(client, run.url("well"), "the same client's next call");
      await expectAnswer(older, run.url("well"), "the older client's next call");
      await expectAnswer(new InferenceClient({ model: "m" }), run.url("well"), "a new client's call");
      expect(JSON.parse(await older.snapshot()).version === 1, "the older client's snapshot");
      await run.expectClosed();
    },
  },
  {
    name: `a trap ${where} fails all calls in flight, whatever they wait for`,
    async run(surroundings) {
      const { InferenceClient, InternalError } = surroundings.library;
      const run = newRun(surroundings);
      const client = new InferenceClient({ model: "m", timeout: { total: soon } });
      const narrow = new InferenceClient({ model: "m", limits: { concurrency: 1 } });
      const stream = (on, script, options) => on.chat.stream(question, { baseUrl: run.url(script), ...options });
      let retries;
      const retried = new Promise((resolve) => (retries = resolve));
      const calls = {
        "one that is read": (await begin(stream(client, "midway"))).end,
        "one with nothing to show yet": stream(client, "held").final(),
        "one without an answer": stream(narrow, "silent").final(),
        "one in the queue": stream(narrow, "well").final(),
        "one before a retry": stream(client, "refused", { onRetry: retries }).final(),
        "one that waits for its token": stream(client, "well", { accessToken: () => new Promise(() => {}) }).final(),
        "one that is not streamed": client.chatCompletion(question, { baseUrl: run.url("silent") }),
      };
      for (const call of Object.values(calls)) call.catch(() => {});
      await retried;
      calls["the one that traps"] = trap(client, run, 6);
      const outcomes = await Promise.all(Object.entries(calls).map(async ([what, call]) => [what, await settled(call)]));
      for (const [what, { hangs, error, value }] of outcomes) {
        expect(!hangs, `${what}: neither answered nor failed`);
        expect(error !== undefined, `${what}: ended with ${JSON.stringify(value)}`);
        expect(error instanceof InternalError, `${what}: failed with ${error?.stack ?? error}`);
      }
      await run.expectClosed();
      await expectAnswer(client, run.url("well"), "the next call");
      await expectAnswer(narrow, run.url("well"), "the next call of a client with limits");
      await timersPast();
      await expectAnswer(client, run.url("well"), "a call after the timers of the others");
    },
  },
]).concat([
  {
    name: "the memory of a core that trapped is let go",
    async run(surroundings) {
      const { library, lastMemory, collectGarbage } = surroundings;
      if (!collectGarbage) return "not applicable";
      const run = newRun(surroundings);
      const client = new library.InferenceClient({ model: "m" });
      await library.init();
      const memory = lastMemory();
      await run.go();
      await settled(client.chat.stream(question, { baseUrl: run.url("trap-first") }).final());
      await expectAnswer(client, run.url("well"), "the next call");
      // What is collected may have held something else.
      for (let turn = 0; turn < 10 && memory.deref(); turn++) {
        await new Promise((resolve) => setTimeout(resolve));
        collectGarbage();
      }
      expect(memory.deref() === undefined, "the memory is still there");
    },
  },
]);

/**
 * Runs the list.
 * @param {Surroundings} surroundings
 * @param {(outcome: { name: string, error?: string, skipped?: boolean }) => unknown} report
 */
export async function runChecks(surroundings, report) {
  for (const { name, run } of checks) {
    const outcome = { name };
    try {
      outcome.skipped = (await run(surroundings)) === "not applicable";
      const surprises = surroundings.surprises.splice(0);
      expect(surprises.length === 0, `thrown and not caught: ${surprises.join("\n")}`);
    } catch (error) {
      outcome.error = String(error?.stack ?? error);
    }
    await report(outcome);
  }
}

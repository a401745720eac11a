import { runJsonLines } from "./processes.js";

/** Longer than this a process that has nothing left to do does not live. */
const longestExit = 20_000;

/**
 * Runs the list in a runtime that is started from the command line.
 * @param {import("./run.js").Context} context
 * @param {{ name: string, program: string, parameters?: string[], env?: Record<string, string> }} runtime
 */
export async function runCommandLine(context, { name, program, parameters = [], env }) {
  const run = (guest, guestParameters, onValue, signal) =>
    runJsonLines({
      program,
      parameters: [...parameters, `tests/runtimes/guest/${guest}`, ...guestParameters],
      cwd: context.consumer.folder,
      env,
      onValue,
      signal,
    });

  await context.runHostCheck("lifecycle: nothing keeps the process alive", async () => {
    let ended = false;
    const late = AbortSignal.any([context.signal, AbortSignal.timeout(longestExit)]);
    await run("exit.js", [context.server], ({ end }) => (ended ||= end), late);
    if (!ended) throw new Error("the process ended too early");
  });
  await run("command-line.js", [name, context.server, context.only], context.onValue, context.signal);
}

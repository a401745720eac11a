/** Starts the server of `server.js`, and asks it what it has seen. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

/** A server for as long as the surrounding tests last. */
export async function useService() {
  const child = fork(fileURLToPath(new URL("server.js", import.meta.url)), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const exited = once(child, "exit");
  after(async () => {
    if (child.connected) child.disconnect();
    await exited;
  });
  const open = new Map();
  child.on("message", ({ id, answer }) => {
    open.get(id)?.resolve(answer);
    open.delete(id);
  });
  exited.then(() => open.forEach(({ reject }) => reject(new Error("the server is gone"))));
  const [{ port }] = await Promise.race([
    once(child, "message"),
    exited.then(() => Promise.reject(new Error("the server ended before it was ready"))),
  ]);
  let questions = 0;
  const ask = (question, parameters) =>
    new Promise((resolve, reject) => {
      const id = (questions += 1);
      open.set(id, { resolve, reject });
      child.send({ id, question, ...parameters });
    });
  return {
    url: `http://127.0.0.1:${port}`,
    /** A run of calls that meet with a fault: its base URL, and what was asked once none of its answers is open any more. */
    fault: (name, number) => ({
      url: `http://127.0.0.1:${port}/fault/${name}/${name}-${number}`,
      closed: () => ask("closed", { run: `${name}-${number}` }),
    }),
    /** Begins a run under limits; gives its base URL and what the server says of it. */
    async run(run, limits) {
      await ask("begin", { run, limits });
      return {
        name: run,
        url: `http://127.0.0.1:${port}/load/${run}`,
        report: () => ask("run", { run }),
        /** Resolves when the server has seen so many requests. */
        seen: (count) => ask("seen", { run, count }),
      };
    },
  };
}

/** A server on the loopback, in a process of its own, so that its work is nobody's CPU time. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { node } from "./node.js";

/**
 * @returns {Promise<{ url(options: { events: number, charset: string, cut: import("../answer.js").Cut }): string, close(): Promise<void> }>}
 */
export async function startService() {
  const child = fork(fileURLToPath(new URL("service-process.js", import.meta.url)), { execPath: node, execArgv: [] });
  const [port] = await once(child, "message");
  return {
    url: ({ events, charset, cut }) => `http://127.0.0.1:${port}/${events}/${charset}/${cut}/v1`,
    async close() {
      const ended = once(child, "exit");
      // It ends when nobody is there any more.
      child.disconnect();
      await ended;
    },
  };
}

import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Starts a program in a process group of its own.
 * @returns {{ child: import("node:child_process").ChildProcess, stop(): Promise<void> }} `stop` ends the group, nothing else.
 */
export function start(program, parameters, options = {}) {
  const child = spawn(program, parameters, { detached: true, stdio: ["ignore", "pipe", "pipe"], ...options });
  const ended = once(child, "close").catch(() => {});
  return {
    child,
    async stop() {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has already ended.
      }
      await ended;
    },
  };
}

/**
 * Runs a program that prints one JSON value per line, and hands each value on as it comes.
 * @param {{ program: string, parameters: string[], cwd: string, env?: Record<string, string>, onValue: (value: any) => void, signal: AbortSignal }} options
 */
export async function runJsonLines({ program, parameters, cwd, env, onValue, signal }) {
  const { child, stop } = start(program, parameters, { cwd, env: { ...process.env, ...env } });
  const abort = () => void stop();
  signal.addEventListener("abort", abort);
  let other = "";
  const keep = (text) => (other = (other + text).slice(-8000));
  child.stderr.setEncoding("utf8").on("data", keep);
  try {
    const failed = once(child, "error").then(([error]) => Promise.reject(error));
    failed.catch(() => {});
    await Promise.race([readLines(child.stdout, onValue, keep), failed]);
    const code = child.exitCode ?? (await Promise.race([once(child, "exit"), failed]))[0];
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`${program} ended with code ${code ?? child.signalCode}\n${other}`);
  } finally {
    signal.removeEventListener("abort", abort);
    await stop();
  }
}

async function readLines(stream, onValue, onOther) {
  stream.setEncoding("utf8");
  let rest = "";
  for await (const text of stream) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) line.startsWith("{") ? onValue(JSON.parse(line)) : onOther(`${line}\n`);
  }
}

/** Guests in processes of Node 24. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const host = fileURLToPath(new URL("../guests/host.js", import.meta.url));
/** The newest lines of the peers want a newer Node than the package does. */
export const node = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
export const { version } = createRequire(import.meta.url)("node/package.json");

/** The longest that one run may take, in milliseconds. */
const limit = 180_000;

/** @returns {Promise<object>} what guests/host.js prints */
export async function runInNode(guest, options) {
  try {
    const { stdout } = await promisify(execFile)(node, ["--expose-gc", host, guest, JSON.stringify(options)], { timeout: limit, killSignal: "SIGKILL", maxBuffer: 1 << 26 });
    return JSON.parse(stdout.trimEnd().split("\n").at(-1));
  } catch (error) {
    if (error.killed) throw new Error(`not finished after ${limit / 1000} s`);
    throw new Error(lastLines(error.stderr) || error.message, { cause: error });
  }
}

/** The line that names an error of Node's, which a stack and more may follow. */
function lastLines(text = "") {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => /^(\w*Error|\[\w*Error)\b/.test(line)) ?? lines.slice(-3).join(" ");
}

import { fileURLToPath } from "node:url";

import { runCommandLine } from "../command-line.js";

/** The package needs no more than the network and its own folder: no environment, no writing, no subprocess. */
const permissions = ["--allow-net=127.0.0.1", "--allow-read=.", "--no-prompt"];

/** @param {import("../run.js").Context} context */
export function runInDeno(context) {
  return runCommandLine(context, {
    name: "deno",
    program: fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url)),
    parameters: ["run", ...permissions, "--no-lock", "--no-remote", "--node-modules-dir=manual"],
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
  });
}

import { fileURLToPath } from "node:url";

import { runCommandLine } from "../command-line.js";

/** @param {import("../run.js").Context} context */
export function runInBun(context) {
  return runCommandLine(context, {
    name: "bun",
    program: fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url)),
    parameters: ["--no-install"],
  });
}

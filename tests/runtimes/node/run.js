import { fileURLToPath } from "node:url";

import { runCommandLine } from "../command-line.js";

/** Edge runtimes and strict pages forbid eval and new Function; here they are forbidden too. */
const parameters = ["--disallow-code-generation-from-strings", "--expose-gc"];

/** @param {"node20" | "node24"} name also the npm package that holds this version of Node */
const runner = (name) => (context) =>
  runCommandLine(context, { name, program: fileURLToPath(new URL(`../../node_modules/${name}/bin/node`, import.meta.url)), parameters });

export const runInNode20 = runner("node20");
export const runInNode24 = runner("node24");

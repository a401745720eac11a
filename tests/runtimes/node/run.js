import { fileURLToPath } from "node:url";

import { runCommandLine } from "../command-line.js";
import { runJsonLines } from "../processes.js";

/** Edge runtimes and strict pages forbid eval and new Function; here they are forbidden too. */
const parameters = ["--disallow-code-generation-from-strings", "--expose-gc"];

/** @param {"node20" | "node24"} name also the npm package that holds this version of Node */
const binary = (name) => fileURLToPath(new URL(`../../node_modules/${name}/bin/node`, import.meta.url));

/** @param {import("../run.js").Context} context */
export async function runInNode20(context) {
  // V8 of Node 20 and 22 inlines calls of WebAssembly. When the caller loses its optimized code during such a call, and the
  // call returns a reference (externref), the process dies with "unreachable code". That takes many thousand calls and
  // some luck, hence this check of the cause.
  await context.runHostCheck("lifecycle: no export of the module returns a reference", () => expectNoReferences(context));
  await runCommandLine(context, { name: "node20", program: binary("node20"), parameters });
}

/** @param {import("../run.js").Context} context */
export function runInNode24(context) {
  return runCommandLine(context, { name: "node24", program: binary("node24"), parameters });
}

async function expectNoReferences({ consumer, signal }) {
  let functions = [];
  await runJsonLines({
    program: binary("node20"),
    parameters: ["--experimental-wasm-type-reflection", "tests/runtimes/guest/module-exports.js"],
    cwd: consumer.folder,
    onValue: (value) => ({ functions } = value),
    signal,
  });
  if (functions.length === 0) throw new Error("no exports were seen");
  const referring = functions.filter(({ results }) => results.some((type) => !/^[if](32|64)$/.test(type)));
  if (referring.length > 0) throw new Error(`These return a reference: ${referring.map(({ name }) => name).join(", ")}`);
}

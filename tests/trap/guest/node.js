// Runs inside Node: prints one JSON value per line.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import * as library from "hf-inference-wasm";
import { runChecks } from "./checks.js";

const [name, service, questions] = process.argv.slice(2);
const entry = createRequire(import.meta.url).resolve("hf-inference-wasm");
const glue = await import(new URL("../hf_inference_wasm.js", pathToFileURL(entry)));

const surprises = [];
for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, (error) => surprises.push(`${event}: ${error?.stack ?? error}`));

const print = (outcome) => console.log(JSON.stringify(outcome));
await runChecks({ library, glue, service, questions, name, collectGarbage: globalThis.gc, surprises }, print);
print({ end: true });
process.exit(0);

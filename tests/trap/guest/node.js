// Runs inside Node: prints one JSON value per line.
import { lastMemory } from "./memory.js";
import * as library from "hf-inference-wasm";
import { runChecks } from "./checks.js";

const [name, service, questions] = process.argv.slice(2);

const surprises = [];
for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, (error) => surprises.push(`${event}: ${error?.stack ?? error}`));

const print = (outcome) => console.log(JSON.stringify(outcome));
await runChecks({ library, lastMemory, service, questions, name, collectGarbage: globalThis.gc, surprises }, print);
print({ end: true });
process.exit(0);

// Runs inside Node: prints one JSON value per line.
import * as library from "hf-inference-wasm";
import * as testing from "hf-inference-wasm/testing";

import { runTable } from "./guest.js";
import { rows } from "./table.js";

const [server] = process.argv.slice(2);
await runTable({ rows, library, testing, server, report: (result) => console.log(JSON.stringify({ result })) });
console.log(JSON.stringify({ end: true }));
// A connection that a failed row left open must not keep the process alive.
process.exit(0);

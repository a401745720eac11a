// Runs inside Node, Deno and Bun: prints one JSON value per line.
import * as library from "hf-inference-wasm";

import { checks, runChecks } from "../conformance/index.js";

const [name, server, only] = process.argv.slice(2);
const print = (value) => console.log(JSON.stringify(value));

const version = { deno: globalThis.Deno?.version?.deno, bun: globalThis.Bun?.version }[name] ?? process.versions.node;
print({ version, entry: import.meta.resolve("hf-inference-wasm") });
await runChecks({
  checks,
  library,
  server,
  only,
  environment: { name, page: false, connections: Infinity },
  report: (outcome) => print({ outcome }),
});
print({ end: true });
// A connection that a failed check left open must not keep the process alive.
process.exit(0);

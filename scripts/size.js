/**
 * What the package costs a page: the WebAssembly module and the JavaScript that a bundler makes of the
 * `web` entry, each minified and compressed; and apart from them what only some calls load: the validator of JSON
 * Schemas, the accounts (prices, budgets, the catalogue), what `cache` and `singleFlight` need, batches, and what `route`
 * needs. `--check` compares
 * with size-budget.json and fails over it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { weigh, weighAll } from "../bench/measure/weigh.js";

const root = new URL("..", import.meta.url).pathname;
const parts = { wasm: weigh(readFileSync(join(root, "pkg-js/dist/hf_inference_wasm_bg.wasm"))) };

if (!process.argv.includes("--quick")) {
  // Loaded here: esbuild belongs to the tests' tools, not to the build's.
  const { bundle } = await import("../bench/measure/bundle.js");
  const { files, first } = await bundle('export { InferenceClient } from "./pkg-js/dist/entries/web.js";', root);
  parts.js = weighAll(first.map((name) => files.get(name)));
  // Loaded by those who use them, each with what no other part has.
  for (const [part, name] of Object.entries({ jsonSchema: /json-schema/, accounts: /accounts/, cache: /recall/, batch: /batch/, route: /route/ })) {
    parts[part] = weighAll([...files].filter(([file]) => name.test(file) && !first.includes(file)).map(([, bytes]) => bytes));
  }
  const sum = (key) => parts.wasm[key] + parts.js[key];
  parts.total = { raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") };
}

console.log("size of the web entry in bytes:");
console.table(parts);
if (process.argv.includes("--check")) {
  const budget = JSON.parse(readFileSync(join(root, "size-budget.json"), "utf8"));
  // The module is larger where scripts/build.sh could not build the standard library with it.
  const isSpare = ["debian-rust", "ready-made-std"].some((marker) => existsSync(join(root, "target/setup", marker)));
  const slack = isSpare ? 1.1 : 1;
  let over = 0;
  for (const [part, limits] of Object.entries(budget)) {
    for (const [key, limit] of Object.entries(limits)) {
      if (parts[part][key] > limit * slack) {
        console.error(`${part}, ${key}: ${parts[part][key]} is over the budget of ${limit}`);
        over += 1;
      }
    }
  }
  process.exitCode = over > 0 ? 1 : 0;
}

/**
 * What the package costs a page: the WebAssembly module and the JavaScript that a bundler makes of the
 * `web` entry, each minified and compressed; and apart from them the validator of JSON Schemas, which only
 * calls with such a schema load. `--check` compares with size-budget.json and fails over it.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = new URL("..", import.meta.url).pathname;

const weigh = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length,
});

const wasm = weigh(readFileSync(join(root, "pkg-js/dist/hf_inference_wasm_bg.wasm")));
const parts = { wasm };

if (!process.argv.includes("--quick")) {
  // esbuild belongs to the tests' tools, not to the build's.
  const { build } = createRequire(join(root, "tests/package.json"))("esbuild");
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: 'import { InferenceClient } from "./pkg-js/dist/entries/web.js"; globalThis.InferenceClient = InferenceClient;',
      resolveDir: root,
      sourcefile: "page.js",
    },
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    outdir: ".",
    metafile: true,
    minify: true,
    format: "esm",
    write: false,
    legalComments: "none",
  });
  const outputs = Object.entries(metafile.outputs);
  const outputOf = (entryPoint) => outputs.find(([, output]) => output.entryPoint === entryPoint)[0];
  const withImports = (name) => [
    name,
    ...metafile.outputs[name].imports.filter(({ kind }) => kind === "import-statement").flatMap(({ path }) => withImports(path)),
  ];
  const weighed = (names) => {
    const parts = [...names].map((name) => weigh(outputFiles.find(({ path }) => path === join(root, name)).contents));
    return parts.reduce((a, b) => ({ raw: a.raw + b.raw, gzip: a.gzip + b.gzip, brotli: a.brotli + b.brotli }));
  };
  const first = new Set(withImports(outputOf("page.js")));
  parts.js = weighed(first);
  parts.jsonSchema = weighed(new Set(withImports(outputOf("pkg-js/dist/json-schema.js")).filter((name) => !first.has(name))));
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

/**
 * Gives the glue the short names that wasm-opt has given the module's imports and exports: the long ones
 * (`__wbg_getReader_fadcafe607253a67`) stand in both files and cost 3 KB compressed.
 *
 * node scripts/shorten-names.js <names.json, as wasm-opt prints it> <glue in> <glue out>
 */
import { readFileSync, writeFileSync } from "node:fs";

const [names, from, to] = process.argv.slice(2);
const { imports, exports } = JSON.parse(readFileSync(names, "utf8"));
let glue = readFileSync(from, "utf8");

function rename(pattern, replacement, what) {
  if (!pattern.test(glue)) throw new Error(`${what} is not in the glue as expected: has wasm-bindgen changed its form?`);
  pattern.lastIndex = 0;
  glue = glue.replaceAll(pattern, replacement);
}

// All imports come from one module, which is shortened too.
const [module] = imports[0];
rename(new RegExp(`"${module.replaceAll(".", "\\.")}":`, "g"), '"a":', module);
for (const [, long, short] of imports) rename(new RegExp(`^(\\s+)${long}:`, "gm"), `$1${short}:`, long);
// In one pass: a short name may be another's long one.
const shorts = new Map(exports);
glue = glue.replaceAll(/\bwasm\.(\w+)/g, (whole, long) => {
  if (!shorts.has(long)) throw new Error(`${whole} is no export of the module`);
  return `wasm.${shorts.get(long)}`;
});
writeFileSync(to, glue);

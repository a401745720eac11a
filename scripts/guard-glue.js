/**
 * Teaches the glue what to do when the module traps while no JavaScript of ours is there to catch it: in a promise's
 * reaction or a timer. Without this the trap would be an unhandled rejection, and the calls that wait would wait for ever.
 *
 * node scripts/guard-glue.js <folder of the glue>
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder] = process.argv.slice(2);

function edit(file, ...changes) {
  const path = join(folder, file);
  let text = readFileSync(path, "utf8");
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${JSON.stringify(from)} is not in ${file}: has wasm-bindgen changed its form?`);
    text = text.replace(from, to);
  }
  writeFileSync(path, text);
}

edit(
  "hf_inference_wasm.js",
  // What an instance that was replaced still waited for is nobody's any more.
  ["throw new Error('Cannot invoke closure from previous WASM instance');", "return undefined;"],
  [
    "            return f(a, state.b, ...args);\n        } finally {",
    "            return f(a, state.b, ...args);\n        } catch (thrown) {\n            if (!(thrown instanceof WebAssembly.RuntimeError)) throw thrown;\n            trapped(thrown);\n        } finally {",
  ],
  // A closure that was let go while it ran, and trapped, is not the new instance's to destroy.
  ["if (--state.cnt === 0) {", "if (--state.cnt === 0 && state.instance === __wbg_instance_id) {"],
  ["function makeMutClosure(", "let trapped;\nexport function onTrap(then) {\n    trapped = then;\n}\n\nfunction makeMutClosure("],
);
edit("hf_inference_wasm.d.ts", ["export function input(", "/** Takes a trap that happened where nobody could catch it. */\nexport function onTrap(then: (thrown: unknown) => void): void;\n\nexport function input("]);

// Runs inside Node with --experimental-wasm-type-reflection: prints the types of the module's exported functions.
import { readFile } from "node:fs/promises";

const bytes = await readFile(new URL(import.meta.resolve("hf-inference-wasm/hf-inference-wasm.wasm")));
const exported = WebAssembly.Module.exports(new WebAssembly.Module(bytes));
const functions = exported.filter(({ kind }) => kind === "function").map(({ name, type }) => ({ name, results: type.results }));
console.log(JSON.stringify({ functions }));

/** Compiles and instantiates our module, which the page has already downloaded; in a page only. */
import { init } from "hf-inference-wasm";

/** @returns {Promise<import("./host.js").Guest>} */
export async function prepare({ step, wasm }) {
  const bytes = await (await fetch(wasm)).arrayBuffer();
  const module = step === "instantiate" ? await WebAssembly.compile(bytes) : undefined;
  const work = { compile: () => WebAssembly.compile(bytes), instantiate: () => init(module), both: () => init(bytes) }[step];
  return {
    async run() {
      await work();
    },
    finish() {},
  };
}

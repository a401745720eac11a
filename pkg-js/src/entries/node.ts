/** Node, Deno and Bun: the module is read from disk on first use. */

import { readFile } from "node:fs/promises";
import { setSource } from "../instance.js";

setSource(() => readFile(new URL("../hf_inference_wasm_bg.wasm", import.meta.url)));

export * from "../index.js";

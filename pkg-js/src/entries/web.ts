/** Pages and their workers: the module is fetched from beside this file. */

import { setSource } from "../instance.js";

// Written out in full: bundlers find the file by this very expression, and copy it.
setSource(() => new URL("../hf_inference_wasm_bg.wasm", import.meta.url));

export * from "../index.js";

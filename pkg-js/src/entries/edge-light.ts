/** Vercel's edge runtime: as in workerd, but it knows compiled modules by `?module`. */

import module from "../hf_inference_wasm_bg.wasm?module";
import { instantiate } from "../instance.js";

instantiate(module);

export * from "../index.js";

/** Cloudflare Workers, which compile modules ahead of time and never from bytes. */

import module from "../hf_inference_wasm_bg.wasm";
import { instantiate } from "../instance.js";

instantiate(module);

export * from "../index.js";

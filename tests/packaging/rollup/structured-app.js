import { InferenceClient } from "hf-inference-wasm/inline";
import { structured } from "./structured.js";

process.stdout.write(await structured(new InferenceClient({ baseUrl: process.argv[2] })));

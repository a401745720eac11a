import { InferenceClient } from "hf-inference-wasm/inline";
import { structured } from "./structured.js";

postMessage(await structured(new InferenceClient({ baseUrl: location.origin })));

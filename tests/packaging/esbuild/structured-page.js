import { InferenceClient } from "hf-inference-wasm/inline";
import { structured } from "./structured.js";

const output = document.querySelector("output");
output.append(await structured(new InferenceClient({ baseUrl: location.origin })));
output.dataset.done = "";

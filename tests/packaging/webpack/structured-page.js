import { InferenceClient } from "hf-inference-wasm";
import { structured } from "./structured.js";

const output = document.querySelector("output");
const baseUrl = new URLSearchParams(location.search).get("server") ?? location.origin;
output.append(await structured(new InferenceClient({ baseUrl })));
output.dataset.done = "";

import { InferenceClient } from "hf-inference-wasm";
import { structured } from "./structured.js";

const output = document.querySelector("output");
const client = new InferenceClient({ baseUrl: location.origin });
const loaded = () => performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/json-schema.js"));

const { text } = await client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] }).final();
const early = loaded();
const value = await structured(client);
output.append(JSON.stringify({ text, early, value, late: loaded() }));
output.dataset.done = "";

import { InferenceClient } from "hf-inference-wasm/inline";

const output = document.querySelector("output");
const client = new InferenceClient({ baseUrl: location.origin });
const answer = client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] });
for await (const text of answer.textStream) output.append(text);
output.dataset.done = "";

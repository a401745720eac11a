// With `--loader:.wasm=file` esbuild copies the file and the import is its URL.
import { InferenceClient, init } from "hf-inference-wasm";
import wasm from "hf-inference-wasm/hf-inference-wasm.wasm";

await init(new URL(wasm, import.meta.url));

const output = document.querySelector("output");
const client = new InferenceClient({ baseUrl: location.origin });
const answer = client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] });
for await (const text of answer.textStream) output.append(text);
output.dataset.done = "";

// esbuild leaves `new URL("…", import.meta.url)` as it is, so the page says where the copy lies.
import { InferenceClient, init } from "hf-inference-wasm";

await init(new URL("./hf-inference-wasm.wasm", import.meta.url));

const output = document.querySelector("output");
const client = new InferenceClient({ baseUrl: location.origin });
const answer = client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] });
for await (const text of answer.textStream) output.append(text);
output.dataset.done = "";

import { InferenceClient } from "hf-inference-wasm";

const output = document.querySelector("output");
const baseUrl = new URLSearchParams(location.search).get("server") ?? location.origin;
const client = new InferenceClient({ baseUrl });
const stream = await client.chat.completions.create({
  model: "fixed",
  messages: [{ role: "user", content: "Why is the sky blue?" }],
  stream: true,
});
for await (const chunk of stream) output.append(chunk.choices[0]?.delta?.content ?? "");
output.dataset.done = "";

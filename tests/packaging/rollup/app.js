import { InferenceClient } from "hf-inference-wasm/inline";

const client = new InferenceClient({ baseUrl: process.argv[2] });
const answer = client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] });
for await (const text of answer.textStream) process.stdout.write(text);

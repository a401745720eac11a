// Runs inside Node, Deno and Bun, and must end by itself: a timer or a connection left behind would keep the process alive.
import { InferenceClient } from "hf-inference-wasm";

const [server] = process.argv.slice(2);
const question = { model: "test-model", messages: [{ role: "user", content: "Hello" }] };
const client = (scenario) => new InferenceClient({ baseUrl: `${server}/s/${scenario};run=exit` });

await client("ok").chatCompletion(question);
await client("ok").chat.stream(question).final();
for await (const _ of client("endless").chatCompletionStream(question)) break;
for await (const _ of client("held").chat.stream(question).textStream);
await client("error").chatCompletion(question).catch(() => {});
await client("truncated").chat.stream(question).final().catch(() => {});
const aborted = client("stall").chat.stream(question);
aborted.abort();
await aborted.final().catch(() => {});
console.log(JSON.stringify({ end: true }));

/** Batches: what goes in decides what comes out. */

import {
  InferenceClient,
  type Batch,
  type BatchCheckpoint,
  type BatchProgress,
  type BatchResult,
  type ChatFinal,
  type GenerationFinal,
  type InferenceError,
} from "hf-inference-wasm";
import { exactly } from "./exactly.js";

const client = new InferenceClient({ sessionAffinity: "thread-1" });
const messages = [{ role: "user" as const, content: "Hello" }];
const checkpoint: BatchCheckpoint = { load: async () => undefined, append: async (text) => void exactly<string>()(text) };
const inPieces: BatchCheckpoint = { load: async function* () { yield ""; }, append: () => 1 } as BatchCheckpoint;

export async function read(): Promise<void> {
  const chats = client.batch([{ messages }, { messages, temperature: 0 }], {
    concurrency: 4,
    onProgress: (progress) => exactly<BatchProgress>()(progress),
    signal: new AbortController().signal,
    checkpoint,
    priority: -1,
    tags: { job: "nightly" },
  });
  exactly<Batch<ChatFinal>>()(chats);
  for await (const result of chats) {
    exactly<BatchResult<ChatFinal>>()(result);
    exactly<string | undefined>()(result.id);
    if (result.status === "ok") exactly<ChatFinal>()(result.answer);
    else exactly<InferenceError>()(result.error);
  }
  exactly<Promise<BatchResult<GenerationFinal>[]>>()(client.batch([{ inputs: "Hello" }]).results());
  const named = client.batch([{ request: { messages }, id: "one", options: { timeout: { total: 1_000 }, sessionAffinity: "thread-2" } }], { checkpoint: inPieces });
  exactly<Batch<ChatFinal>>()(named);
  const mixed = await client.batch([{ messages }, { inputs: "Hello" }]).results();
  exactly<BatchResult<ChatFinal | GenerationFinal>[] | (BatchResult<ChatFinal> | BatchResult<GenerationFinal>)[]>();
  for (const result of mixed) if (result.status === "ok") exactly<ChatFinal | GenerationFinal>()(result.answer);
  const schema = { type: "object", properties: { title: { type: "string" } }, required: ["title"] } as const;
  for await (const result of client.batch([{ messages, schema }])) {
    if (result.status === "ok") exactly<string | undefined>()(result.answer.object?.title);
  }
  async function* rows() {
    yield { request: { messages }, id: "row" };
  }
  exactly<Batch<ChatFinal>>()(client.batch(rows()));
  chats.abort(new Error("enough"));
}

// @ts-expect-error neither messages nor inputs
void client.batch([{ model: "m" }]);
// @ts-expect-error one request is no batch
void client.batch({ messages });
// @ts-expect-error an item is not aborted alone
void client.batch([{ request: { messages }, options: { signal: new AbortController().signal } }]);
// @ts-expect-error a checkpoint is an object
void client.batch([{ messages }], { checkpoint: "batch.jsonl" });
// @ts-expect-error a count
void client.batch([{ messages }], { concurrency: "4" });
// @ts-expect-error a name
void client.chatCompletion({ messages }, { sessionAffinity: 7 });

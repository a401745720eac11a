/** A consumer whose runtime is not a browser. */

import { InferenceClient, type ChatStream } from "hf-inference-wasm";

const client = new InferenceClient({
  accessToken: "token",
  fetch: (input, options) => fetch(input, options),
});

declare const signal: AbortSignal;

export async function answer(): Promise<string> {
  const stream: ChatStream = await client.chat.completions.create(
    { messages: [{ role: "user", content: "Why is the sky blue?" }], stream: true },
    { signal },
  );
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  return text;
}

export function body(stream: ChatStream): ReadableStream<unknown> {
  return stream.toReadableStream();
}

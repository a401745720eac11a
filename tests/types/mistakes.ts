/** Plain mistakes do not compile. */

import { InferenceClient, type ChatMessage, type ChatTool, type ResponseFormat } from "hf-inference-wasm";

const client = new InferenceClient();
const completions = client.chat.completions;
const messages: ChatMessage[] = [{ role: "user", content: "Why is the sky blue?" }];

// @ts-expect-error messages are missing
void completions.create({ model: "m" });
// @ts-expect-error messages are misspelt
void completions.create({ model: "m", mesages: messages });
// @ts-expect-error messages are a text
void completions.create({ messages: "Why is the sky blue?", stream: true });
// @ts-expect-error temperature is a text
void completions.create({ messages, temperature: "0.5" });
// @ts-expect-error temperature is a text, and the answer is streamed
void completions.create({ messages, temperature: "0.5", stream: true });
// @ts-expect-error the limit is a text
void client.chatCompletion({ messages, max_tokens: "512" });
// @ts-expect-error stream is a text
void completions.create({ messages, stream: "true" });
// @ts-expect-error tools are not a list
void client.chat.stream({ messages, tools: { type: "function", function: { name: "f" } } });
// @ts-expect-error no such choice
void client.chat.stream({ messages, tool_choice: "always" });
// @ts-expect-error the model is an object
void client.chatCompletionStream({ messages, model: { id: "m" } });

// @ts-expect-error the role is a number
export const roleNumber: ChatMessage = { role: 1, content: "" };
// @ts-expect-error the role is missing
export const noRole: ChatMessage = { content: "" };
// @ts-expect-error the content is an object
export const contentObject: ChatMessage = { role: "user", content: { text: "" } };
// @ts-expect-error the image is a text, not an object with a url
export const imageText: ChatMessage = { role: "user", content: [{ type: "image_url", image_url: "https://example.org/a.png" }] };
// @ts-expect-error the part has no type
export const partWithoutType: ChatMessage = { role: "user", content: [{ text: "" }] };
// @ts-expect-error the arguments are an object, not JSON text
export const argumentsObject: ChatMessage = { role: "assistant", content: null, tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: {} } }] };

// @ts-expect-error the function is missing
export const noFunction: ChatTool = { type: "function" };
// @ts-expect-error the function has no name
export const noName: ChatTool = { type: "function", function: { parameters: {} } };
// @ts-expect-error the schema has no name
export const schemaWithoutName: ResponseFormat = { type: "json_schema", json_schema: { schema: {} } };
// @ts-expect-error no such format
export const noSuchFormat: ResponseFormat = { type: "yaml" };

// @ts-expect-error inputs are missing
void client.textGeneration({ parameters: { max_new_tokens: 50 } });
// @ts-expect-error inputs are a list
void client.textGeneration({ inputs: ["Once"] });
// @ts-expect-error the limit is a text
void client.textGenerationStream({ inputs: "Once", parameters: { max_new_tokens: "50" } });
// @ts-expect-error no such grammar
void client.textGeneration({ inputs: "Once", parameters: { grammar: { type: "xml", value: "" } } });

// @ts-expect-error a misspelt option
new InferenceClient({ acessToken: "token" });
// @ts-expect-error a misspelt timeout
new InferenceClient({ timeout: { firstTokn: 1_000 } });
// @ts-expect-error a timeout in words
new InferenceClient({ timeout: { stall: "1s" } });
// @ts-expect-error a token that is a number
new InferenceClient({ accessToken: 1 });
// @ts-expect-error a URL is no token
new InferenceClient(new URL("https://example.org"));
// @ts-expect-error a misspelt option of a call
void client.chatCompletion({ messages }, { sgnal: undefined });

export async function read(): Promise<void> {
  const completion = await completions.create({ messages });
  // @ts-expect-error a whole answer is no stream
  for await (const chunk of completion) void chunk;
  const stream = await completions.create({ messages, stream: true });
  // @ts-expect-error a stream has no choices
  void stream.choices;
  for await (const chunk of stream) {
    // @ts-expect-error the text may be absent
    const text: string = chunk.choices[0]?.delta?.content;
    void text;
  }
}

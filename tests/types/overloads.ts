/** What a call returns follows from its arguments, without a cast. */

import {
  InferenceClient,
  type ChatCompletion,
  type ChatCompletionChunk,
  type ChatCompletionNonStreamingRequest,
  type ChatCompletionRequest,
  type ChatCompletionStreamingRequest,
  type ChatMessage,
  type ChatStream,
  type FinishReason,
  type TextGenerationOutput,
  type TextGenerationStreamOutput,
  type ToolCall,
  init,
} from "hf-inference-wasm";
import { InferenceClient as InlineClient } from "hf-inference-wasm/inline";
import { exactly } from "./exactly.js";

const client = new InferenceClient({ accessToken: "token", provider: "auto", model: "openai/gpt-oss-120b" });
const messages: ChatMessage[] = [{ role: "user", content: "Why is the sky blue?" }];
const completions = client.chat.completions;

// chat.completions.create
exactly<Promise<ChatStream>>()(completions.create({ messages, stream: true }));
exactly<Promise<ChatStream>>()(completions.create({ messages, stream: true }, { model: "other" }));
exactly<Promise<ChatCompletion>>()(completions.create({ messages, stream: false }));
exactly<Promise<ChatCompletion>>()(completions.create({ messages }));
exactly<Promise<ChatCompletion>>()(completions.create({ messages, stream: undefined }));
exactly<Promise<ChatCompletion>>()(completions.create({ messages, stream: null }));

declare const stream: boolean;
declare const perhaps: boolean | undefined;
exactly<Promise<ChatStream | ChatCompletion>>()(completions.create({ messages, stream }));
exactly<Promise<ChatStream | ChatCompletion>>()(completions.create({ messages, stream: perhaps }));

declare const request: ChatCompletionRequest;
declare const streaming: ChatCompletionStreamingRequest;
declare const whole: ChatCompletionNonStreamingRequest;
exactly<Promise<ChatStream>>()(completions.create({ ...request, stream: true }));
exactly<Promise<ChatStream>>()(completions.create(streaming));
exactly<Promise<ChatCompletion>>()(completions.create(whole));
exactly<Promise<ChatCompletion>>()(completions.create(request));

// The names of @huggingface/inference
exactly<Promise<ChatCompletion>>()(client.chatCompletion({ messages }));
exactly<ChatStream>()(client.chatCompletionStream({ messages }));
exactly<Promise<TextGenerationOutput>>()(client.textGeneration({ inputs: "Once" }));
void client.chatCompletion({ messages, accessToken: "token", provider: "groq" });
void client.chatCompletion({ messages, endpointUrl: "https://abc.endpoints.huggingface.cloud" });
void client.textGeneration({ inputs: "Once", provider: "hf-inference", accessToken: "token" });

// The client's own
exactly<ChatStream>()(client.chat.stream({ messages }));
exactly<InferenceClient>()(client.endpoint("https://abc.endpoints.huggingface.cloud"));
exactly<Promise<void>>()(init());
void init("https://example.org/hf-inference-wasm.wasm");
void init(new Uint8Array(8));

// Constructors
new InferenceClient();
new InferenceClient("token");
new InferenceClient("token", { provider: "groq" });
new InferenceClient({ accessToken: () => undefined });
new InferenceClient({ accessToken: async () => "token", timeout: { firstToken: 1_000, stall: 1_000, total: 1_000 } });
// Values that may be undefined, as they come from an environment.
declare const environment: Record<string, string | undefined>;
new InferenceClient({ accessToken: environment["HF_TOKEN"], baseUrl: environment["HF_BASE_URL"], billTo: undefined });
// The two entries have one set of types.
exactly<InferenceClient>()(new InlineClient());

// Streams
export async function read(answer: ChatStream): Promise<string> {
  for await (const chunk of answer) {
    exactly<ChatCompletionChunk>()(chunk);
    exactly<string>()(chunk.choices[0]?.delta?.content ?? "");
  }
  for await (const text of answer.textStream) exactly<string>()(text);

  const { text, reasoning, toolCalls, message, finishReason, provider, model, usage } = await answer.final();
  exactly<string>()(text);
  exactly<string>()(reasoning);
  exactly<ToolCall[]>()(toolCalls);
  exactly<FinishReason>()(finishReason);
  exactly<string>()(provider);
  exactly<string>()(model);
  if (usage) exactly<number>()(usage.prompt_tokens);
  messages.push(message);
  for (const call of toolCalls) messages.push({ role: "tool", tool_call_id: call.id, content: call.function.arguments });

  answer.abort();
  answer.abort(new Error("enough"));
  return text;
}

export async function events(answer: ChatStream): Promise<void> {
  for await (const event of answer.events) {
    switch (event.type) {
      case "text":
      case "reasoning":
        exactly<string>()(event.text);
        break;
      case "tool-call":
        exactly<ToolCall>()(event.toolCall);
        break;
      case "tool-call-delta":
        exactly<string>()(event.arguments);
        exactly<number>()(event.index);
        break;
      case "usage":
        exactly<number>()(event.usage.total_tokens);
        break;
      case "finish":
        exactly<FinishReason>()(event.finishReason);
        break;
      default:
        break;
    }
  }
}

export async function generate(): Promise<void> {
  const generation = client.textGenerationStream({ inputs: "Once", parameters: { max_new_tokens: 50 } });
  for await (const event of generation) {
    exactly<TextGenerationStreamOutput>()(event);
    exactly<string>()(event.token.text);
    exactly<string | null>()(event.generated_text);
  }
  for await (const text of generation.textStream) exactly<string>()(text);
  exactly<string>()((await generation.final()).generated_text);
  generation.abort();
}

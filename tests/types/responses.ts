/** What can be read from an answer, and where it may go. */

import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionMessage,
  ChatMessage,
  CompletionUsage,
  TextGenerationOutput,
  TextGenerationStreamOutput,
  ToolCall,
} from "hf-inference-wasm";
import { exactly } from "./exactly.js";

declare const completion: ChatCompletion;
declare const chunk: ChatCompletionChunk;
declare const generation: TextGenerationOutput;
declare const event: TextGenerationStreamOutput;

// A whole answer
exactly<string | null | undefined>()(completion.choices[0]!.message.content);
exactly<ToolCall[] | null | undefined>()(completion.choices[0]!.message.tool_calls);
exactly<CompletionUsage | null | undefined>()(completion.usage);
exactly<number | null | undefined>()(completion.usage?.prompt_tokens_details?.cached_tokens);
exactly<number | null | undefined>()(completion.usage?.completion_tokens_details?.reasoning_tokens);
exactly<number | null | undefined>()(completion.usage?.prompt_cache_hit_tokens);
exactly<number | null | undefined>()(completion.usage?.estimated_cost);
exactly<number | undefined>()(completion.choices[0]?.logprobs?.content?.[0]?.logprob);

// A chunk
exactly<string>()(chunk.choices[0]?.delta?.content ?? "");
exactly<string>()(chunk.choices[0]?.delta?.reasoning_content ?? chunk.choices[0]?.delta?.reasoning ?? "");
exactly<string | null | undefined>()(chunk.choices[0]?.delta?.tool_calls?.[0]?.function?.arguments);
exactly<boolean>()(chunk.choices[0]?.finish_reason === "stop");

// Fields of one provider can be reached, as unknown.
exactly<unknown>()(completion["x_groq"]);
exactly<unknown>()(chunk["time_info"]);
exactly<unknown>()(chunk.choices[0]?.["content_filter_results"]);
exactly<unknown>()(chunk.choices[0]?.delta?.["token_id"]);
exactly<unknown>()(completion.usage?.["queue_time"]);

// An answer goes on as a message.
declare const message: ChatCompletionMessage;
declare const call: ToolCall;
export const conversation: ChatMessage[] = [
  { role: "user", content: "What is the weather in Paris?" },
  message,
  { role: "assistant", content: null, tool_calls: [call] },
  { role: "tool", tool_call_id: call.id, content: "18 °C" },
];

// Generated text
exactly<string>()(generation.generated_text);
exactly<number | undefined>()(generation.details?.generated_tokens);
exactly<string>()(event.token.text);
exactly<boolean>()(event.token.special);
exactly<number | undefined>()(event.details?.input_length);

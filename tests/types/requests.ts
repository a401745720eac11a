/** Requests written for `openai` and `@huggingface/inference` are taken as they are. */

import type { InferenceClient as HuggingFaceClient } from "@huggingface/inference";
import type { ChatCompletionInput, TextGenerationInput } from "@huggingface/tasks";
import {
  InferenceClient,
  type ChatCompletion,
  type ChatCompletionRequest,
  type ChatStream,
  type ChatMessage,
  type ChatTool,
  type ResponseFormat,
  type TextGenerationRequest,
} from "hf-inference-wasm";
import type OpenAI from "openai";
import { exactly } from "./exactly.js";

declare const client: InferenceClient;

// openai
declare const openaiRequest: OpenAI.ChatCompletionCreateParams;
declare const openaiStreaming: OpenAI.ChatCompletionCreateParamsStreaming;
declare const openaiWhole: OpenAI.ChatCompletionCreateParamsNonStreaming;
declare const openaiMessages: OpenAI.ChatCompletionMessageParam[];
declare const openaiTools: OpenAI.ChatCompletionTool[];
declare const openaiFormat: NonNullable<OpenAI.ChatCompletionCreateParams["response_format"]>;

export const fromOpenai: ChatCompletionRequest[] = [
  openaiRequest,
  openaiStreaming,
  openaiWhole,
  { messages: openaiMessages, tools: openaiTools, response_format: openaiFormat },
];
export const messagesFromOpenai: ChatMessage[] = openaiMessages;
export const toolsFromOpenai: ChatTool[] = openaiTools;
export const formatFromOpenai: ResponseFormat = openaiFormat;

exactly<Promise<ChatStream>>()(client.chat.completions.create(openaiStreaming));
exactly<Promise<ChatCompletion>>()(client.chat.completions.create(openaiWhole));
exactly<Promise<ChatStream | ChatCompletion>>()(client.chat.completions.create(openaiRequest));
exactly<Promise<ChatCompletion>>()(client.chatCompletion(openaiWhole));
exactly<ChatStream>()(client.chatCompletionStream(openaiStreaming));
exactly<ChatStream>()(client.chat.stream(openaiRequest));

// An answer of openai goes on as a message of ours, and a conversation holds both.
declare const openaiAnswer: OpenAI.ChatCompletionMessage;
export const continued: ChatMessage[] = [...openaiMessages, openaiAnswer];

// @huggingface/inference
declare const huggingFaceRequest: ChatCompletionInput;
declare const huggingFaceArguments: Parameters<HuggingFaceClient["chatCompletion"]>[0];
declare const huggingFaceGeneration: TextGenerationInput;
declare const huggingFaceGenerationArguments: Parameters<HuggingFaceClient["textGenerationStream"]>[0];

export const fromHuggingFace: ChatCompletionRequest[] = [huggingFaceRequest, huggingFaceArguments];
export const generationFromHuggingFace: TextGenerationRequest[] = [
  huggingFaceGeneration,
  huggingFaceGenerationArguments,
];

void client.chatCompletion(huggingFaceRequest);
void client.chatCompletion(huggingFaceArguments);
exactly<ChatStream>()(client.chatCompletionStream(huggingFaceArguments));
// Its `stream` is a boolean.
exactly<Promise<ChatStream | ChatCompletion>>()(client.chat.completions.create(huggingFaceRequest));
void client.textGeneration(huggingFaceGenerationArguments);
void client.textGenerationStream(huggingFaceGeneration);

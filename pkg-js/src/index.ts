/**
 * Streaming chat and text generation from Hugging Face Inference Providers, dedicated Inference
 * Endpoints and any OpenAI-compatible server.
 */

export { InferenceClient } from "./client.js";
export type {
  Chat,
  ChatArguments,
  ChatCompletions,
  GenerationArguments,
  ParsedAnswer,
  PlainChatArguments,
  StructuredChatArguments,
} from "./client.js";
export { ChatStream, GenerationStream } from "./stream.js";
export type { AssistantMessage, ChatEvent, ChatFinal, ChatFinalChoice, GenerationFinal } from "./stream.js";
export { init } from "./instance.js";
export type { ModuleSource } from "./instance.js";
export type { AccessToken, CallOptions, ClientOptions, HeadersLike, RequestOptions, TimeoutOptions } from "./options.js";
export {
  AuthenticationError,
  InferenceError,
  InputError,
  InternalError,
  InvalidResponseError,
  NetworkError,
  NotFoundError,
  PaymentRequiredError,
  PermissionError,
  RateLimitError,
  ResponseTooLargeError,
  ServerError,
  StreamInterruptedError,
  TimeoutError,
  TruncatedError,
  isAuthenticationError,
  isInferenceError,
  isInputError,
  isInternalError,
  isInvalidResponseError,
  isNetworkError,
  isNotFoundError,
  isPaymentRequiredError,
  isPermissionError,
  isRateLimitError,
  isResponseTooLargeError,
  isServerError,
  isStreamInterruptedError,
  isTimeoutError,
  isTruncatedError,
} from "./errors.js";
export type { PartialAnswer, SchemaIssue, Trace, TraceAttempt } from "./errors.js";
export type * from "./types/chat.js";
export type * from "./types/generation.js";
export type * from "./types/schema.js";

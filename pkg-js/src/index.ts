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
  Ledger,
  ParsedAnswer,
  PlainChatArguments,
  StructuredChatArguments,
} from "./client.js";
export type {
  Batch,
  BatchAnswer,
  BatchCheckpoint,
  BatchInput,
  BatchItem,
  BatchOptions,
  BatchProgress,
  BatchRequest,
  BatchResult,
  CheckpointText,
} from "./batch.js";
export { ChatStream, GenerationStream } from "./stream.js";
export type { AssistantMessage, ChatEvent, ChatFinal, ChatFinalChoice, GenerationFinal } from "./stream.js";
export { init } from "./instance.js";
export type { ModuleSource } from "./instance.js";
export type {
  AccessToken,
  AttemptNotice,
  CacheOptions,
  CacheStore,
  CallOptions,
  ClientOptions,
  Fallback,
  FallbackNotice,
  HeadersLike,
  HedgeOptions,
  LimitOptions,
  RequestOptions,
  RetryNotice,
  RetryOptions,
  StateNotice,
  TimeoutOptions,
} from "./options.js";
export { summary } from "./trace.js";
export {
  AuthenticationError,
  BudgetExceededError,
  CircuitOpenError,
  InferenceError,
  InputError,
  InternalError,
  InvalidResponseError,
  NetworkError,
  NotFoundError,
  PaymentRequiredError,
  PermissionError,
  QueueFullError,
  RateLimitError,
  ResponseTooLargeError,
  ServerError,
  StreamInterruptedError,
  TimeoutError,
  TruncatedError,
  isAuthenticationError,
  isBudgetExceededError,
  isCircuitOpenError,
  isInferenceError,
  isInputError,
  isInternalError,
  isInvalidResponseError,
  isNetworkError,
  isNotFoundError,
  isPaymentRequiredError,
  isPermissionError,
  isQueueFullError,
  isRateLimitError,
  isResponseTooLargeError,
  isServerError,
  isStreamInterruptedError,
  isTimeoutError,
  isTruncatedError,
} from "./errors.js";
export type { CacheTrace, PartialAnswer, SchemaIssue, Trace, TraceAttempt } from "./errors.js";
export type * from "./types/chat.js";
export type * from "./types/generation.js";
export type * from "./types/money.js";
export type * from "./types/route.js";
export type * from "./types/schema.js";

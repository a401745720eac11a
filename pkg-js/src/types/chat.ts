/**
 * Chat completion as it travels on the wire: what a request may say, what a server may answer.
 *
 * Names are the wire's own (snake_case). Request types are wide: they take the request values of
 * `openai` and `@huggingface/inference` as they are. Response types are honest: a field that some
 * server leaves out is optional, even where OpenAI always sends it.
 */

/**
 * Fields beyond the known ones. Providers take many (`top_k`, `chat_template_kwargs`, …); they are
 * sent as given.
 */
export interface ProviderFields {
  // `any`, not `unknown`: interfaces of other libraries have no index signature, and TypeScript
  // only lets those pass where the index signature is `any`.
  [key: string]: any;
}

// Request

/**
 * The body of a chat completion request, without `stream`: that one decides what a call returns,
 * so it belongs to the signatures of the calls.
 *
 * Which fields have an effect depends on the provider and the model. Most servers ignore what they
 * do not know; Cerebras refuses it with HTTP 400.
 *
 * @example
 * ```ts
 * const request: ChatCompletionRequest = {
 *   model: "openai/gpt-oss-120b:groq",
 *   messages: [{ role: "user", content: "Why is the sky blue?" }],
 *   max_tokens: 512,
 * };
 * ```
 */
export interface ChatCompletionRequest extends ProviderFields {
  /** The conversation so far, oldest message first. */
  messages: readonly ChatMessage[];

  /**
   * The model: a Hugging Face id such as `"openai/gpt-oss-120b"`. For the automatic router it may
   * end in `:fastest` (the router's default), `:cheapest`, `:preferred` (the order of your
   * settings) or a provider's name, such as `:groq`.
   *
   * @default the client's `model`
   */
  model?: string | undefined;

  /**
   * The most tokens to generate, reasoning included. When they are used up, the answer ends with
   * `finish_reason: "length"`.
   *
   * @default the server's own limit, which differs from one to the next
   */
  max_tokens?: number | null | undefined;

  /** OpenAI's newer name for `max_tokens`. TGI takes it too; older servers know only `max_tokens`. */
  max_completion_tokens?: number | null | undefined;

  /**
   * Randomness, from 0 (nearly always the likeliest token) to 2. Change this or `top_p`, not both.
   *
   * @default the model's or the server's own, often 1
   */
  temperature?: number | null | undefined;

  /**
   * Sample only from the likeliest tokens whose probabilities add up to this share, 0 to 1.
   *
   * @default 1
   */
  top_p?: number | null | undefined;

  /**
   * From -2 to 2. Positive values make a token less likely the more often it has appeared.
   *
   * @default 0
   */
  frequency_penalty?: number | null | undefined;

  /**
   * From -2 to 2. Positive values make a token less likely once it has appeared at all.
   *
   * @default 0
   */
  presence_penalty?: number | null | undefined;

  /** Asks for the same answer to the same request. Best effort; not every provider obeys it. */
  seed?: number | null | undefined;

  /** Where to stop: up to 4 strings. The answer does not contain them. TGI takes only an array. */
  stop?: string | readonly string[] | null | undefined;

  /**
   * How many answers to generate. You pay for each. Many providers refuse more than 1.
   *
   * @default 1
   */
  n?: number | null | undefined;

  /**
   * Whether the answer carries the log probability of each token.
   *
   * @default false
   */
  logprobs?: boolean | null | undefined;

  /** How many of the likeliest tokens to report at each position: 0 to 5 on TGI, to 20 elsewhere. Needs `logprobs: true`. */
  top_logprobs?: number | null | undefined;

  /** Token id to bias, from -100 (never) to 100 (only). TGI ignores it. */
  logit_bias?: Readonly<Record<string, number>> | readonly number[] | null | undefined;

  /** The form of the answer: plain text, any JSON object, or JSON of a given schema. */
  response_format?: ResponseFormat | null | undefined;

  /** The functions that the model may ask you to call. */
  tools?: readonly ChatTool[] | null | undefined;

  /**
   * Whether the model may, must not or must call a tool, or which one it must call.
   *
   * @default "auto" with tools, else "none"
   */
  tool_choice?: ChatToolChoice | null | undefined;

  /** Whether one answer may hold several tool calls. Not known to every provider. */
  parallel_tool_calls?: boolean | null | undefined;

  /** A prompt put before the tools. TGI only. */
  tool_prompt?: string | null | undefined;

  /** How long a reasoning model thinks. Support and default depend on the model. */
  reasoning_effort?: ReasoningEffort | null | undefined;

  /** Extras of a streamed answer, such as its usage. */
  stream_options?: ChatStreamOptions | null | undefined;

  /** An opaque id of your end user, for the provider's abuse detection. */
  user?: string | null | undefined;
}

/** A chat request whose answer is streamed. */
export type ChatCompletionStreamingRequest = ChatCompletionRequest & {
  /** The answer comes as a stream of chunks. */
  stream: true;
};

/** A chat request whose answer comes whole. */
export type ChatCompletionNonStreamingRequest = ChatCompletionRequest & {
  /** The answer comes whole. Same as leaving `stream` out. */
  stream?: false | null | undefined;
};

/** Who speaks. `developer` is OpenAI's newer name for `system`; few open models know it. */
export type ChatRole = "system" | "developer" | "user" | "assistant" | "tool" | (string & {});

/**
 * One message of a conversation.
 *
 * @example
 * ```ts
 * const messages: ChatMessage[] = [
 *   { role: "system", content: "Be brief." },
 *   { role: "user", content: [
 *     { type: "text", text: "What is on this picture?" },
 *     { type: "image_url", image_url: { url: "data:image/png;base64,…" } },
 *   ] },
 * ];
 * ```
 */
export interface ChatMessage extends ProviderFields {
  /** Who speaks. */
  role: ChatRole;

  /**
   * The text, or parts of text, images and so on. For an assistant message that only calls tools
   * use `null`: some servers refuse an empty string there.
   */
  content?: string | readonly ChatContentPart[] | null | undefined;

  /** A name that tells speakers of the same role apart. */
  name?: string | null | undefined;

  /** On an assistant message: the tools it called. */
  tool_calls?: readonly ChatMessageToolCall[] | null | undefined;

  /** On a `tool` message: the `id` of the tool call that this is the result of. */
  tool_call_id?: string | undefined;
}

/** One part of a message's content. Which types are understood depends on the model. */
export interface ChatContentPart extends ProviderFields {
  /** Which of the fields below holds the content. */
  type: "text" | "image_url" | "input_audio" | "video_url" | "file" | "refusal" | (string & {});

  /** With type `"text"`: the text. */
  text?: string | undefined;

  /** With type `"image_url"`: the image. */
  image_url?: ChatImageUrl | undefined;

  /** With type `"input_audio"`: the sound. */
  input_audio?: ChatInputAudio | undefined;

  /** With type `"video_url"`: the video, on servers that take it (vLLM, SGLang). */
  video_url?: ChatVideoUrl | undefined;
}

/** An image in a message. */
export interface ChatImageUrl extends ProviderFields {
  /** An `https:` URL that the provider can reach, or a `data:` URL with the image in base64. */
  url: string;

  /** How closely to look at the image. OpenAI; ignored elsewhere. */
  detail?: "auto" | "low" | "high" | (string & {}) | undefined;
}

/** A video in a message. */
export interface ChatVideoUrl extends ProviderFields {
  /** An `https:` URL that the provider can reach, or a `data:` URL. */
  url: string;
}

/** Sound in a message. */
export interface ChatInputAudio extends ProviderFields {
  /** The sound file in base64. */
  data: string;

  /** The format of the file. */
  format: "wav" | "mp3" | (string & {});
}

/**
 * A tool call in a message that you send. A {@link ToolCall} from an answer can be sent back as it
 * is.
 */
export interface ChatMessageToolCall extends ProviderFields {
  /** The id that the matching `tool` message repeats as `tool_call_id`. */
  id: string;

  /** The kind of tool. */
  type: "function" | (string & {});

  /** The called function. */
  function?: ChatMessageToolCallFunction | undefined;
}

/** The called function in a message that you send. */
export interface ChatMessageToolCallFunction extends ProviderFields {
  /** The function's name. */
  name: string;

  /** The arguments, as JSON text. Servers expect it; it is optional because other libraries' types leave it out. */
  arguments?: string | undefined;
}

/** A tool that the model may call. */
export type ChatTool = ChatFunctionTool | ChatCustomTool;

/**
 * A function that the model may ask you to call.
 *
 * @example
 * ```ts
 * const tool: ChatTool = {
 *   type: "function",
 *   function: {
 *     name: "get_weather",
 *     description: "The current weather of a city",
 *     parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
 *   },
 * };
 * ```
 */
export interface ChatFunctionTool extends ProviderFields {
  /** The kind of tool. */
  type: "function" | (string & {});

  /** What the function is called and what it takes. */
  function: ChatFunctionDefinition;
}

/** What a function is called and what it takes. */
export interface ChatFunctionDefinition extends ProviderFields {
  /** Letters, digits, underscores and dashes, at most 64. */
  name: string;

  /** Tells the model when and how to use the function. */
  description?: string | null | undefined;

  /** The arguments, as a JSON Schema of an object. */
  parameters?: unknown;

  /** Whether the arguments must follow the schema exactly. Not known to every provider. */
  strict?: boolean | null | undefined;
}

/** A tool that takes free text. OpenAI only. */
export interface ChatCustomTool extends ProviderFields {
  /** The kind of tool. */
  type: "custom";

  /** The tool's name and the form of its input. */
  custom: { name: string } & ProviderFields;
}

/**
 * Whether the model may call a tool (`"auto"`), must not (`"none"`), must (`"required"`), or which
 * function it must call.
 */
export type ChatToolChoice = "auto" | "none" | "required" | ChatNamedToolChoice | ChatOtherToolChoice;

/** The function that the model must call. */
export interface ChatNamedToolChoice extends ProviderFields {
  /** The kind of tool. TGI does without it, OpenAI-like servers want it. */
  type?: "function" | undefined;

  /** The function. */
  function: { name: string } & ProviderFields;
}

/** Choices that only OpenAI knows. */
export interface ChatOtherToolChoice extends ProviderFields {
  /** A set of tools, or a tool that takes free text. */
  type: "allowed_tools" | "custom";
}

/** The form of the answer. */
export type ResponseFormat = TextResponseFormat | JsonSchemaResponseFormat | GrammarResponseFormat;

/** Plain text, or any JSON object. */
export interface TextResponseFormat extends ProviderFields {
  /**
   * `"text"` is the default. `"json_object"` promises JSON of no particular form; the prompt must
   * ask for JSON as well.
   */
  type: "text" | "json_object";
}

/** JSON of a given schema. */
export interface JsonSchemaResponseFormat extends ProviderFields {
  /** The answer's text is JSON that follows `json_schema`. */
  type: "json_schema";

  /** The schema and its name. */
  json_schema?: JsonSchemaDefinition | undefined;
}

/** A schema and its name. */
export interface JsonSchemaDefinition extends ProviderFields {
  /** Letters, digits, underscores and dashes, at most 64. */
  name: string;

  /** Tells the model what the answer is for. */
  description?: string | null | undefined;

  /** The JSON Schema. */
  schema?: Readonly<Record<string, unknown>> | undefined;

  /** Whether the answer must follow the schema exactly. */
  strict?: boolean | null | undefined;
}

/** TGI's own grammars. */
export interface GrammarResponseFormat extends ProviderFields {
  /** What `value` holds. */
  type: "json" | "regex";

  /** A JSON Schema, or a regular expression. */
  value: unknown;
}

/** How long a reasoning model thinks. Not every model knows every level. */
export type ReasoningEffort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | (string & {});

/** Extras of a streamed answer. */
export interface ChatStreamOptions extends ProviderFields {
  /** Whether the last chunk carries the usage of the whole request. Some providers report none without it. */
  include_usage?: boolean | null | undefined;
}

// Answer

/**
 * Why the answer ended, the same for every provider: `stop` (the model was done, or met a stop
 * string), `length` (out of tokens), `tool_calls`, `content_filter`, or `other` for a reason that
 * is none of these. The provider's own word is the {@link RawFinishReason}.
 */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "other";

/** Why the answer ended, in the provider's own word. */
export type RawFinishReason =
  | "stop"
  | "length"
  | "tool_calls"
  | "content_filter"
  | "function_call"
  | "eos"
  | "eos_token"
  | "stop_sequence"
  | (string & {});

/** A whole answer. */
export interface ChatCompletion {
  /** The answer's id; an empty string from TGI. */
  id: string;

  /** Nearly always `"chat.completion"`. */
  object?: string;

  /** When the answer was made, in seconds since 1970. */
  created: number;

  /** The model that answered, by the provider's name for it. */
  model: string;

  /** The answers: one, unless `n` asked for more. */
  choices: ChatCompletionChoice[];

  /** The tokens used. */
  usage?: CompletionUsage | null;

  /** The server's configuration, for comparing answers to the same `seed`. */
  system_fingerprint?: string | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** One answer of a {@link ChatCompletion}. */
export interface ChatCompletionChoice {
  /** Which of the `n` answers this is, from 0. */
  index: number;

  /** The answer. It can be appended to `messages` as it is. */
  message: ChatCompletionMessage;

  /** Why the answer ended, in the provider's own word. */
  finish_reason: RawFinishReason | null;

  /** The log probabilities, when the request asked for them. */
  logprobs?: ChatLogprobs | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** The message of an answer. */
export interface ChatCompletionMessage {
  /** Who speaks: the assistant. */
  role: "assistant" | (string & {});

  /** The text; `null` or absent when the model only calls tools. */
  content?: string | null;

  /** The tools that the model wants called. */
  tool_calls?: ToolCall[] | null;

  /** Why the model refused, from providers that tell. */
  refusal?: string | null;

  /** The model's reasoning (Groq, Cerebras, newer vLLM and SGLang). */
  reasoning?: string | null;

  /** The model's reasoning (DeepSeek and most others). */
  reasoning_content?: string | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/**
 * A complete tool call.
 *
 * @example
 * ```ts
 * const { city } = JSON.parse(toolCall.function.arguments);
 * messages.push({ role: "tool", tool_call_id: toolCall.id, content: await getWeather(city) });
 * ```
 */
export interface ToolCall {
  /** To be repeated as `tool_call_id` in the `tool` message with the result. */
  id: string;

  /** The kind of tool. */
  type: "function";

  /** The function to call. */
  function: ToolCallFunction;
}

/** The function to call. */
export interface ToolCallFunction {
  /** The function's name. */
  name: string;

  /** The arguments, as JSON text. The model wrote it: it may be invalid, or not follow the schema. */
  arguments: string;
}

/**
 * One chunk of a streamed answer.
 *
 * @example
 * ```ts
 * for await (const chunk of stream) {
 *   show(chunk.choices[0]?.delta?.content ?? "");
 * }
 * ```
 */
export interface ChatCompletionChunk {
  /** The answer's id: mostly the same in each chunk; an empty string from TGI. */
  id?: string;

  /** Nearly always `"chat.completion.chunk"`. */
  object?: string;

  /** When the answer was begun, in seconds since 1970; 0 from some servers. */
  created?: number;

  /** The model that answers, by the provider's name for it. */
  model?: string;

  /** The news of each answer. Empty in a chunk that only carries usage. */
  choices: ChatCompletionChunkChoice[];

  /**
   * The tokens used: on the last chunk or a chunk of its own after it, from most providers only
   * with `stream_options: { include_usage: true }`.
   */
  usage?: CompletionUsage | null;

  /** The server's configuration, for comparing answers to the same `seed`. */
  system_fingerprint?: string | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** The news of one answer in a {@link ChatCompletionChunk}. */
export interface ChatCompletionChunkChoice {
  /** Which of the `n` answers this is, from 0. */
  index?: number;

  /** What has been added. */
  delta?: ChatCompletionDelta;

  /** Why the answer ended, in the provider's own word; `null` or absent until it does. */
  finish_reason?: RawFinishReason | null;

  /** The log probabilities, when the request asked for them. */
  logprobs?: ChatLogprobs | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** What a chunk adds to an answer. */
export interface ChatCompletionDelta {
  /** Who speaks: in the first chunk, in each, or in none. */
  role?: ChatRole | null;

  /**
   * More text. Mistral's reasoning models send an array of parts here; `textStream` and `events`
   * read both.
   */
  content?: string | null;

  /** More of the tool calls. */
  tool_calls?: ToolCallDelta[] | null;

  /** Why the model refuses, from providers that tell. */
  refusal?: string | null;

  /** More reasoning (Groq, Cerebras, newer vLLM and SGLang). */
  reasoning?: string | null;

  /** More reasoning (DeepSeek and most others). */
  reasoning_content?: string | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/**
 * A piece of a tool call, as the server sent it. Servers differ in what they repeat and leave out;
 * `events` and `final()` give whole {@link ToolCall}s.
 */
export interface ToolCallDelta {
  /** Which tool call of the answer this belongs to, from 0. */
  index?: number;

  /** The call's id: in its first piece; later absent, `null`, empty or repeated. */
  id?: string | null;

  /** The kind of tool. */
  type?: "function" | (string & {}) | null;

  /** A piece of the function's call. */
  function?: ToolCallFunctionDelta | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** A piece of a function's call. */
export interface ToolCallFunctionDelta {
  /** The function's name, whole: in the first piece; later absent, `null`, empty or repeated. */
  name?: string | null;

  /** More of the arguments' JSON text. */
  arguments?: string | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** The tokens that a request used. */
export interface CompletionUsage {
  /** Tokens of the request, those read from a cache included. */
  prompt_tokens: number;

  /** Tokens of the answer; with nearly all providers, reasoning included. */
  completion_tokens: number;

  /** The sum of both. */
  total_tokens: number;

  /** What the prompt's tokens are made of. */
  prompt_tokens_details?: PromptTokensDetails | null;

  /** What the answer's tokens are made of. */
  completion_tokens_details?: CompletionTokensDetails | null;

  /** Prompt tokens read from the cache (DeepSeek). */
  prompt_cache_hit_tokens?: number | null;

  /** Prompt tokens not found in the cache (DeepSeek). */
  prompt_cache_miss_tokens?: number | null;

  /** The price of the request in USD (DeepInfra). */
  estimated_cost?: number | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** What the prompt's tokens are made of. */
export interface PromptTokensDetails {
  /** Tokens read from a cache, which most providers charge less for. */
  cached_tokens?: number | null;

  /** Tokens of sound. */
  audio_tokens?: number | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** What the answer's tokens are made of. */
export interface CompletionTokensDetails {
  /** Tokens of reasoning. */
  reasoning_tokens?: number | null;

  /** Tokens of sound. */
  audio_tokens?: number | null;

  /** Predicted tokens that appeared in the answer (OpenAI). */
  accepted_prediction_tokens?: number | null;

  /** Predicted tokens that did not appear in the answer; charged all the same (OpenAI). */
  rejected_prediction_tokens?: number | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** The log probabilities of an answer's tokens. */
export interface ChatLogprobs {
  /** One entry for each token of the text. */
  content?: TokenLogprob[] | null;

  /** One entry for each token of a refusal. */
  refusal?: TokenLogprob[] | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** A token and how likely it was. */
export interface TokenLogprob {
  /** The token's text. */
  token: string;

  /** The natural logarithm of the token's probability. */
  logprob: number;

  /** The token's bytes in UTF-8: tokens may hold parts of a character. */
  bytes?: number[] | null;

  /** The likeliest tokens at this position, when `top_logprobs` asked for them. */
  top_logprobs?: TopLogprob[];

  /** Fields of one provider. */
  [key: string]: unknown;
}

/** One of the likeliest tokens at a position. */
export interface TopLogprob {
  /** The token's text. */
  token: string;

  /** The natural logarithm of the token's probability. */
  logprob: number;

  /** The token's bytes in UTF-8. */
  bytes?: number[] | null;

  /** Fields of one provider. */
  [key: string]: unknown;
}

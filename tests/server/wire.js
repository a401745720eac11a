/**
 * What the services put on the wire, as pure functions: the server sends it and the checks compute what they expect
 * from the same source. Only web APIs here, since browsers and workers import this file too.
 */

const mixedTokens = [
  "Héllo", " wörld", ", ", "世界", "，你好。", " 日本語", " 한국어", " 👋", "🏽", " 👩‍👩‍👧‍👦", " 🏳️‍🌈", " مرحبا", " שלום",
  " e\u0301", " 𝒳𝓎", " \u2028", "\u2029", "\n", "\r\n", "\t", "\"quoted\"", " \\ ", "/", " \u0000", "\u007f", " \ufeff", " data: x\n\n", "\ud83e\udd80",
];

/** Created once so that a chunk made by the server and one made by a check are equal. */
const created = 1755000000;

/**
 * The tokens of one answer.
 * @param {{ tokens?: number, text?: "plain" | "mixed", id?: string, size?: number }} options `size` makes each as long as that.
 * @returns {string[]}
 */
export function tokensOf({ tokens = 8, text = "plain", id, size } = {}) {
  if (size !== undefined) return Array.from({ length: tokens }, () => "0123456789".repeat(Math.ceil(size / 10)).slice(0, size));
  return Array.from({ length: tokens }, (_, index) => tokenAt(index, { text, id }));
}

/** @returns {string} */
export function tokenAt(index, { text = "plain", id } = {}) {
  if (id !== undefined) return `<${id}:${index}>`;
  if (text === "mixed") return mixedTokens[index % mixedTokens.length];
  return `${index === 0 ? "" : " "}word${index}`;
}

/** How many tokens show every kind of mixed text once. */
export const mixedTokenCount = mixedTokens.length;

export function usageOf(tokens) {
  return { prompt_tokens: 7, completion_tokens: tokens, total_tokens: 7 + tokens };
}

/** The catalogue of a router: prices in USD for a million tokens. What a provider does not tell is missing. */
export const market = {
  object: "list",
  data: [
    {
      id: "lab/large",
      object: "model",
      created: 1754412026,
      owned_by: "lab",
      architecture: { input_modalities: ["text", "image"], output_modalities: ["text"] },
      providers: [
        { provider: "groq", status: "live", context_length: 131072, pricing: { input: 3, output: 15, cached_input: 0.3 }, is_free: false, supports_tools: true, supports_structured_output: true, first_token_latency_ms: 120, throughput: 480.5, is_model_author: false },
        { provider: "together", status: "live", context_length: 32768, pricing: { input: 0.1, output: 0.3 }, supports_tools: false, first_token_latency_ms: 700, throughput: 40 },
        { provider: "novita", status: "live", context_length: 65536, pricing: { input: 0.2, output: 0.6 }, supports_tools: true, first_token_latency_ms: 400, throughput: 90 },
        { provider: "scaleway", status: "error" },
      ],
    },
    { id: "lab/small", object: "model", providers: [{ provider: "novita", status: "live", pricing: { input: 0.01, output: 0.02 } }] },
    { id: "lab/nobody", object: "model", providers: [] },
  ],
};

/** Fields no client knows; they must reach the caller unchanged. */
const unknownToClients = { x_scenario: { list: [1, null, "two", { three: 3.5 }], flag: true } };

function chatChunk(model, choices, extra) {
  return { id: "chatcmpl-1", object: "chat.completion.chunk", created, model, choices, ...unknownToClients, ...extra };
}

export function chatDeltaChunk(model, delta, index = 0) {
  return chatChunk(model, [{ index, delta, logprobs: null, finish_reason: null }]);
}

export function chatFinishChunk(model, finish, index = 0) {
  return chatChunk(model, [{ index, delta: {}, logprobs: null, finish_reason: finish }]);
}

export function chatUsageChunk(model, usage) {
  return chatChunk(model, [], { usage });
}

export const toolCallsExpected = [
  { id: "call_1", type: "function", function: { name: "get_weather", arguments: "{\"city\":\"Zürich\"}" } },
  { id: "call_2", type: "function", function: { name: "get_time", arguments: "{\"zone\":\"CET\"}" } },
];

const toolCallDeltas = [
  [{ index: 0, id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } }],
  [{ index: 0, function: { arguments: "{\"city\":" } }],
  [{ index: 0, id: "", type: "function", function: { name: "", arguments: "\"Zürich\"}" } }],
  [{ index: 1, id: "call_2", type: "function", function: { name: "get_time", arguments: "{\"zone\":\"CET\"}" } }],
];

export const reasoningExpected = "Let me think.";

/**
 * All chunks of one chat stream, in order.
 * @param {{ model?: string, tokens?: number, text?: "plain" | "mixed", id?: string, finish?: string | null, choices?: number,
 *   usage?: boolean, nullUsage?: boolean, finishWithLast?: boolean, content?: "text" | "tools" | "reasoning" }} options
 *   `finish: null` leaves the finish chunk out, `finishWithLast` puts the reason on the last token instead; `nullUsage` puts
 *   `usage: null` on every chunk.
 */
export function chatChunks(options = {}) {
  const { model = "test-model", finish = "stop", choices = 1, usage = false, content = "text" } = options;
  const chunks = [];
  for (let index = 0; index < choices; index++) chunks.push(chatDeltaChunk(model, { role: "assistant", content: "" }, index));
  if (content === "tools") {
    for (const tool_calls of toolCallDeltas) chunks.push(chatDeltaChunk(model, { tool_calls }));
  } else {
    if (content === "reasoning") {
      chunks.push(chatDeltaChunk(model, { reasoning_content: "Let me" }), chatDeltaChunk(model, { reasoning: " think." }));
    }
    for (const token of tokensOf(options)) {
      for (let index = 0; index < choices; index++) chunks.push(chatDeltaChunk(model, { content: choices > 1 ? `${index}${token}` : token }, index));
    }
  }
  if (options.finishWithLast) chunks.at(-1).choices[0].finish_reason = finish;
  else if (finish !== null) for (let index = 0; index < choices; index++) chunks.push(chatFinishChunk(model, finish, index));
  if (options.nullUsage) for (const chunk of chunks) chunk.usage = null;
  if (usage) chunks.push(chatUsageChunk(model, usageOf(options.tokens ?? 8)));
  return chunks;
}

/** The same answer, not streamed. */
export function chatCompletion(options = {}) {
  const { model = "test-model", finish = "stop", choices = 1, content = "text", tokens = 8 } = options;
  const text = tokensOf(options).join("");
  const message =
    content === "tools"
      ? { role: "assistant", content: null, tool_calls: toolCallsExpected }
      : { role: "assistant", content: text, ...(content === "reasoning" ? { reasoning_content: reasoningExpected } : {}) };
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created,
    model,
    system_fingerprint: null,
    choices: Array.from({ length: choices }, (_, index) => ({ index, finish_reason: finish, logprobs: null, message })),
    usage: usageOf(tokens),
    ...unknownToClients,
  };
}

/** A chunk stands for a token only when this says so; used to count what was sent. */
export function isTokenChunk(chunk) {
  if (chunk.token) return true;
  const choice = chunk.choices?.[0];
  if (!choice) return false;
  if (typeof choice.text === "string") return choice.text !== "";
  return Boolean(choice.delta?.content || choice.delta?.tool_calls || choice.delta?.reasoning || choice.delta?.reasoning_content);
}

/** OpenAI text completions, streamed. */
export function completionChunks(options = {}) {
  const { model = "test-model", finish = "stop", usage = false, tokens = 8 } = options;
  const chunk = (choices, extra) => ({ id: "cmpl-1", object: "text_completion", created, model, choices, ...extra });
  const chunks = tokensOf(options).map((text) => chunk([{ index: 0, text, logprobs: null, finish_reason: null }]));
  if (finish !== null) chunks.push(chunk([{ index: 0, text: "", logprobs: null, finish_reason: finish }]));
  if (usage) chunks.push(chunk([], { usage: usageOf(tokens) }));
  return chunks;
}

/** OpenAI text completions, whole. */
export function completion(options = {}) {
  const { model = "test-model", finish = "stop", tokens = 8 } = options;
  const text = tokensOf(options).join("");
  return {
    id: "cmpl-1",
    object: "text_completion",
    created,
    model,
    choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
    usage: usageOf(tokens),
  };
}

/** Text Generation Inference, streamed: only the last event carries `generated_text`; there is no `[DONE]`. */
export function generationEvents(options = {}) {
  const { finish = "length", tokens = 8 } = options;
  const texts = tokensOf(options);
  return texts.map((text, position) => {
    const last = position === texts.length - 1 && finish !== null;
    return {
      index: position + 1,
      token: { id: 100 + position, text, logprob: -0.5 - position / 8, special: false },
      generated_text: last ? texts.join("") : null,
      details: last ? { finish_reason: finish, generated_tokens: tokens, seed: null, input_length: 3 } : null,
    };
  });
}

/** Text Generation Inference, whole. */
export function generation(options = {}) {
  const { finish = "length", tokens = 8 } = options;
  return {
    generated_text: tokensOf(options).join(""),
    details: { finish_reason: finish, generated_tokens: tokens, seed: null, prefill: [], tokens: [] },
  };
}

/**
 * The events of a stream as text.
 * @param {object[]} events
 * @param {{ newline?: string, space?: boolean, done?: boolean, terminated?: boolean, bom?: boolean, comments?: boolean, pretty?: boolean, escape?: boolean }} framing
 */
export function eventStream(events, framing = {}) {
  const { done = true, bom = false } = framing;
  const parts = events.map((event) => eventText(event, framing));
  if (done) parts.push(doneText(framing));
  if (framing.terminated === false) parts[parts.length - 1] = parts[parts.length - 1].replace(/[\r\n]+$/, "");
  return (bom ? "\ufeff" : "") + parts.join("");
}

export function eventText(event, { newline = "\n", space = true, comments = false, pretty = false, escape = false } = {}) {
  let json = JSON.stringify(event, null, pretty ? 1 : undefined);
  if (escape) json = json.replace(/[^\x20-\x7e\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const data = json.split("\n").map((line) => `data:${space ? " " : ""}${line}${newline}`).join("");
  const comment = comments ? `:${newline}${newline}: keep-alive${newline}${newline}` : "";
  return comment + data + newline;
}

export function doneText({ newline = "\n", space = true } = {}) {
  return `data:${space ? " " : ""}[DONE]${newline}${newline}`;
}

/**
 * The body shapes in which services report an error. `text` is what a person should read; the empty and the HTML body
 * have none. `extra` is what the body may also show.
 * @type {Record<string, { status: number, contentType: string, text?: string, body: string }>}
 */
export const errorShapes = shapes({
  string: [401, { error: "Invalid username or password." }, "Invalid username or password."],
  credits: [402, { error: "You have depleted your monthly included credits." }, "You have depleted your monthly included credits."],
  permission: [403, { error: "This authentication method does not have sufficient permissions" }, "sufficient permissions"],
  openai: [
    400,
    { error: { message: "The requested model 'X' is not supported", type: "invalid_request_error", param: "model", code: "model_not_supported" } },
    "The requested model 'X' is not supported",
  ],
  openaiWithId: [404, { id: "8f", error: { message: "Unable to access model X", type: "invalid_request_error", param: "model", code: null } }, "Unable to access model X"],
  array: [400, { error: ["Error in `inputs`: first", "Error in `parameters`: second"] }, "Error in `inputs`: first"],
  warnings: [400, { error: "model_kwargs are not used", warnings: ["w"] }, "model_kwargs are not used"],
  loading: [503, { error: "Model X is currently loading", estimated_time: 20.0 }, "Model X is currently loading"],
  tgi: [429, { error: "Model is overloaded", error_type: "overloaded" }, "Model is overloaded"],
  tgiValidation: [422, { error: "Input validation error: too long", error_type: "validation" }, "Input validation error: too long"],
  tgiGeneration: [424, { error: "Request failed during generation: x", error_type: "generation" }, "Request failed during generation: x"],
  topLevel: [400, { message: "property 'store' is unsupported", type: "invalid_request_error", param: "store", code: "wrong_api_format" }, "property 'store' is unsupported"],
  objectError: [400, { object: "error", message: "context length exceeded", type: "BadRequestError", param: null, code: 40301 }, "context length exceeded"],
  gateway: [404, { message: "no Route matched with those values", request_id: "abc" }, "no Route matched with those values"],
  detail: [404, { detail: "Application not found" }, "Application not found"],
  detailList: [422, { detail: [{ loc: ["body", "messages", 0], msg: "Field required", type: "missing", input: {} }] }, "Field required"],
  detailError: [400, { detail: { error: "Model is busy" } }, "Model is busy"],
  description: [401, { error: "invalid_grant", error_description: "The code has expired" }, "invalid_grant"],
  errors: [400, { errors: [{ message: "Something is off" }] }, "Something is off"],
  llamaCpp: [503, { error: { code: 503, message: "Loading model", type: "unavailable_error" } }, "Loading model"],
  server: [500, { error: { message: "The server had an error", type: "server_error", code: "internal" } }, "The server had an error"],
  problem: [422, { title: "Input validation failed", detail: "- input: prompt is required", status: 422, invalid_fields: [] }, "prompt is required", "application/problem+json"],
  plainText: [422, "Failed to deserialize the JSON body into the target type: missing field `inputs`", "missing field `inputs`", "text/plain; charset=utf-8"],
  notFoundText: [404, "404: Not Found", "Not Found", "text/plain"],
  timeout: [408, { error: "Request timeout" }, "Request timeout"],
  tooLarge: [413, "length limit exceeded", "length limit exceeded", "text/plain"],
  empty: [401, "", undefined, "text/plain"],
  emptyJson: [500, {}, undefined],
  brokenJson: [500, "{\"error\": {\"message\": \"cut", undefined, "application/json"],
  nested: [400, { error: { error: { deep: [1, 2] } } }, undefined],
  html401: [401, "<!DOCTYPE html><html><head><title>401</title></head><body><h1>Unauthorized</h1></body></html>", undefined, "text/html"],
  html502: [502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>", undefined, "text/html; charset=UTF-8"],
  html503: [503, "\n<!doctype html><html lang=en><body>Service Unavailable</body></html>", undefined, "text/html"],
  html504: [504, "<html><body><h1>504 Gateway Time-out</h1></body></html>", undefined, "text/plain"],
});

function shapes(table) {
  return Object.fromEntries(
    Object.entries(table).map(([name, [status, body, text, contentType = "application/json"]]) => [
      name,
      { status, text, contentType, body: typeof body === "string" ? body : JSON.stringify(body) },
    ]),
  );
}

/** Error objects that services send inside a stream of status 200. `message` is what a person should read. */
export const streamErrors = {
  openai: { event: { error: { message: "The engine has died", type: "server_error", param: null, code: 503 } }, message: "The engine has died" },
  tgiChat: { event: { error: { message: "Request failed during generation: CUDA out of memory", http_status_code: 422 } }, message: "CUDA out of memory" },
  tgi: { event: { error: "Input validation error: too long", error_type: "validation" }, message: "Input validation error: too long" },
  vllm: { event: { error: { message: "Engine died", type: "BadRequestError", param: null, code: 400 } }, message: "Engine died" },
  vllmOld: { event: { object: "error", message: "Engine is gone", type: "x", param: null, code: 400 }, message: "Engine is gone" },
  sglang: { event: { error: { object: "error", message: "Aborted by the scheduler", type: "x", param: null, code: 400 } }, message: "Aborted by the scheduler" },
  llamaCppOld: {
    raw: "error: {\"code\":500,\"message\":\"context shift is disabled\",\"type\":\"server_error\"}\n\n",
    message: "context shift is disabled",
  },
  named: { raw: "event: error\ndata: {\"message\":\"Overloaded\"}\n\n", message: "Overloaded" },
};

/**
 * Bodies that never end: `start`, and then `piece` again and again.
 * @type {Record<string, { status?: number, contentType?: string, start?: string, piece: string }>}
 */
export const endlessBodies = {
  event: { start: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"", piece: "0123456789abcdef" },
  lines: { start: "data: {\"choices\":[\n", piece: `data: ${" ".repeat(1000)}\n` },
  words: { piece: eventText(chatDeltaChunk("test-model", { content: "word " })) },
  comments: { piece: ": keep-alive\n\n" },
  blanks: { piece: "\n" },
  zeros: { piece: "\0" },
  whole: { contentType: "application/json", start: "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"", piece: "0123456789abcdef" },
  error: { status: 500, contentType: "application/json", start: "{\"error\":\"", piece: "0123456789abcdef" },
  mapping: { contentType: "application/json", start: "{\"inferenceProviderMapping\":{\"groq\":{\"status\":\"live\",\"providerId\":\"", piece: "0123456789abcdef" },
};

/** Reads the text a body asks about: the last user message, the inputs or the prompt. */
export function questionOf(body) {
  if (Array.isArray(body?.messages)) return String(body.messages.at(-1)?.content ?? "");
  return String(body?.inputs ?? body?.prompt ?? "");
}

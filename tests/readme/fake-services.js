/**
 * A stand-in for router.huggingface.co, huggingface.co and dedicated endpoints: a function from a
 * Request to a Response in the services' own formats. It knows the answers to the README's
 * questions. Plain web standards, so that Node, browsers and workerd can all use it.
 */

const answers = [
  [/sky.*blue/i, "Air scatters blue light more than red, so the sky looks blue."],
  [/\b(hello|hi)\b/i, "Hello! How can I help you?"],
  [/capital of france/i, "The capital of France is Paris."],
];
const continuation = " there was a token that was never lost.";
const reasoningText = "Short waves scatter more than long ones.";

/** A value for each field that a JSON Schema asks for. */
function example(schema = {}, name = "") {
  if (schema.enum) return schema.enum[0];
  if (schema.const !== undefined) return schema.const;
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([key, value]) => [key, example(value, key)]),
      );
    case "array":
      return [example(schema.items, name)];
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    default:
      return /city|location|capital/i.test(name) ? "Paris" : /country/i.test(name) ? "France" : name;
  }
}

const textOf = (content) =>
  Array.isArray(content) ? content.map((part) => part.text ?? "").join(" ") : (content ?? "");

const words = (text) => text.match(/\s*\S+\s*?(?=\s|$)/g) ?? [];

function reply(body) {
  const last = body.messages.at(-1);
  const tool = body.tools?.[0]?.function;
  if (tool && last.role === "user" && body.tool_choice !== "none") {
    const call = { id: "call_1", type: "function", function: { name: tool.name, arguments: JSON.stringify(example(tool.parameters)) } };
    return { toolCall: call, finishReason: "tool_calls" };
  }
  const schema = body.response_format?.json_schema?.schema;
  if (schema) return { text: JSON.stringify(example(schema)), finishReason: "stop" };
  if (body.response_format?.type === "json_object") return { text: '{"title":"The sky","year":2026}', finishReason: "stop" };
  if (last.role === "tool") return { text: `The tool says: ${textOf(last.content)}`, finishReason: "stop" };
  const prompt = textOf(last.content);
  const known = answers.find(([question]) => question.test(prompt));
  return { text: known ? known[1] : `You said: ${prompt}`, finishReason: "stop" };
}

function usageOf(body, completion) {
  const prompt_tokens = words(body.messages?.map((message) => textOf(message.content)).join(" ") ?? body.prompt ?? body.inputs).length;
  const completion_tokens = words(completion).length;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

const json = (value, init = {}) =>
  new Response(JSON.stringify(value), { ...init, headers: { "content-type": "application/json", ...init.headers } });

/** Each event is one network chunk; aborting the request fails the body, as in a real fetch. */
function eventStream(events, { request, headers, cut }) {
  const encoder = new TextEncoder();
  const queue = (cut ? events.slice(0, Math.ceil(events.length / 2)) : events).map((event) =>
    encoder.encode(`data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`),
  );
  const body = new ReadableStream(
    {
      start(controller) {
        request.signal.addEventListener("abort", () => controller.error(request.signal.reason));
      },
      pull(controller) {
        const next = queue.shift();
        if (next) controller.enqueue(next);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": "text/event-stream", ...headers } });
}

function chat(body, context) {
  const { text = "", toolCall, finishReason } = reply(body);
  const reasoning = body.reasoning_effort && body.reasoning_effort !== "none" ? reasoningText : "";
  const usage = usageOf(body, text || toolCall?.function.arguments);
  const head = { id: "chatcmpl-1", created: 1767225600, model: body.model ?? "model" };
  if (!body.stream) {
    const message = { role: "assistant", content: toolCall ? null : text };
    if (reasoning) message.reasoning_content = reasoning;
    if (toolCall) message.tool_calls = [toolCall];
    const choices = [{ index: 0, message, finish_reason: finishReason, logprobs: null }];
    return json({ ...head, object: "chat.completion", choices, usage }, { headers: context.headers });
  }
  const chunk = (delta, finish_reason = null) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason, logprobs: null }],
  });
  const events = [chunk({ role: "assistant", content: "" })];
  for (const piece of words(reasoning)) events.push(chunk({ reasoning_content: piece }));
  for (const piece of words(text)) events.push(chunk({ content: piece }));
  if (toolCall) {
    const { name, arguments: all } = toolCall.function;
    events.push(chunk({ tool_calls: [{ index: 0, ...toolCall, function: { name, arguments: "" } }] }));
    for (const piece of all.match(/.{1,6}/gs)) {
      events.push(chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
    }
  }
  events.push(chunk({}, finishReason));
  if (body.stream_options?.include_usage) events.push({ ...head, object: "chat.completion.chunk", choices: [], usage });
  events.push("[DONE]");
  return eventStream(events, context);
}

function completions(body, context) {
  const usage = usageOf(body, continuation);
  const head = { id: "cmpl-1", object: "text_completion", created: 1767225600, model: body.model ?? "model" };
  const choice = (text, finish_reason) => [{ index: 0, text, logprobs: null, finish_reason }];
  if (!body.stream) return json({ ...head, choices: choice(continuation, "stop"), usage }, { headers: context.headers });
  const events = words(continuation).map((text) => ({ ...head, choices: choice(text, null) }));
  return eventStream([...events, { ...head, choices: choice("", "stop"), usage }, "[DONE]"], context);
}

function generate(body, context, { stream, list }) {
  const { prompt_tokens } = usageOf(body, "");
  const pieces = words(continuation);
  const details = { finish_reason: "eos_token", generated_tokens: pieces.length, seed: null };
  const wanted = body.parameters?.details === true;
  const token = (text, index) => ({ id: index + 1, text, logprob: -0.5, special: false });
  if (!stream) {
    const output = { generated_text: continuation };
    if (wanted) output.details = { ...details, prefill: [], tokens: pieces.map(token) };
    return json(list ? [output] : output, { headers: context.headers });
  }
  const events = pieces.map((text, index) => {
    const last = index === pieces.length - 1;
    return {
      index: index + 1,
      token: token(text, index),
      generated_text: last ? continuation : null,
      details: last && wanted ? { ...details, input_length: prompt_tokens } : null,
    };
  });
  return eventStream(events, context);
}

const models = [
  { id: "openai/gpt-oss-120b", providers: ["groq", "cerebras", "together"] },
  { id: "meta-llama/Llama-3.1-8B-Instruct", providers: ["novita", "fireworks-ai"] },
];

function catalogue() {
  const provider = (name) => ({
    provider: name,
    status: "live",
    context_length: 131072,
    pricing: { input: 0.15, output: 0.75 },
    supports_tools: true,
    supports_structured_output: true,
    first_token_latency_ms: 200,
    throughput: 500,
  });
  const data = models.map(({ id, providers }) => ({
    id,
    object: "model",
    created: 1754412026,
    owned_by: id.split("/")[0],
    providers: providers.map(provider),
  }));
  return json({ object: "list", data });
}

function mapping(id) {
  const task = /instruct|chat|gpt-oss|-it\b/i.test(id) ? "conversational" : "text-generation";
  const offer = { status: "live", providerId: id.toLowerCase(), task };
  const names = ["groq", "together", "novita", "featherless-ai", "hf-inference"];
  return json({ _id: "66", id, inferenceProviderMapping: Object.fromEntries(names.map((name) => [name, offer])) });
}

const errors = {
  400: (model) => json({ error: { message: `The requested model '${model}' is not supported by any provider you have enabled.`, type: "invalid_request_error", param: "model", code: "model_not_supported" } }, { status: 400 }),
  401: () => json({ error: "Invalid username or password." }, { status: 401 }),
  402: () => json({ error: "You have depleted your monthly included credits. Purchase pre-paid credits to continue." }, { status: 402 }),
  429: () => json({ error: { message: "Rate limit reached.", type: "requests", code: "rate_limit_exceeded" } }, { status: 429, headers: { "retry-after": "3600" } }),
  503: () => new Response("<html><body>Service Unavailable</body></html>", { status: 503, headers: { "content-type": "text/html" } }),
};

/**
 * Answers a request to one of the services; `undefined` for any other host.
 *
 * @param {Request} request
 * @param {{ answers?: string | undefined, pageOrigin?: string | undefined }} [options]
 *   `answers`: an HTTP status, `cut` for streams that break off, or `offline`
 * @returns {Promise<Response | undefined>}
 */
export async function fakeResponse(request, options = {}) {
  const { hostname, origin, pathname } = new URL(request.url);
  const hub = hostname === "huggingface.co";
  const keyed = hostname === "router.huggingface.co" || hostname.endsWith(".endpoints.huggingface.cloud");
  // A server on the reader's own machine, or behind the reader's own page.
  const local = hostname === "localhost" || (origin === options.pageOrigin && pathname.startsWith("/api/"));
  if (!hub && !keyed && !local) return undefined;

  request.signal.throwIfAborted();
  if (options.answers === "offline") throw new TypeError("fetch failed");
  if (hub) {
    const [, id] = /^\/api\/models\/([^/]+\/[^/]+)$/.exec(pathname) ?? [];
    return id ? mapping(id) : json({ error: "Not found" }, { status: 404 });
  }
  if (request.method === "GET" && pathname.endsWith("/models")) return catalogue();

  const token = request.headers.get("authorization");
  if (keyed && !token) {
    return new Response("<html><body>401</body></html>", { status: 401, headers: { "content-type": "text/html" } });
  }
  if (keyed && !/^Bearer hf_(test|oauth_\w+)$/.test(token)) return errors[401]();
  const body = await request.json();
  if (options.answers in errors) return errors[options.answers](body.model);

  const [, provider = "groq"] = /:([\w-]+)$/.exec(body.model ?? "") ?? [];
  const headers = { "x-request-id": "request-1", "x-inference-provider": provider };
  const context = { request, headers, cut: options.answers === "cut" };
  if (pathname.endsWith("/chat/completions")) return chat(body, context);
  if (pathname.endsWith("/completions")) return completions(body, context);
  if (pathname.endsWith("/generate_stream")) return generate(body, context, { stream: true });
  if (pathname.endsWith("/generate")) return generate(body, context, { stream: false });
  if (pathname === "/") return generate(body, context, { stream: body.stream === true, list: true });
  return json({ error: "Not found" }, { status: 404 });
}

/**
 * A plain reader of whole bodies, to hold the package's streaming reader against.
 *
 * It has the body complete before it begins, parses each event with `JSON.parse`, and adds up. It shares
 * no code and no structure with the package: where the two differ, one of them is wrong.
 */

type Members = Record<string, unknown>;

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export interface ChatEvent {
  type: string;
  text?: string;
  index?: number;
  id?: string;
  name?: string;
  arguments?: string;
  toolCall?: ToolCall;
  usage?: Members;
  finishReason?: string;
  rawFinishReason?: string | null;
}

export interface PartialAnswer {
  text: string;
  reasoning: string;
  toolCalls: ToolCall[];
}

export interface ChatChoice extends PartialAnswer {
  index: number;
  finishReason: string;
  rawFinishReason: string | null;
}

export interface Failure {
  /** The name of the error's class. */
  name: string;
  /** The service's words; empty when it had none that can be shown. */
  message: string;
  serviceCode: string;
}

export interface ChatReading {
  chunks: Members[];
  /** What the events tell of the first choice. Deltas that follow each other are joined. */
  events: ChatEvent[];
  final?: Omit<ChatChoice, "index"> & { choices: ChatChoice[]; usage: Members | null; model: string };
  error?: Failure;
  /** What had come before the error; `null` for nothing. */
  partial?: PartialAnswer | null;
}

export interface GenerationReading {
  chunks: Members[];
  text: string;
  final?: { generated_text: string; details: Members | null; usage: Members | null };
  error?: Failure;
  partial?: PartialAnswer | null;
}

export interface Request {
  n?: number;
  model?: string;
  stream_options?: { include_usage?: boolean };
}

function members(value: unknown): Members | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The text of a string that says something. */
function words(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

// Server-sent events

interface ServerEvent {
  name: string;
  data: string;
  /** The body ended before the event's blank line. */
  unended: boolean;
}

/**
 * The algorithm of the HTML standard, but that the body's end completes the last event, and that a field
 * named `error` (llama.cpp) is an event of that name.
 */
function serverEvents(text: string): ServerEvent[] {
  const events: ServerEvent[] = [];
  let name = "";
  let data: string[] = [];
  const dispatch = (unended: boolean): void => {
    if (data.length > 0) events.push({ name, data: data.join("\n"), unended });
    name = "";
    data = [];
  };
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line === "") {
      dispatch(false);
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") name = value;
    else if (field === "error") events.push({ name: "error", data: value, unended: false });
  }
  dispatch(true);
  return events;
}

// Errors

const NAMES: Record<number, string> = {
  401: "AuthenticationError",
  402: "PaymentRequiredError",
  403: "PermissionError",
  404: "NotFoundError",
  408: "ServerError",
  409: "ServerError",
  410: "NotFoundError",
  // TGI's generation failed: nothing was wrong with the request.
  424: "ServerError",
  425: "ServerError",
  429: "RateLimitError",
};

function nameOfStatus(status: number): string {
  return NAMES[status] ?? (status < 500 ? "InputError" : "ServerError");
}

/** TGI's error types and the beginnings of its messages that say that the request is wrong. */
const WRONG_REQUEST = ["validation", "template_error", "tool_error", "missing_template_variable"];
const WRONG_REQUEST_WORDS = /^(Input validation error|Template error|Tool error|Missing template variable):/i;

function isMarkup(text: string): boolean {
  return /^\s*<[!?a-z][^]*<\//i.test(text) || /<html|^\s*<!/i.test(text);
}

function shown(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === undefined || trimmed === "" || isMarkup(trimmed) ? undefined : trimmed;
}

/** The first place of an error body that has words. */
function messageOf(body: unknown): string {
  if (typeof body === "string") return shown(body) ?? "";
  const error = members(body)?.["error"];
  const detail = members(body)?.["detail"];
  const joined = (parts: unknown[]): string | undefined => shown(parts.filter((part) => part !== undefined).join("; "));
  const located = (part: unknown): string | undefined => {
    const text = words(members(part)?.["msg"]);
    const place = list(members(part)?.["loc"]).join(".");
    return text !== undefined && place !== "" ? `${place}: ${text}` : text;
  };
  const found =
    shown(words(error)) ??
    shown(words(members(error)?.["message"])) ??
    joined(list(error).map(words)) ??
    shown(words(members(body)?.["message"])) ??
    shown(words(detail)) ??
    joined(list(detail).map(located)) ??
    shown(words(members(detail)?.["error"])) ??
    joined(list(members(body)?.["errors"]).map((part) => words(members(part)?.["message"]))) ??
    shown(words(members(body)?.["title"])) ??
    "";
  const description = words(members(body)?.["error_description"]);
  return description === undefined ? found : `${found}: ${description}`;
}

function codeOf(body: unknown): string {
  const outer = members(body);
  const error = members(outer?.["error"]);
  const places = [error?.["code"], outer?.["code"], outer?.["error_type"], error?.["type"], outer?.["type"]];
  const code = places.find((place) => typeof place === "number" || words(place) !== undefined);
  return code === undefined ? "" : String(code);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a refusal says: an answer with an error status. */
export function readRefusal(status: number, body: Uint8Array): Failure {
  const problem = parsed(new TextDecoder().decode(body));
  return { name: nameOfStatus(status), message: messageOf(problem), serviceCode: codeOf(problem) };
}

/** An error object in an answer with status 200. */
function failure(problem: unknown, hasOutput: boolean): Failure {
  const message = messageOf(problem);
  const serviceCode = codeOf(problem);
  const status = /^[45]\d\d$/.test(serviceCode) ? Number(serviceCode) : undefined;
  let name = "ServerError";
  if (hasOutput) name = "StreamInterruptedError";
  else if (status !== undefined) name = nameOfStatus(status);
  else if (serviceCode.startsWith("rate_limit")) name = "RateLimitError";
  else if (WRONG_REQUEST.includes(serviceCode) || WRONG_REQUEST_WORDS.test(message)) name = "InputError";
  return { name, message, serviceCode };
}

function unnamed(name: string): Failure {
  return { name, message: "", serviceCode: "" };
}

/** Whether a message is an error, although its status was 200. */
function isError(message: Members, answers: boolean): boolean {
  const error = message["error"];
  if (typeof error === "string" ? error !== "" : error !== undefined && error !== null) return true;
  if (message["object"] === "error") return true;
  return !answers && (words(message["message"]) !== undefined || (message["detail"] ?? null) !== null);
}

/** A body's messages, until it says that it is complete. */
type Body =
  | { kind: "document"; document: unknown }
  | { kind: "events"; events: ServerEvent[] }
  | { kind: "invalid" };

function bodyOf(bytes: Uint8Array): Body {
  const text = new TextDecoder().decode(bytes);
  const start = text.trimStart();
  if (start === "" || start.startsWith("<")) return { kind: "invalid" };
  if (!start.startsWith("{") && !start.startsWith("[")) return { kind: "events", events: serverEvents(text) };
  const document = parsed(text);
  return typeof document === "string" ? { kind: "invalid" } : { kind: "document", document };
}

// Chat

const FINISH_REASONS: Record<string, string> = {
  stop: "stop",
  eos: "stop",
  eos_token: "stop",
  stop_sequence: "stop",
  length: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
};

interface CallInProgress {
  index: number | undefined;
  id: string;
  name: string;
  arguments: string;
  begun: boolean;
  told: number;
}

/** One choice, and in which order its parts came. */
class Choice {
  readonly story: ChatEvent[] = [];
  readonly calls: CallInProgress[] = [];
  finishReason = "";

  constructor(readonly index: number) {}

  take(choice: Members): void {
    const delta = members(choice["delta"]) ?? members(choice["message"]);
    this.#takeReasoning(delta);
    const content = delta === undefined ? choice["text"] : delta["content"];
    if (typeof content === "string") this.story.push({ type: "text", text: content });
    for (const part of list(content)) this.#takePart(part);
    this.#takeCalls(delta);
    this.finishReason = words(choice["finish_reason"]) ?? this.finishReason;
  }

  /** The same reasoning may come under several names. */
  #takeReasoning(delta: Members | undefined): void {
    const details = list(delta?.["reasoning_details"]).map((detail) => words(members(detail)?.["text"]) ?? "");
    const text =
      words(delta?.["reasoning"]) ??
      words(delta?.["reasoning_content"]) ??
      words(delta?.["reasoning_text"]) ??
      details.join("");
    this.story.push({ type: "reasoning", text });
  }

  #takePart(part: unknown): void {
    const { type, text, thinking } = members(part) ?? {};
    if (type === "text") this.story.push({ type: "text", text: words(text) ?? "" });
    if (type === "thinking") {
      for (const thought of list(thinking)) {
        this.story.push({ type: "reasoning", text: words(members(thought)?.["text"]) ?? "" });
      }
    }
  }

  #takeCalls(delta: Members | undefined): void {
    const value = delta?.["tool_calls"];
    const older = members(delta?.["function_call"]);
    let calls = members(value) ? [value] : list(value);
    if (calls.length === 0 && older !== undefined) calls = [{ function: older }];
    calls.forEach((part, place) => {
      const call = members(part);
      const fn = members(call?.["function"]);
      if (call === undefined) return;
      const number = typeof call["index"] === "number" ? call["index"] : undefined;
      const known = this.#find(number ?? (calls.length > 1 ? place : undefined), words(call["id"]));
      known.id ||= words(call["id"]) ?? "";
      known.name ||= words(fn?.["name"]) ?? "";
      const args = fn?.["arguments"];
      known.arguments += typeof args === "string" ? args : members(args) ? JSON.stringify(args) : "";
      if (known.name !== "") this.#tell(known);
    });
  }

  /** Which call a delta speaks of. */
  #find(index: number | undefined, id: string | undefined): CallInProgress {
    let found: CallInProgress | undefined;
    if (index !== undefined) {
      const same = this.calls.findLast((call) => call.index === index);
      // A new id says that the index was used again.
      if (id === undefined || same?.id === "" || same?.id === id) found = same;
    } else if (id === undefined) {
      found = this.calls.at(-1);
    }
    found ??= this.calls.find((call) => id !== undefined && call.id === id);
    if (found === undefined) {
      found = { index, id: "", name: "", arguments: "", begun: false, told: 0 };
      this.calls.push(found);
    }
    return found;
  }

  /** What is not known to the reader of the events yet. */
  #tell(call: CallInProgress): void {
    const common = { index: this.calls.indexOf(call), id: call.id, name: call.name };
    if (!call.begun) this.story.push({ type: "tool-call-start", ...common });
    const news = call.arguments.slice(call.told);
    if (news !== "") this.story.push({ type: "tool-call-delta", ...common, arguments: news });
    call.begun = true;
    call.told = call.arguments.length;
  }

  get toolCalls(): ToolCall[] {
    return this.calls.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.arguments.toWellFormed() },
    }));
  }

  get hasOutput(): boolean {
    return this.calls.length > 0 || this.story.some(({ text }) => text !== undefined && text !== "");
  }

  /** The story with `<think>…</think>` at the start of its text told as reasoning, and deltas joined. */
  told(reasoningTags: boolean): ChatEvent[] {
    const content = this.story.map((part) => (part.type === "text" ? part.text : "")).join("");
    const { from, to, text } = reasoningTags ? thinkTags(content) : { from: 0, to: 0, text: 0 };
    const story: ChatEvent[] = [];
    let at = 0;
    for (const part of this.story) {
      if (part.type !== "text") {
        story.push(part);
        continue;
      }
      const end = at + part.text!.length;
      const between = (low: number, high: number): string =>
        content.slice(Math.max(at, low), Math.max(Math.min(end, high), Math.max(at, low)));
      story.push({ type: "reasoning", text: between(from, to) }, { type: "text", text: between(text, content.length) });
      at = end;
    }
    return joined(story);
  }

  result(reasoningTags: boolean): ChatChoice {
    const story = this.told(reasoningTags);
    const all = (type: string): string => story.map((part) => (part.type === type ? part.text : "")).join("");
    let finishReason = FINISH_REASONS[this.finishReason] ?? "other";
    // TGI says `stop` although it made calls.
    if (finishReason === "stop" && this.calls.length > 0) finishReason = "tool_calls";
    return {
      index: this.index,
      text: all("text").toWellFormed(),
      reasoning: all("reasoning").toWellFormed(),
      toolCalls: this.toolCalls,
      finishReason,
      rawFinishReason: this.finishReason || null,
    };
  }
}

/** Where in a content the reasoning begins and ends, and where the text begins. */
function thinkTags(content: string): { from: number; to: number; text: number } {
  const open = /^\s*<think>/.exec(content);
  if (open === null) return { from: 0, to: 0, text: 0 };
  const from = open[0].length;
  const close = /<\/think>\s*/g;
  close.lastIndex = from;
  const found = close.exec(content);
  if (found === null) return { from, to: content.length, text: content.length };
  return { from, to: found.index, text: close.lastIndex };
}

/** Joins deltas that follow each other: where the network cuts, and half characters, must not matter. */
export function joined(events: ChatEvent[]): ChatEvent[] {
  const story: ChatEvent[] = [];
  for (const event of events) {
    const last = story.at(-1);
    if (event.text === "") continue;
    if (event.text !== undefined && last?.type === event.type) last.text += event.text;
    else if (event.type === "tool-call-delta" && last?.type === event.type && last.index === event.index) {
      last.arguments! += event.arguments!;
    } else story.push({ ...event });
  }
  return story.map((event) => {
    const wellFormed = { ...event };
    if (event.text !== undefined) wellFormed.text = event.text.toWellFormed();
    if (event.arguments !== undefined) wellFormed.arguments = event.arguments.toWellFormed();
    return wellFormed;
  });
}

/** Reads the answer to a chat request. */
export function readChat(bytes: Uint8Array, request: Request = {}, reasoningTags = true, streamed = true): ChatReading {
  const chunks: Members[] = [];
  const choices: Choice[] = [];
  let usage: Members | null = null;
  let model = "";

  const take = (chunk: Members): void => {
    list(chunk["choices"]).forEach((value, place) => {
      const part = members(value);
      if (part === undefined) return;
      const index = typeof part["index"] === "number" ? part["index"] : place;
      let choice = choices.find((known) => known.index === index);
      if (choice === undefined) choices.push((choice = new Choice(index)));
      choice.take(part);
    });
    const told = members(chunk["usage"]);
    usage = told ?? members(members(chunk["x_groq"])?.["usage"]) ?? usage;
    model ||= words(chunk["model"]) ?? "";
    if (Object.keys(chunk).length === 0) return;
    const choicesOf = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
    // A chunk with nothing but the usage is for those only who asked for it.
    const hidden = Array.isArray(chunk["choices"]) && choicesOf.length === 0 && told && !request.stream_options?.include_usage;
    if (!hidden) chunks.push({ ...chunk, choices: choicesOf });
  };
  const first = (): Choice => choices.find((choice) => choice.index === 0) ?? choices[0] ?? new Choice(0);
  const tale = (): ChatEvent[] => (choices.some((choice) => choice.index === 0) ? first().told(reasoningTags) : []);
  const fail = (error: Failure): ChatReading => {
    const { text, reasoning, toolCalls } = first().result(reasoningTags);
    const partial = choices.some((choice) => choice.hasOutput) ? { text, reasoning, toolCalls } : null;
    return { chunks, events: tale(), error, partial };
  };
  const failed = (problem: unknown): ChatReading => fail(failure(problem, choices.some((choice) => choice.hasOutput)));
  const finished = (): boolean => choices.length > 0 && choices.every((choice) => choice.finishReason !== "");
  const complete = (): ChatReading => {
    const results = (choices.length > 0 ? choices : [first()]).map((choice) => choice.result(reasoningTags));
    results.sort((a, b) => a.index - b.index);
    const { index: _, ...result } = results[0]!;
    const events = tale();
    result.toolCalls.forEach((toolCall, index) => events.push({ type: "tool-call", index, toolCall }));
    if (usage !== null) events.push({ type: "usage", usage });
    events.push({ type: "finish", finishReason: result.finishReason, rawFinishReason: result.rawFinishReason });
    return { chunks, events, final: { ...result, choices: results, usage, model: request.model ?? model } };
  };

  const body = bodyOf(bytes);
  if (body.kind === "invalid") return fail(unnamed("InvalidResponseError"));
  if (body.kind === "document") {
    const document = members(body.document);
    if (document === undefined) return fail(unnamed("InvalidResponseError"));
    if (isError(document, Array.isArray(document["choices"]))) return failed(document);
    take(streamed ? asChunk(document) : document);
    return choices.length > 0 ? complete() : fail(unnamed("InvalidResponseError"));
  }
  for (const { name, data, unended } of body.events) {
    if (data.trim() === "[DONE]") return complete();
    const chunk = members(parsed(data));
    if (name === "error") return failed(parsed(data));
    if (data.trim() === "") continue;
    if (chunk === undefined && unended) return finished() ? complete() : fail(unnamed("TruncatedError"));
    if (chunk === undefined) return fail(unnamed("InvalidResponseError"));
    if (isError(chunk, Array.isArray(chunk["choices"]))) return failed(chunk);
    take(chunk);
  }
  return finished() ? complete() : fail(unnamed("TruncatedError"));
}

/** A whole answer as the one chunk of a stream: each message is a delta. */
function asChunk(document: Members): Members {
  const choices = list(document["choices"]).map((choice) => {
    const { message, ...rest } = members(choice) ?? {};
    return { ...rest, delta: message };
  });
  return { ...document, object: "chat.completion.chunk", choices };
}

// Text generation

/** Reads the answer to a text-generation request, whichever of the two protocols it is in. */
export function readGeneration(bytes: Uint8Array): GenerationReading {
  const chunks: Members[] = [];
  let text = "";
  let generatedText: string | undefined;
  let details: Members | null = null;
  let usage: Members | null = null;
  let finishReason = "";
  let seed: unknown = null;
  let isCompletion = false;

  const fail = (error: Failure): GenerationReading => {
    const partial = chunks.length > 0 ? { text, reasoning: "", toolCalls: [] } : null;
    return { chunks, text, error, partial };
  };
  const failed = (problem: unknown): GenerationReading => fail(failure(problem, chunks.length > 0));
  const token = (shown: string, whole: string | null, how: Members | null): Members => ({
    index: chunks.length + 1,
    token: { id: null, text: shown, logprob: null, special: shown === "" },
    generated_text: whole,
    details: how,
  });
  const complete = (): GenerationReading => {
    if (isCompletion && finishReason !== "") {
      details = { finish_reason: finishReason, generated_tokens: usage?.["completion_tokens"] ?? null, seed };
      chunks.push(token("", text, details));
    }
    return { chunks, text, final: { generated_text: generatedText ?? text, details, usage } };
  };
  const takeCompletion = (message: Members): void => {
    isCompletion = true;
    usage = members(message["usage"]) ?? usage;
    for (const value of list(message["choices"])) {
      const choice = members(value);
      const piece = words(choice?.["text"]) ?? "";
      text += piece;
      finishReason = words(choice?.["finish_reason"]) ?? finishReason;
      seed = choice?.["seed"] ?? seed;
      if (piece !== "") chunks.push(token(piece, null, null));
    }
  };
  /** Takes an event of TGI's; returns whether the closing text bears its tokens out. */
  const takeToken = (message: Members): boolean => {
    chunks.push(message);
    const { text: piece, special } = members(message["token"]) ?? {};
    if (special !== true) text += words(piece) ?? "";
    details = members(message["details"]) ?? details;
    if (typeof message["generated_text"] !== "string") return true;
    const whole = (generatedText = message["generated_text"]);
    // The prompt may precede (`return_full_text`), and a stop sequence be in the tokens alone.
    if (whole.endsWith(text) || text.startsWith(whole)) return true;
    if (!whole.startsWith(text)) return false;
    text = whole;
    return true;
  };

  const body = bodyOf(bytes);
  if (body.kind === "invalid") return fail(unnamed("InvalidResponseError"));
  if (body.kind === "document") {
    const document = members(Array.isArray(body.document) ? body.document[0] : body.document) ?? {};
    if (isError(document, false)) return failed(document);
    if (Array.isArray(document["choices"])) {
      takeCompletion(document);
      return complete();
    }
    const whole = document["generated_text"];
    if (typeof whole !== "string") return fail(unnamed("InvalidResponseError"));
    text = whole;
    details = members(document["details"]) ?? null;
    chunks.push(token(whole, whole, details));
    return complete();
  }
  for (const { name, data, unended } of body.events) {
    if (data.trim() === "[DONE]") return complete();
    const message = members(parsed(data));
    if (name === "error") return failed(parsed(data));
    if (data.trim() === "") continue;
    if (message === undefined && unended) return finishReason !== "" ? complete() : fail(unnamed("TruncatedError"));
    if (message === undefined) return fail(unnamed("InvalidResponseError"));
    const answers = Array.isArray(message["choices"]) || members(message["token"]) !== undefined;
    if (isError(message, answers)) return failed(message);
    if (Array.isArray(message["choices"])) takeCompletion(message);
    else if (members(message["token"]) && !takeToken(message)) return fail(unnamed("InvalidResponseError"));
    if (generatedText !== undefined) return complete();
  }
  return finishReason !== "" ? complete() : fail(unnamed("TruncatedError"));
}

/**
 * What a caller holds while an answer streams in: iterables over one exchange, and its final result.
 */

import { errorOf, InputError, type ErrorFacts, type InferenceError, type PartialAnswer, type Trace } from "./errors.js";
import { Exchange, nothing, WANT } from "./exchange.js";
import { Growing } from "./growing.js";
import { readMarks, readText } from "./instance.js";
import type { FallbackNotice } from "./options.js";
import { readObject, withObject } from "./structured.js";
import type { ChatCompletionChunk, CompletionUsage, FinishReason, ToolCall } from "./types/chat.js";
import type { TextGenerationOutput, TextGenerationStreamOutput } from "./types/generation.js";
import type { Cost } from "./types/money.js";
import type { DeepPartial, Schema } from "./types/schema.js";

/** An event of {@link ChatStream.events}. */
export type ChatEvent =
  /** The answer begins. `provider` and `model` are those of the target that answers. */
  | { type: "start"; provider: string; model?: string; requestId?: string }
  /** Some of the answer. */
  | { type: "text"; text: string }
  /** Some of the reasoning that precedes the answer. */
  | { type: "reasoning"; text: string }
  /** The model begins to call a tool. */
  | { type: "tool-call-start"; index: number; id: string; name: string }
  /**
   * Some more of the arguments: `arguments` is the new part of their JSON text, `partialArguments` the
   * value so far. It is one value that grows from event to event (`structuredClone` keeps a state of
   * it); `undefined` before its first character.
   */
  | { type: "tool-call-delta"; index: number; id: string; name: string; arguments: string; partialArguments: unknown }
  /**
   * A tool call is complete. `parsedArguments` are its arguments as a value: `{}` for none,
   * `undefined` when the model wrote something that is not JSON.
   */
  | { type: "tool-call"; index: number; toolCall: ToolCall; parsedArguments: unknown }
  /** An attempt failed before anything was shown; the next follows after `delay` milliseconds. */
  | { type: "retry"; attempt: number; delay: number; waking?: boolean; error: InferenceError }
  /** The call goes to its next target. */
  | { type: "fallback"; from: FallbackNotice["from"]; to: FallbackNotice["to"]; error: InferenceError }
  /** The answer broke off and begins anew: clear what you have shown (`midStream: "restart"`). */
  | { type: "restart" }
  /** The tokens that the call used, once. */
  | { type: "usage"; usage: CompletionUsage }
  /** The answer is complete: always the last event, and missing when the answer failed. */
  | { type: "finish"; finishReason: FinishReason; rawFinishReason: string | null };

/** The order is that of the core's marks. */
const EVENT_TYPES = [
  "text",
  "reasoning",
  "start",
  "tool-call-start",
  "tool-call-delta",
  "tool-call",
  "usage",
  "finish",
  "retry",
  "fallback",
  "restart",
] as const;
const TEXT = 0;
const REASONING = 1;
/** Marks from here on are patches of growing values; their higher bits say which. */
const PATCH = 16;

/** The assistant's message, ready to be appended to `messages`. */
export interface AssistantMessage {
  role: "assistant";
  /** `null` when the message has tool calls and no text, which is the form that all services take. */
  content: string | null;
  tool_calls?: ToolCall[];
}

/** One choice of an answer. */
export interface ChatFinalChoice extends PartialAnswer {
  index: number;
  message: AssistantMessage;
  finishReason: FinishReason;
  rawFinishReason: string | null;
  /** Why the model would not answer, in its words, when it refused. */
  refusal?: string;
}

/** The whole of a streamed answer. All but `choices` speak of the first choice. */
export interface ChatFinal<Value = unknown> extends PartialAnswer {
  /**
   * The answer as a value that fits the request's `schema`. Absent without one, and when the model
   * called tools instead of answering.
   */
  object?: Value;
  /** The assistant's message, ready to be appended to `messages`. */
  message: AssistantMessage;
  /** Every choice: more than one when `n` asked for them. */
  choices: ChatFinalChoice[];
  /** Why the answer ended, in words that are the same for every provider. */
  finishReason: FinishReason;
  /** The same in the provider's word; `null` when it gave none. */
  rawFinishReason: string | null;
  /** Why the model would not answer, in its words, when it refused. */
  refusal?: string;
  /** The tokens used; `estimated: true` when the provider does not tell. */
  usage?: CompletionUsage & { estimated?: boolean };
  /** What the call cost, lost attempts included; absent when a price is not known. */
  cost?: Cost;
  /** Who answered. */
  provider: string;
  /** The model that was asked for; what the service says when none was. */
  model: string;
  /** The service's name for the request, where it may be read. */
  requestId?: string;
  /** The attempts of the call. */
  trace: Trace;
}

/** The whole of a streamed text. */
export interface GenerationFinal extends TextGenerationOutput {
  /** The tokens used; `estimated: true` when the server does not tell. */
  usage?: CompletionUsage & { estimated?: boolean };
  /** What the call cost, lost attempts included; absent when a price is not known. */
  cost?: Cost;
  /** Who answered. */
  provider: string;
  /** The model that was asked for; what the service says when none was. */
  model?: string;
  /** The service's name for the request, where it may be read. */
  requestId?: string;
  /** The attempts of the call. */
  trace: Trace;
}

/** Reads one kind of item off an exchange. */
interface Consumer<Item> {
  readonly want: number;
  /** Takes the items of a batch. */
  take(text: string, marks: Uint32Array): void;
  readonly items: Item[];
}

/** A stream of items with its end result. */
abstract class AnswerStream<Chunk, Final> implements AsyncIterableIterator<Chunk> {
  readonly #exchange: Exchange;
  #consumer: Consumer<unknown> | undefined;
  #iterator: AsyncIterableIterator<unknown> | undefined;
  /** What was read before a consumer came: only `final()` reads without one. */
  #backlog: { text: string; marks: Uint32Array }[] = [];
  #final: Final | Promise<Final> | undefined;

  /** @internal */
  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    exchange.take = () => {
      const text = readText();
      const marks = readMarks();
      if (this.#consumer) this.#consumer.take(text, marks);
      else if (text !== "") this.#backlog.push({ text, marks: marks.slice() });
    };
  }

  /** What happened to the call so far. */
  get trace(): Trace {
    return this.#exchange.report().trace;
  }

  /** What has come of the answer so far; `undefined` when nothing has. Also after an abort. */
  get partial(): PartialAnswer | undefined {
    return this.#exchange.report().partial;
  }

  /** Settles when the answer begins; rejects when there is none. @internal */
  get opened(): Promise<void> {
    return this.#exchange.opened;
  }

  /**
   * The answer's text as it comes. Deltas that came in one piece of the network's are one string.
   * Leaving the loop closes the connection.
   */
  get textStream(): AsyncIterable<string> {
    return {
      [Symbol.asyncIterator]: () =>
        this.attach(WANT.text, (text, marks, items: string[]) => {
          if (marks.length === 0) {
            if (text !== "") items.push(text);
            return;
          }
          for (let at = 0, from = 0; at < marks.length; from = marks[at + 1]!, at += 2) {
            if (marks[at] === TEXT) items.push(text.slice(from, marks[at + 1]));
          }
        }),
    };
  }

  /** Reads the answer to its end, whether or not somebody else reads it too, and gives all of it. */
  async final(): Promise<Final> {
    const exchange = this.#exchange;
    if (this.#consumer === undefined && !exchange.over) exchange.want(WANT.events);
    await exchange.pull(nothing, nothing);
    if (exchange.failure) throw exchange.failure.error;
    this.#final ??= this.finish(exchange.result);
    return this.#final;
  }

  /**
   * Closes the connection at once. Whoever reads the answer gets `reason` thrown.
   *
   * @param reason By default a `DOMException` named `AbortError`.
   */
  abort(reason: unknown = new DOMException("The answer was aborted", "AbortError")): void {
    this.#exchange.abort(reason);
  }

  /** The chunks as a `ReadableStream`. Cancelling it closes the connection. */
  toReadableStream(): ReadableStream<Chunk> {
    return new ReadableStream<Chunk>(
      {
        pull: async (controller) => {
          const { done, value } = await this.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => this.abort(reason),
      },
      // Nothing is read ahead of whoever reads this.
      { highWaterMark: 0 },
    );
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Chunk> {
    return this;
  }

  next(): Promise<IteratorResult<Chunk, undefined>> {
    return this.#chunks().next() as Promise<IteratorResult<Chunk, undefined>>;
  }

  /** Closes the connection: what leaving a `for await` loop calls. */
  return(): Promise<IteratorResult<Chunk, undefined>> {
    return this.#chunks().return!() as Promise<IteratorResult<Chunk, undefined>>;
  }

  /** Closes the connection and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<Chunk, undefined>> {
    return this.#chunks().throw!(error) as Promise<IteratorResult<Chunk, undefined>>;
  }

  #chunks(): AsyncIterator<Chunk> {
    // What a string stands for: the last chunk, with that string in its place.
    let again: Copy;
    return this.attach(WANT.chunks, (text, _marks, items: Chunk[]) => {
      if (text === "") return;
      // Not by spreading: a body that comes in one piece may hold more chunks than a call takes arguments.
      for (const item of JSON.parse(`[${text}]`) as (string | [unknown, unknown] | Chunk)[]) {
        if (typeof item === "string") items.push(again(item) as Chunk);
        else if (Array.isArray(item)) again = copier(...item)!;
        else items.push(item);
      }
    });
  }

  /** Makes the end result from the core's JSON. @internal */
  protected abstract finish(json: string): Final | Promise<Final>;

  /**
   * Makes the one iterator of this answer. Asking for the same kind again gives the same iterator.
   * `end` may find fault with a complete answer.
   * @internal
   */
  protected attach<Item>(
    want: number,
    take: (text: string, marks: Uint32Array, items: Item[]) => void,
    end?: () => Promise<void>,
  ): AsyncIterableIterator<Item> {
    if (this.#consumer !== undefined) {
      if (this.#consumer.want === want) return this.#iterator as AsyncIterableIterator<Item>;
      throw read("An answer can be read in one way only: by chunks, textStream, events or partialObject");
    }
    const items: Item[] = [];
    const consumer: Consumer<Item> = { want, items, take: (text, marks) => take(text, marks, items) };
    const exchange = this.#exchange;
    if (this.#backlog.length > 0 && want >= WANT.chunks) {
      throw read("What came is gone: begin to iterate before final() is called");
    }
    for (const { text, marks } of this.#backlog.splice(0)) consumer.take(text, marks);
    this.#consumer = consumer as Consumer<unknown>;
    exchange.want(want);

    let taken = 0;
    let left = false;
    const ready = (): IteratorResult<Item, undefined> | undefined => {
      if (taken < items.length) return { done: false, value: items[taken++]! };
      if (taken > 0) items.length = taken = 0;
      return undefined;
    };
    const over = async (): Promise<IteratorResult<Item, undefined>> => {
      if (exchange.failure && !left) throw exchange.failure.error;
      if (!exchange.failure) await end?.();
      return { done: true, value: undefined };
    };
    const pull = exchange.puller(ready, over);
    const next = (): Promise<IteratorResult<Item, undefined>> => {
      const item = ready();
      return item ? Promise.resolve(item) : pull();
    };
    const leave = (): void => {
      left = true;
      items.length = taken = 0;
      this.abort();
    };
    const iterator: AsyncIterableIterator<Item, undefined> = {
      next,
      async return() {
        leave();
        return { done: true, value: undefined };
      },
      async throw(error) {
        leave();
        throw error;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
    this.#iterator = iterator;
    return iterator;
  }
}

/** Makes a value anew, with a string in its place. */
type Copy = (text: string) => unknown;

/**
 * What makes copies of `one`, with another string in the place in which `other` differs from it: a third of what
 * reading JSON costs. Nothing of a copy is shared with another. `undefined` for what needs no copy.
 */
function copier(one: unknown, other: unknown): Copy | undefined {
  if (typeof one !== "object" || one === null) return one === other ? undefined : (text) => text;
  const members = one as Record<string, unknown>;
  const changes: [string, Copy][] = [];
  for (const key of Object.keys(members)) {
    const copy = copier(members[key], (other as typeof members)[key]);
    if (copy) changes.push([key, copy]);
  }
  return (text) => {
    const copy = Array.isArray(one) ? [...(one as unknown[])] : { ...one };
    for (const [key, change] of changes) (copy as typeof members)[key] = change(text);
    return copy;
  };
}

function read(message: string): InputError {
  return new InputError("input", message);
}

/**
 * A streamed chat answer.
 *
 * Iterate it for the service's chunks, or {@link ChatStream.textStream} for the text, or
 * {@link ChatStream.events} for typed events, or {@link ChatStream.partialObject} for a growing value:
 * one of the four. {@link ChatStream.final} gives the whole answer, besides any of them or alone.
 *
 * @example
 * ```ts
 * const stream = client.chat.stream({ model, messages });
 * for await (const text of stream.textStream) show(text);
 * const { message, usage, finishReason } = await stream.final();
 * ```
 */
export class ChatStream<Value = unknown, Written = Value> extends AnswerStream<ChatCompletionChunk, ChatFinal<Value>> {
  readonly #schema: Schema | undefined;

  /** @internal */
  constructor(exchange: Exchange, schema?: Schema) {
    super(exchange);
    this.#schema = schema;
  }

  /** Typed events as they come. Leaving the loop closes the connection. */
  get events(): AsyncIterable<ChatEvent> {
    return {
      [Symbol.asyncIterator]: () => {
        const calls: CallInProgress[] = [];
        return this.attach(WANT.events, (text, marks, items: ChatEvent[]) => {
          for (let at = 0, from = 0; at < marks.length; from = marks[at + 1]!, at += 2) {
            const kind = marks[at]!;
            const part = text.slice(from, marks[at + 1]);
            if (kind >= PATCH) calls[(kind >> 8) - 1]?.arguments.apply((kind & 0xff) - PATCH, part);
            else items.push(event(kind, part, calls));
          }
        });
      },
    };
  }

  /**
   * The value that the answer's text is, as JSON, while it grows: each step yields the same value with
   * what it has gained (`structuredClone` keeps a state of it). Strings grow character by character;
   * numbers, `true`, `false` and `null` appear when they are complete. It is what the model writes, before
   * the schema's transforms. Leaving the loop closes the connection.
   *
   * The end of the loop throws what {@link ChatStream.final} throws, and {@link InvalidResponseError}
   * when the text was not JSON.
   */
  get partialObject(): AsyncIterable<DeepPartial<Written>> {
    return {
      [Symbol.asyncIterator]: () => {
        const growing = new Growing();
        const take = (text: string, marks: Uint32Array, items: unknown[]): void => {
          for (let at = 0, from = 0; at < marks.length; from = marks[at + 1]!, at += 2) {
            growing.apply(marks[at]! - PATCH, text.slice(from, marks[at + 1]));
          }
          if (marks.length > 0) items.push(growing.value);
        };
        return this.attach(WANT.object, take, async () => {
          const final = await this.final();
          if (this.#schema === undefined) readObject(final);
        }) as AsyncIterator<DeepPartial<Written>>;
      },
    };
  }

  protected override finish(json: string): ChatFinal<Value> | Promise<ChatFinal<Value>> {
    const result = JSON.parse(json) as Omit<ChatFinal<Value>, keyof ChatFinalChoice> & {
      choices: Omit<ChatFinalChoice, "message">[];
    };
    const choices = result.choices
      .map((choice) => ({ ...choice, message: assistantMessage(choice) }))
      .sort((a, b) => a.index - b.index);
    const { index: _, ...first } = choices[0]!;
    return withObject<Value>({ ...result, ...first, choices }, this.#schema);
  }
}

/** What the deltas of a tool call have in common. */
interface CallInProgress {
  id: string;
  name: string;
  arguments: Growing;
}

function event(kind: number, text: string, calls: CallInProgress[]): ChatEvent {
  const type = EVENT_TYPES[kind]!;
  if (kind === TEXT || kind === REASONING) return { type, text } as ChatEvent;
  const event = { type, ...(JSON.parse(text) as object) } as ChatEvent;
  if (event.type === "retry" || event.type === "fallback") {
    event.error = errorOf(event.error as unknown as ErrorFacts);
  } else if (event.type === "tool-call-start") {
    calls[event.index] = { id: event.id, name: event.name, arguments: new Growing() };
  } else if (event.type === "tool-call-delta") {
    const { id, name, arguments: growing } = calls[event.index]!;
    return { ...event, id, name, partialArguments: growing.value };
  } else if (event.type === "tool-call") {
    event.parsedArguments = parsed(event.toolCall.function.arguments);
  }
  return event;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json.trim() || "{}");
  } catch {
    return undefined;
  }
}

function assistantMessage({ text, toolCalls }: PartialAnswer): AssistantMessage {
  // Reasoning is left out: several services refuse a request that sends it back.
  if (toolCalls.length === 0) return { role: "assistant", content: text };
  return { role: "assistant", content: text || null, tool_calls: toolCalls };
}

/**
 * A streamed text generation.
 *
 * Iterate it for token events in TGI's shape, whatever the server speaks, or
 * {@link GenerationStream.textStream} for the text. {@link GenerationStream.final} gives the whole.
 */
export class GenerationStream extends AnswerStream<TextGenerationStreamOutput, GenerationFinal> {
  protected override finish(json: string): GenerationFinal {
    const { output, ...rest } = JSON.parse(json) as GenerationFinal & { output: TextGenerationOutput };
    return { ...rest, ...output };
  }
}

/** The value that a complete answer's text is. */

import { InvalidResponseError, TruncatedError, type ErrorFacts } from "./errors.js";
import { prepareSchema } from "./schema.js";
import type { ChatFinal } from "./stream.js";
import type { Schema } from "./types/schema.js";

/**
 * Reads an answer's text as JSON. Models that are not held to JSON put it between lines of three
 * backticks: those are passed over.
 *
 * @throws {@link TruncatedError} when the answer was cut at `max_tokens`, {@link InvalidResponseError}
 *   when it is not JSON, or the model refused or called tools instead.
 */
export function readObject(final: ChatFinal<unknown>): unknown {
  const { text, refusal, finishReason, toolCalls } = final;
  if (!refusal) {
    try {
      return JSON.parse(/^\s*```.*\n([^]*?)\s*```\s*$/.exec(text)?.[1] ?? text);
    } catch {
      // Why it is not JSON is told below.
    }
  }
  const [Class, code, what] = refusal
    ? ([InvalidResponseError, "invalid_response", `The model refused: ${refusal}`] as const)
    : finishReason === "length"
      ? ([TruncatedError, "truncated", "The answer was cut at max_tokens, before its JSON was complete"] as const)
      : ([
          InvalidResponseError,
          "invalid_response",
          toolCalls.length > 0 ? "The model called tools instead of answering" : "The answer is not JSON",
        ] as const);
  throw new Class(code, what, factsOf(final));
}

/**
 * The answer with the value that its text is, checked by the request's schema; as it is without one, and when the
 * model called tools instead.
 */
export function withObject<Value>(final: ChatFinal<Value>, schema: Schema | undefined): ChatFinal<Value> | Promise<ChatFinal<Value>> {
  if (schema === undefined || (final.toolCalls.length > 0 && final.text.trim() === "")) return final;
  return prepareSchema(schema)
    .validate(readObject(final), factsOf(final))
    .then((object) => ({ ...final, object: object as Value }));
}

/** What an error about a complete answer tells of it. */
export function factsOf(final: ChatFinal<unknown>): Partial<ErrorFacts> {
  const { text, reasoning, toolCalls, message: _, ...known } = final;
  return { ...known, partial: { text, reasoning, toolCalls } };
}

/** Structured answers: the JSON Schema to ask for, and the value that came held against the schema. */

import { InputError, InternalError, InvalidResponseError, type ErrorFacts } from "./errors.js";
import type { StandardIssue, StandardSchema } from "./types/schema.js";

/** A caller's schema, ready for a call. */
export interface PreparedSchema<T = unknown> {
  /**
   * What the service is asked for.
   *
   * @throws InputError if the schema's library cannot write JSON Schema. Only reading this throws it: with
   *   a `response_format` of the caller's own, the schema still validates.
   */
  readonly responseFormat: object;
  /**
   * Holds the value of a complete answer against the schema, and gives what the schema makes of it.
   *
   * @param facts What else is known of the call, for the error.
   * @throws InvalidResponseError if the value does not fit.
   */
  validate(value: unknown, facts?: Partial<ErrorFacts>): Promise<T>;
}

/** @throws InputError if `schema` is none. */
export function prepareSchema<T = unknown>(schema: unknown): PreparedSchema<T> {
  const given = (schema as Partial<StandardSchema<unknown, T>> | null | undefined)?.["~standard"];
  const standard = given?.validate ? given : fromJsonSchema<T>(schema as object);
  return {
    get responseFormat() {
      let written: { title?: unknown };
      try {
        // The model writes what the schema takes, before its transforms.
        written = standard.jsonSchema!.input({ target: "draft-2020-12" });
      } catch (cause) {
        throw unusable(
          `${standard.vendor} cannot write it as JSON Schema: pass response_format too, or use a version that implements Standard JSON Schema`,
          cause,
        );
      }
      const name = String(written.title ?? "").match(/[\w-]+/g)?.join("_").slice(0, 64) ?? "answer";
      return { type: "json_schema", json_schema: { name, schema: written === schema ? schema : closed(written), strict: true } };
    },
    async validate(value, facts) {
      const result = await standard.validate(value);
      if (result.issues) throw invalid(result.issues, facts);
      return result.value;
    },
  };
}

function fromJsonSchema<T>(schema: object): StandardSchema<unknown, T>["~standard"] {
  let text: string;
  try {
    text = JSON.stringify(schema, (key, value) => {
      // An object of some library would pass for a schema that allows everything.
      if (typeof value === "function") throw new Error(`its "${key}" is a function`);
      if (typeof value === "string" && (key === "$dynamicRef" || (key === "$ref" && value[0] !== "#"))) {
        throw new Error(`${key} "${value}" is not supported, only $ref "#…"`);
      }
      return value;
    });
    if (!Object.keys(schema).some((key) => KEYWORDS.test(key))) throw new Error("it allows everything");
  } catch (cause) {
    throw notJsonSchema(cause);
  }
  // Comes while the answer is under way.
  const loading = import("./json-schema.js");
  loading.catch(() => {});
  return {
    version: 1,
    vendor: "",
    jsonSchema: { input: () => schema },
    async validate(value) {
      const { check } = await loading.catch((cause) => {
        throw new InternalError("internal", "json-schema.js could not be loaded", undefined, cause);
      });
      try {
        const issues = check(text, value);
        return issues.length > 0 ? { issues } : { value: value as T };
      } catch (cause) {
        throw notJsonSchema(cause);
      }
    },
  };
}

/** One of these says what kind of value is meant. */
const KEYWORDS = /^(type|properties|items|enum|const|\$ref|(any|one|all)Of)$/;

/**
 * Libraries leave those objects open whose unknown members they drop or pass over, and services refuse open
 * objects in a strict schema. Under `allOf`, closed objects would exclude each other.
 */
function closed(schema: object): object {
  const text = JSON.stringify(schema);
  if (text.includes('"allOf"')) return schema;
  return JSON.parse(text, (_, node) =>
    node?.type === "object" && node.properties ? { additionalProperties: false, ...node } : node,
  );
}

function unusable(message: string, cause: unknown): InputError {
  return new InputError("input", `schema: ${message}`, { option: "schema" }, cause);
}

function notJsonSchema(cause: unknown): InputError {
  return unusable(`expected a Standard Schema (Zod, Valibot, ArkType, …) or a JSON Schema: ${(cause as Error).message}`, cause);
}

function invalid(found: readonly StandardIssue[], facts: Partial<ErrorFacts> | undefined): InvalidResponseError {
  // Not by `map`: some libraries have lists of classes of their own.
  const issues = Array.from(found, ({ message, path }) => ({
    message,
    path: Array.from(path ?? [], (part) => {
      const key = (part as { key: PropertyKey }).key ?? part;
      return typeof key === "number" ? key : String(key);
    }),
  }));
  const { message, path } = issues[0]!;
  const where = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("").replace(/^\./, "");
  // Some libraries begin the message with the path.
  const what = message.startsWith(where) ? message : `${where}: ${message}`;
  return new InvalidResponseError("invalid_response", `The answer does not fit the schema: ${what}`, { ...facts, issues });
}

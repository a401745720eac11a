/** The type of a structured answer follows from the schema that was asked for. */

import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";
import { InferenceClient, type ChatMessage, type DeepPartial, type InferSchema, type InferSchemaInput, type JsonSchema, type Schema, type StandardSchema } from "hf-inference-wasm";
import { exactly } from "./exactly.js";

const client = new InferenceClient();
const messages: ChatMessage[] = [{ role: "user", content: "Who wrote it?" }];

/** The value that `chat.parse` gives for a schema. */
async function valueOf<const Wanted extends Schema>(schema: Wanted): Promise<InferSchema<Wanted>> {
  const { object } = await client.chat.parse({ messages, schema });
  return object;
}

export async function parsed(): Promise<void> {
  // The members of the answer are there besides the value.
  const answer = await client.chat.parse({ messages, schema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } });
  exactly<{ name: string }>()(answer.object);
  exactly<string>()(answer.text);
  exactly<string | undefined>()(answer.requestId);

  // Standard Schemas: what comes out of transforms and defaults.
  const Person = z.object({
    name: z.string(),
    born: z.string().transform((text) => new Date(text)),
    kind: z.enum(["author", "editor"]).default("author"),
    books: z.array(z.object({ title: z.string(), year: z.number().optional() })),
  });
  exactly<{ name: string; born: Date; kind: "author" | "editor"; books: { title: string; year?: number | undefined }[] }>()(await valueOf(Person));
  exactly<string | number>()(await valueOf(z.union([z.string(), z.number()])));

  const Valibot = v.object({ name: v.string(), born: v.pipe(v.string(), v.transform(Number)) });
  exactly<{ name: string; born: number }>()(await valueOf(Valibot));
  exactly<{ name: string; born: number }>()(await valueOf(toStandardJsonSchema(Valibot)));

  const Ark = type({ name: "string", "year?": "number", born: "string.numeric.parse" });
  exactly<{ name: string; born: number; year?: number }>()(await valueOf(Ark));

  // Of a schema's type alone
  exactly<string>()(await valueOf({} as StandardSchema<unknown, string>));
  exactly<unknown>()(await valueOf({} as StandardSchema));
  exactly<unknown>()(await valueOf({} as JsonSchema));
  exactly<unknown>()(await valueOf({} as Schema));
  exactly<unknown>()(await valueOf({} as Record<string, unknown>));
}

// JSON Schemas, written in the call
exactly<Promise<string>>()(valueOf({ type: "string", minLength: 1 }));
exactly<Promise<number>>()(valueOf({ type: "integer" }));
exactly<Promise<boolean>>()(valueOf({ type: "boolean" }));
exactly<Promise<null>>()(valueOf({ type: "null" }));
exactly<Promise<string | null>>()(valueOf({ type: ["string", "null"] }));
exactly<Promise<"a" | "b">>()(valueOf({ type: "string", enum: ["a", "b"] }));
exactly<Promise<"a" | 1 | null>>()(valueOf({ enum: ["a", 1, null] }));
exactly<Promise<"fixed">>()(valueOf({ const: "fixed" }));
exactly<Promise<{ a: [1, "b"] }>>()(valueOf({ const: { a: [1, "b"] } }));
exactly<Promise<{ a: string; b?: number }>>()(valueOf({ type: "object", properties: { a: { type: "string" }, b: { type: "number" } }, required: ["a"], additionalProperties: false }));
exactly<Promise<{ a: { b?: { c: boolean }[] } }>>()(
  valueOf({
    title: "Nested",
    type: "object",
    properties: { a: { type: "object", properties: { b: { type: "array", items: { type: "object", properties: { c: { type: "boolean" } }, required: ["c"] } } } } },
    required: ["a"],
  }),
);
exactly<Promise<{ known: string; asked: unknown }>>()(valueOf({ type: "object", properties: { known: { type: "string" } }, required: ["known", "asked"] }));
exactly<Promise<{ [name: string]: number }>>()(valueOf({ type: "object", additionalProperties: { type: "number" } }));
exactly<Promise<{ [name: string]: unknown }>>()(valueOf({ type: "object" }));
exactly<Promise<{ [name: string]: string | number; a: string }>>()(valueOf({ type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: { type: "number" } }));
exactly<Promise<{ [name: string]: unknown; a: string }>>()(valueOf({ type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: true }));
exactly<Promise<unknown[]>>()(valueOf({ type: "array" }));
exactly<Promise<(string | null)[]>>()(valueOf({ type: "array", items: { anyOf: [{ type: "string" }, { type: "null" }] } }));
exactly<Promise<[string?, number?]>>()(valueOf({ type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false }));
exactly<Promise<[string, number]>>()(valueOf({ type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false, minItems: 2 }));
exactly<Promise<[string, number?]>>()(valueOf({ type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false, minItems: 1 }));
exactly<Promise<[string, ...boolean[]]>>()(valueOf({ type: "array", prefixItems: [{ type: "string" }], items: { type: "boolean" }, minItems: 3 }));
exactly<Promise<string | number>>()(valueOf({ oneOf: [{ type: "string" }, { type: "number" }] }));
exactly<Promise<{ kind: "circle"; radius: number } | { kind: "point" }>>()(
  valueOf({
    oneOf: [
      { type: "object", properties: { kind: { const: "circle" }, radius: { type: "number" } }, required: ["kind", "radius"] },
      { type: "object", properties: { kind: { const: "point" } }, required: ["kind"] },
    ],
  }),
);
exactly<Promise<{ a: string } & { b: number }>>()(
  valueOf({
    allOf: [
      { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
      { type: "object", properties: { b: { type: "number" } }, required: ["b"] },
    ],
  }),
);
exactly<Promise<{ a?: string }>>()(valueOf({ type: "object", properties: { a: { type: "string" } }, anyOf: [{ required: ["a"] }, { minProperties: 0 }] }));
exactly<Promise<{ anything: unknown; never?: never }>>()(valueOf({ type: "object", properties: { anything: true, never: false }, required: ["anything"] }));

// What a type does not tell is unknown.
exactly<Promise<unknown>>()(valueOf({ $ref: "#/$defs/node", $defs: { node: { type: "string" } } }));
exactly<Promise<{ next?: unknown }>>()(valueOf({ type: "object", properties: { next: { $ref: "#" } } }));
exactly<Promise<unknown>>()(valueOf({ properties: { a: { type: "string" } } }));
exactly<Promise<unknown>>()(valueOf({ not: { type: "string" } }));
const widened = { type: "object", properties: { a: { type: "string" } }, required: ["a"], "x-order": ["a"] };
exactly<Promise<unknown>>()(valueOf(widened));
declare const required: string[];
exactly<Promise<{ a?: string }>>()(valueOf({ type: "object", properties: { a: { type: "string" } }, required }));

// Keywords of one service's own
exactly<Promise<{ a?: string }>>()(valueOf({ type: "object", properties: { a: { type: "string", "x-order": 1 } }, propertyOrdering: ["a"] }));

// A schema kept apart
const Book = { type: "object", properties: { title: { type: "string" } }, required: ["title"] } as const;
exactly<Promise<{ title: string }>>()(valueOf(Book));
const satisfying = { type: "object", properties: { title: { type: "string" } }, required: ["title"] } as const satisfies JsonSchema;
exactly<{ title: string }>()({} as InferSchema<typeof satisfying>);

// Schemas in the types of other libraries
void valueOf(z.toJSONSchema(z.object({ a: z.string() })));
void valueOf(type({ a: "string" }).toJsonSchema());
interface Foreign {
  type?: "object" | "string";
  properties?: { [name: string]: Foreign | boolean };
  required?: string[];
}
exactly<Promise<unknown>>()(valueOf({} as Foreign));

// What the model writes, before transforms
const Transformed = z.object({ at: z.string().transform((text) => new Date(text)), size: z.number().default(1) });
exactly<{ at: string; size?: number | undefined }>()({} as InferSchemaInput<typeof Transformed>);
exactly<{ at: Date; size: number }>()({} as InferSchema<typeof Transformed>);
exactly<{ title: string }>()({} as InferSchemaInput<typeof Book>);

// The growing value
exactly<{ name?: string; kind?: string; tags?: string[]; size?: { width?: number } | null; pair?: [string?, number?] }>()(
  {} as DeepPartial<{ name: string; kind: "a" | "b"; tags: string[]; size: { width: number } | null; pair: [string, number] }>,
);
exactly<{ a?: number }[]>()({} as DeepPartial<{ a: number }[]>);
exactly<string>()({} as DeepPartial<"whole">);
exactly<number | boolean | null>()({} as DeepPartial<number | boolean | null>);
exactly<unknown>()({} as DeepPartial<unknown>);
export async function growing(): Promise<void> {
  const stream = client.chat.stream({ messages, schema: Book });
  for await (const value of stream.partialObject) exactly<{ title?: string }>()(value);
  exactly<{ title: string } | undefined>()((await stream.final()).object);
}

// Mistakes
// @ts-expect-error no schema
void client.chat.parse({ messages });
// @ts-expect-error the members of an object instead of an object
void client.chat.parse({ messages, schema: { name: z.string() } });
// @ts-expect-error a response_format instead of its schema
void client.chat.parse({ messages, schema: { json_schema: { name: "book", schema: Book } } });
// @ts-expect-error the name of a schema
void client.chat.parse({ messages, schema: "book" });
// @ts-expect-error a boolean
void client.chat.parse({ messages, schema: true });
// @ts-expect-error a misspelt keyword
void client.chat.parse({ messages, schema: { type: "object", properties: { name: { typ: "string" } } } });
// @ts-expect-error required is no list
void client.chat.parse({ messages, schema: { type: "object", required: "name" } });
export async function misread(): Promise<void> {
  const { object } = await client.chat.parse({ messages, schema: Book });
  // @ts-expect-error no such member
  void object.titel;
}

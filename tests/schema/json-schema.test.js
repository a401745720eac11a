/** What a value is held to by a plain JSON Schema. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { rejection, service, usePackage } from "./support.js";

const { directory, library } = await usePackage();
const { InputError, InternalError, InvalidResponseError } = library;

/** The issues of a value, which crosses as the text of an answer. */
async function issuesOf(schema, value) {
  const { parse } = service(library, JSON.stringify(value));
  try {
    assert.deepEqual((await parse(schema)).object, value);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidResponseError)) throw error;
    assert.ok(error.issues.length > 0);
    return error.issues;
  }
}

const draft = (name) => ({ $schema: name.startsWith("20") ? `https://json-schema.org/draft/${name}/schema` : `http://json-schema.org/draft-${name}/schema#` });

/** Schemas, each with a value that fits and one that does not. */
const pairs = {
  type: [{ type: "string" }, "a", 1],
  types: [{ type: ["string", "null"] }, null, 1],
  integer: [{ type: "integer" }, 2, 2.5],
  const: [{ const: { a: [1] } }, { a: [1] }, { a: [2] }],
  enum: [{ enum: [1, "a", null] }, null, "b"],
  required: [{ type: "object", required: ["a"] }, { a: null }, {}],
  "required, of a name that every object inherits": [{ type: "object", required: ["constructor"] }, { constructor: 1 }, {}],
  properties: [{ type: "object", properties: { a: { type: "string" } } }, { a: "", b: 1 }, { a: 1 }],
  "properties, named like keywords": [{ type: "object", properties: { $ref: { type: "string" }, type: { type: "string" } } }, { $ref: "a", type: "b" }, { type: 1 }],
  "additionalProperties: false": [{ type: "object", properties: { a: {} }, additionalProperties: false }, { a: 1 }, { b: 1 }],
  patternProperties: [{ type: "object", patternProperties: { "^x-": { type: "number" } } }, { "x-a": 1 }, { "x-a": "" }],
  unevaluatedProperties: [{ type: "object", allOf: [{ properties: { a: {} } }], unevaluatedProperties: false }, { a: 1 }, { b: 1 }],
  items: [{ type: "array", items: { type: "number" } }, [1, 2], [1, "2"]],
  prefixItems: [{ type: "array", prefixItems: [{ type: "number" }], items: false }, [1], [1, 2]],
  minItems: [{ type: "array", minItems: 1 }, [1], []],
  uniqueItems: [{ type: "array", uniqueItems: true }, [1, 2], [1, 1]],
  contains: [{ type: "array", contains: { const: 1 } }, [2, 1], [2]],
  anyOf: [{ anyOf: [{ type: "string" }, { type: "null" }] }, null, 1],
  oneOf: [{ oneOf: [{ type: "number" }, { type: "integer" }] }, 1.5, 1],
  allOf: [{ allOf: [{ type: "number" }, { minimum: 3 }] }, 3, 2],
  not: [{ type: "string", not: { const: "a" } }, "b", "a"],
  "if, then, else": [{ type: "object", if: { required: ["a"] }, then: { required: ["b"] } }, { a: 1, b: 1 }, { a: 1 }],
  minimum: [{ type: "number", minimum: 1 }, 1, 0],
  exclusiveMaximum: [{ type: "number", exclusiveMaximum: 1 }, 0, 1],
  multipleOf: [{ type: "number", multipleOf: 0.01 }, 19.99, 0.001],
  "minLength, in characters": [{ type: "string", minLength: 2 }, "👋👋", "👋"],
  pattern: [{ type: "string", pattern: "^\\p{Lu}" }, "Éa", "a"],
  "$ref to $defs": [{ $ref: "#/$defs/a", $defs: { a: { type: "string" } } }, "a", 1],
  "$ref to itself": [{ type: "object", properties: { next: { $ref: "#" } }, additionalProperties: false }, { next: { next: {} } }, { next: { other: 1 } }],
  "$ref to an anchor": [{ $ref: "#a", $defs: { a: { $anchor: "a", type: "string" } } }, "a", 1],
  "$ref with siblings": [{ $ref: "#/$defs/a", minLength: 2, $defs: { a: { type: "string" } } }, "ab", "a"],
  "format date-time": [{ type: "string", format: "date-time" }, "2026-01-02T03:04:05Z", "yesterday"],
  "format email": [{ type: "string", format: "email" }, "a@b.example", "a"],
  "format uuid": [{ type: "string", format: "uuid" }, "123e4567-e89b-12d3-a456-426614174000", "1"],
  "format uri": [{ type: "string", format: "uri" }, "https://example.org/", "no"],
  "draft 2019-09": [{ ...draft("2019-09"), type: "array", items: [{ type: "number" }], additionalItems: false }, [1], [1, 2]],
  "draft 2019-09, where $ref has siblings": [{ ...draft("2019-09"), $ref: "#/$defs/a", minLength: 2, $defs: { a: { type: "string" } } }, "ab", "a"],
  "draft 07": [{ ...draft("07"), $ref: "#/definitions/a", definitions: { a: { type: "string" } } }, "a", 1],
  "draft 04, where exclusiveMinimum is a boolean": [{ ...draft("04"), type: "number", minimum: 5, exclusiveMinimum: true }, 6, 5],
  "draft 06, where it is a number": [{ ...draft("06"), type: "number", exclusiveMinimum: 5 }, 6, 5],
};

describe("a JSON Schema", () => {
  for (const [name, [schema, fits, misfits]] of Object.entries(pairs)) {
    test(name, async () => {
      assert.deepEqual(await issuesOf(schema, fits), []);
      assert.notEqual((await issuesOf(schema, misfits)).length, 0);
    });
  }

  test("of draft 07 ignores what stands beside a $ref", async () => {
    const schema = { ...draft("07"), $ref: "#/definitions/a", minLength: 2, definitions: { a: { type: "string" } } };
    assert.deepEqual(await issuesOf(schema, "a"), []);
  });

  test("with a format that is not known takes it for an annotation", async () => {
    assert.deepEqual(await issuesOf({ type: "string", format: "isbn" }, "a"), []);
  });

  test("paths: names as they are, indices as numbers, the innermost of an error", async () => {
    const inner = { type: "object", properties: { "a/b~c %é": { type: "array", items: { type: "object", properties: { 0: { type: "string" } } } } } };
    const schema = { type: "object", properties: { x: { $ref: "#/$defs/inner" } }, $defs: { inner } };
    assert.deepEqual(await issuesOf(schema, { x: { "a/b~c %é": [{}, { 0: 5 }] } }), [
      { message: "expected string, received number", path: ["x", "a/b~c %é", 1, "0"] },
    ]);
  });

  test("a value that fits none of several schemas is one issue", async () => {
    const schema = { type: "object", properties: { a: { anyOf: [{ type: "object", required: ["b"] }, { type: "string" }] } } };
    const issues = await issuesOf(schema, { a: { c: 1 } });
    assert.deepEqual(issues.map(({ path }) => path), [["a"]]);
  });

  test("is left as it was, and may be frozen", async () => {
    const freeze = (value) => {
      if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
      return value;
    };
    const schema = freeze({ $ref: "#/$defs/a", $defs: { a: { type: "string" } } });
    const before = JSON.stringify(schema);
    assert.deepEqual(await issuesOf(schema, "a"), []);
    assert.equal(JSON.stringify(schema), before);
    assert.equal("__absolute_uri__" in schema, false);
  });

  test("that is at fault is the caller's error, not the answer's", async () => {
    const faulty = {
      "a type that does not exist": { type: "strng" },
      "a type of a response_format": { type: "json_schema", json_schema: {} },
      "a reference that leads nowhere": { type: "object", properties: { a: { $ref: "#/$defs/missing" } } },
      "a pattern that is none": { type: "object", properties: { a: { type: "string", pattern: "(" } } },
      "a pattern of names that is none": { type: "object", patternProperties: { "[": {} } },
    };
    for (const [name, schema] of Object.entries(faulty)) {
      // The value itself never meets the fault.
      const error = await rejection(service(library, "{}").parse(schema), InputError);
      assert.equal(error.option, "schema", name);
    }
  });

  test("a hostile answer is refused, not a crash", async () => {
    const nested = { type: "object", properties: { a: { $ref: "#" } }, additionalProperties: false };
    const depth = 20_000;
    const deep = `${'{"a":'.repeat(depth)}{}${"}".repeat(depth)}`;
    const halfCharacter = '{"\\ud800": 1}';
    for (const text of [deep, halfCharacter]) {
      const error = await rejection(service(library, text).parse(nested), InvalidResponseError);
      assert.equal(error.issues.length, 1);
    }
    const wrong = JSON.stringify(Array(50_000).fill(1));
    const error = await rejection(service(library, wrong).parse({ type: "array", items: { type: "string" } }), InvalidResponseError);
    assert.equal(error.issues.length, 100);
    assert.deepEqual(error.issues[99].path, [99]);
  });

  test("a name of Object's own in an answer is a name like any other", async () => {
    const schema = { type: "object", additionalProperties: false, properties: { a: {} } };
    const error = await rejection(service(library, '{"__proto__": {"a": 1}}').parse(schema), InvalidResponseError);
    assert.deepEqual(error.issues.map(({ path }) => path), [["__proto__"]]);
  });
});

const program = `
  import { InferenceClient } from "hf-inference-wasm";
  const chunk = JSON.stringify({ choices: [{ index: 0, delta: { content: '{"a": 1}' }, finish_reason: "stop" }] });
  const refused = async () => new Response("no", { status: 400 });
  const answered = async () => new Response("data: " + chunk + "\\n\\ndata: [DONE]\\n\\n", { headers: { "content-type": "text/event-stream" } });
  const ask = (schema, fetch = answered) =>
    new InferenceClient({ baseUrl: "https://service.example", fetch }).chat.parse({ model: "m", messages: [], schema });
  const show = (promise) => promise.then(({ object }) => object, ({ name }) => name);
  const schema = { type: "object", properties: { a: { type: "number" } } };
  const standard = { "~standard": { version: 1, vendor: "own", validate: (value) => ({ value }), jsonSchema: { input: () => schema } } };
  console.log(JSON.stringify([await show(ask(standard)), await show(ask(schema)), await show(ask(schema, refused))]));
`;

async function run(...flags) {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "--input-type=module", "--eval", program], { cwd: directory });
  return JSON.parse(stdout);
}

describe("the validator", () => {
  test("makes no code at run time, so that it works under a content security policy", async () => {
    assert.deepEqual(await run("--disallow-code-generation-from-strings"), [{ a: 1 }, { a: 1 }, InputError.name]);
  });

  // The last of this file: it takes the validator away.
  test("is loaded by those alone who use it", async () => {
    await rm(join(directory, "node_modules/hf-inference-wasm/dist/json-schema.js"));
    assert.deepEqual(await run(), [{ a: 1 }, InternalError.name, InputError.name]);
  });
});

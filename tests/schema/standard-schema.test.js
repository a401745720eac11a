/** Schemas of the libraries that people use. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";
import { asked, rejection, service, usePackage } from "./support.js";

const { library } = await usePackage();
const { InputError, InvalidResponseError } = library;

const text = '{"name": "Ada", "born": "1815", "tags": ["a"]}';

/** The same schema in each library: `born` is a number made of digits. */
const libraries = {
  zod: z.object({ name: z.string(), born: z.string().transform(Number), tags: z.array(z.string()) }),
  valibot: toStandardJsonSchema(v.object({ name: v.string(), born: v.pipe(v.string(), v.transform(Number)), tags: v.array(v.string()) })),
  arktype: type({ name: "string", born: "string.numeric.parse", tags: "string[]" }),
};

for (const [name, schema] of Object.entries(libraries)) {
  describe(name, () => {
    test("asks for what the schema takes, and gives what it makes of that", async () => {
      const { bodies, parse } = service(library, text);
      const { object } = await parse(schema);
      assert.deepEqual(object, { name: "Ada", born: 1815, tags: ["a"] });
      const { type, json_schema } = bodies[0].response_format;
      assert.equal(type, "json_schema");
      assert.equal(json_schema.strict, true);
      assert.equal(json_schema.name, "answer");
      assert.equal(json_schema.schema.type, "object");
      assert.equal(json_schema.schema.properties.born.type, "string");
      assert.deepEqual(json_schema.schema.properties.tags, { type: "array", items: { type: "string" } });
      assert.deepEqual([...json_schema.schema.required].sort(), ["born", "name", "tags"]);
      assert.equal(json_schema.schema.additionalProperties, false);
    });

    test("says where an answer does not fit", async () => {
      const { parse } = service(library, '{"name": "Ada", "born": "1815", "tags": ["a", 1]}');
      const error = await rejection(parse(schema), InvalidResponseError);
      assert.equal(Object.getPrototypeOf(error.issues), Array.prototype);
      assert.deepEqual(error.issues.map(({ path }) => path), [["tags", 1]]);
      assert.equal(typeof error.issues[0].message, "string");
      assert.match(error.message, /^The answer does not fit the schema: tags\[1\]:? .+/);
      assert.equal(error.message.split("tags").length, 2, "the path is there once");
    });
  });
}

describe("a Standard Schema", () => {
  test("may take its time", async () => {
    const schema = z.object({ a: z.number() }).refine(async ({ a }) => (await Promise.resolve(a)) > 1, { message: "too small", path: ["a"] });
    assert.deepEqual((await service(library, '{"a": 2}').parse(schema)).object, { a: 2 });
    const error = await rejection(service(library, '{"a": 1}').parse(schema), InvalidResponseError);
    assert.equal(error.message, "The answer does not fit the schema: a: too small");
    assert.deepEqual(error.issues, [{ message: "too small", path: ["a"] }]);
  });

  test("fills in its defaults, which the model may leave out", async () => {
    const schema = z.object({ a: z.number().default(3) });
    assert.deepEqual((await service(library, "{}").parse(schema)).object, { a: 3 });
    assert.equal((await asked(library, schema)).json_schema.schema.required, undefined);
  });

  test("names itself by its title", async () => {
    assert.equal((await asked(library, z.object({ a: z.string() }).meta({ title: "A person" }))).json_schema.name, "A_person");
  });

  test("closes the objects that a service is to fill, at every level", async () => {
    const point = z.object({ x: z.number() });
    const { schema } = (await asked(library, z.object({ type: z.string(), properties: point, list: z.array(z.union([point, z.string()])) }))).json_schema;
    assert.equal(schema.additionalProperties, false);
    assert.equal(schema.properties.properties.additionalProperties, false);
    assert.equal(schema.properties.list.items.anyOf[0].additionalProperties, false);
    assert.deepEqual(Object.keys(schema.properties), ["type", "properties", "list"]);
  });

  test("keeps open what it says is open, and what closing would make impossible", async () => {
    const loose = (await asked(library, z.looseObject({ a: z.string() }))).json_schema.schema;
    assert.notEqual(loose.additionalProperties, false);
    const record = (await asked(library, z.record(z.string(), z.number()))).json_schema.schema;
    assert.deepEqual(record.additionalProperties, { type: "number" });
    const both = (await asked(library, toStandardJsonSchema(v.intersect([v.object({ a: v.string() }), v.object({ b: v.string() })])))).json_schema.schema;
    assert.equal(both.allOf.length, 2);
    for (const part of both.allOf) assert.equal(part.additionalProperties, undefined);
  });

  test("that writes no JSON Schema needs a response_format beside it", async () => {
    const schema = v.object({ a: v.string() });
    const alone = service(library, '{"a": "b"}');
    const error = await rejection(alone.parse(schema), InputError);
    assert.equal(error.option, "schema");
    assert.match(error.message, /valibot .*response_format/);
    assert.equal(alone.bodies.length, 0);

    const { bodies, parse } = service(library, '{"a": "b"}');
    const response_format = { type: "json_object" };
    assert.deepEqual((await parse(schema, { response_format })).object, { a: "b" });
    assert.deepEqual(bodies[0].response_format, response_format);
  });

  test("that cannot be written as JSON Schema says why in the cause", async () => {
    const error = await rejection(service(library, "{}").parse(z.object({ at: z.date() })), InputError);
    assert.match(error.message, /^schema: zod cannot write it as JSON Schema/);
    assert.match(error.cause.message, /Date/);
  });

  test("an issue's path may have segments, symbols and no path at all", async () => {
    const issues = [{ message: "one", path: [{ key: "a" }, 0, Symbol("s")] }, { message: "two" }];
    const schema = { "~standard": { version: 1, vendor: "own", validate: () => ({ issues }) } };
    const { parse } = service(library, "{}");
    const error = await rejection(parse(schema, { response_format: { type: "json_object" } }), InvalidResponseError);
    assert.deepEqual(error.issues, [
      { message: "one", path: ["a", 0, "Symbol(s)"] },
      { message: "two", path: [] },
    ]);
  });

  test("an error that its validation throws is passed on", async () => {
    const reason = new Error("the database is gone");
    const schema = { "~standard": { version: 1, vendor: "own", validate: async () => { throw reason; } } };
    const { parse } = service(library, "{}");
    await assert.rejects(parse(schema, { response_format: { type: "json_object" } }), (error) => error === reason);
  });
});

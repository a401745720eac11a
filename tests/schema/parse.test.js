/** `chat.parse`: what is sent, and what becomes of an answer. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { asked, rejection, service, usePackage } from "./support.js";

const { library } = await usePackage();
const { InputError, InvalidResponseError, TruncatedError } = library;

const book = {
  type: "object",
  properties: { title: { type: "string" }, year: { type: "integer" } },
  required: ["title"],
  additionalProperties: false,
};

describe("parse", () => {
  test("gives the value besides all that final() gives", async () => {
    const { parse } = service(library, '{"title": "Ulysses", "year": 1922}');
    const answer = await parse(book);
    assert.deepEqual(answer.object, { title: "Ulysses", year: 1922 });
    assert.equal(answer.text, '{"title": "Ulysses", "year": 1922}');
    assert.equal(answer.finishReason, "stop");
    assert.equal(answer.message.role, "assistant");
  });

  test("asks for the schema, as it is, and sends no schema of its own", async () => {
    const schema = { $schema: "https://json-schema.org/draft/2020-12/schema", ...book };
    const { bodies, parse } = service(library, '{"title": ""}');
    await parse(schema);
    assert.deepEqual(bodies[0].response_format, { type: "json_schema", json_schema: { name: "answer", schema, strict: true } });
    assert.ok(!("schema" in bodies[0]));
  });

  test("names the schema by its title, in the characters that services take", async () => {
    const names = {
      Book: "Book",
      "A book, or two!": "A_book_or_two",
      "under_score-dash": "under_score-dash",
      本: "answer",
      "": "answer",
      ["x".repeat(65)]: "x".repeat(64),
    };
    for (const [title, name] of Object.entries(names)) {
      const format = await asked(library, { ...book, title });
      assert.equal(format.json_schema.name, name);
      assert.equal(format.json_schema.schema.title, title);
    }
  });

  test("leaves a response_format of the caller's own, and validates all the same", async () => {
    const response_format = { type: "json_object" };
    const { bodies, parse } = service(library, '{"title": 1}');
    await rejection(parse(book, { response_format }), InvalidResponseError);
    assert.deepEqual(bodies[0].response_format, response_format);
  });

  test("says where an answer does not fit, and what else is known of the call", async () => {
    const text = '{"title": 1, "year": 1.5, "isbn": ""}';
    const { parse } = service(library, text);
    const error = await rejection(parse(book), InvalidResponseError);
    assert.equal(error.message, "The answer does not fit the schema: title: expected string, received number");
    assert.deepEqual(error.issues, [
      { message: "expected string, received number", path: ["title"] },
      { message: "expected integer, received number", path: ["year"] },
      { message: "not allowed by the schema", path: ["isbn"] },
    ]);
    assert.equal(error.code, "invalid_response");
    assert.equal(error.partial.text, text);
    assert.equal(error.trace.attempts.length, 1);
    assert.equal(error.model, "m");
  });

  test("rejects an answer that is not JSON", async () => {
    const { parse } = service(library, "Here is a book: Ulysses");
    const error = await rejection(parse(book), InvalidResponseError);
    assert.equal(error.partial.text, "Here is a book: Ulysses");
    assert.equal(error.issues, undefined);
  });

  test("rejects an answer that was cut, as such", async () => {
    const error = await rejection(service(library, '{"title": "Uly', "length").parse(book), TruncatedError);
    assert.equal(error.partial.text, '{"title": "Uly');
  });

  test("sends nothing when the schema cannot be used", async () => {
    const circular = { type: "object" };
    circular.properties = { self: circular };
    const unusable = {
      "a text": "book",
      "a number": 1,
      "a boolean": true,
      "null": null,
      "a list": [book],
      "a function": () => book,
      "no keyword": {},
      "only a description": { description: "anything" },
      "a schema in a wrapping": { name: "book", schema: book },
      "a circle": circular,
      "a BigInt": { type: "integer", maximum: 1n },
      "an object of a library": { type: "object", validate() {} },
      "members with schemas of a library": { type: { parse() {} } },
      "a reference to another document": { type: "object", properties: { a: { $ref: "https://example.org/a.json" } } },
      "a reference to a relative document": { $ref: "a.json#/b" },
      "a dynamic reference": { type: "array", items: { $dynamicRef: "#node" } },
    };
    for (const [name, schema] of Object.entries(unusable)) {
      const { bodies, parse } = service(library, "{}");
      const error = await rejection(parse(schema), InputError);
      assert.equal(error.option, "schema", name);
      assert.match(error.message, /^schema: expected a Standard Schema .* or a JSON Schema: ./, name);
      assert.equal(bodies.length, 0, name);
    }
  });
});

/** The packed package, and a service that answers it with one text. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { createConsumer, packageName } from "../packaging/support/consumer.js";

/** A project of its own with the package in it, until the tests of this file are over. */
export async function usePackage() {
  const { directory, remove } = await createConsumer();
  after(remove);
  const entry = createRequire(join(directory, "package.json")).resolve(packageName);
  return { directory, library: await import(pathToFileURL(entry)) };
}

/**
 * A service that streams `text` in small pieces. It keeps the bodies that it was sent.
 *
 * @param {any} library
 * @param {string} text
 * @param {string} [finishReason]
 */
export function service(library, text, finishReason = "stop") {
  const bodies = [];
  const fetch = async (_url, { body }) => {
    bodies.push(JSON.parse(await new Response(body).text()));
    const chunk = (delta, finish_reason) =>
      `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
    const pieces = text.match(/[^]{1,5}/gu) ?? [];
    const stream = [...pieces.map((content) => chunk({ content }, null)), chunk({}, finishReason), "data: [DONE]\n\n"].join("");
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  };
  const client = new library.InferenceClient({ baseUrl: "https://service.example", fetch });
  const parse = (schema, request) =>
    client.chat.parse({ model: "m", messages: [{ role: "user", content: "Answer." }], schema, ...request });
  return { client, bodies, parse };
}

/** What a service was asked for when it is asked for a value of `schema`; the answer counts for nothing. */
export async function asked(library, schema) {
  const { bodies, parse } = service(library, "null");
  await parse(schema).catch((error) => {
    if (!(error instanceof library.InvalidResponseError)) throw error;
  });
  assert.equal(bodies.length, 1);
  return bodies[0].response_format;
}

/** The error that a call rejects with, which must be of the given class. */
export async function rejection(promise, Class) {
  const error = await promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value.object)}`),
    (reason) => reason,
  );
  assert.ok(error instanceof Class, error?.stack ?? String(error));
  return error;
}

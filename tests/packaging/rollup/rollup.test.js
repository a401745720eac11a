import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { rollup } from "rollup";
import { createConsumer } from "../support/consumer.js";
import { shared } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";
import { structuredAnswer } from "../support/structured.js";

const source = new URL("./", import.meta.url);

describe("Rollup", () => {
  let consumer;

  before(async () => {
    consumer = await createConsumer();
    for (const from of [shared, source]) await cp(from, consumer.directory, { recursive: true });
  });

  after(() => consumer?.remove());

  async function bundle(entry, output) {
    const warnings = [];
    const result = await rollup({
      input: join(consumer.directory, entry),
      plugins: [nodeResolve()],
      onwarn: (warning) => warnings.push(warning.message),
    });
    const folder = join(consumer.directory, "out", entry);
    await result.write({ dir: folder, format: "es", entryFileNames: "app.js", ...output });
    await result.close();
    assert.deepEqual(warnings, []);
    return folder;
  }

  async function outputInNode(folder) {
    const server = await startServer();
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "app.js"), server.url]);
      return stdout;
    } finally {
      await server.stop();
    }
  }

  test("inline entry in one file, run by Node", async () => {
    const folder = await bundle("app.js", { inlineDynamicImports: true });
    assert.deepEqual(await readdir(folder), ["app.js"]);
    assert.equal(await outputInNode(folder), answer);
  });

  test("the validator of JSON Schemas in a chunk of its own, run by Node", async () => {
    const folder = await bundle("structured-app.js");
    assert.equal((await readdir(folder)).filter((name) => name.startsWith("json-schema-")).length, 1);
    assert.equal(await outputInNode(folder), structuredAnswer);
  });
});

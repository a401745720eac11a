import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { rollup } from "rollup";
import { createConsumer } from "../support/consumer.js";
import { answer, startServer } from "../support/server.js";

const source = new URL("./", import.meta.url);

describe("Rollup", () => {
  let consumer;

  before(async () => {
    consumer = await createConsumer();
    await cp(source, consumer.directory, { recursive: true });
  });

  after(() => consumer?.remove());

  test("inline entry in one file, run by Node", async () => {
    const warnings = [];
    const bundle = await rollup({
      input: join(consumer.directory, "app.js"),
      plugins: [nodeResolve()],
      onwarn: (warning) => warnings.push(warning.message),
    });
    const folder = join(consumer.directory, "out");
    await bundle.write({ dir: folder, format: "es" });
    await bundle.close();
    assert.deepEqual(warnings, []);
    assert.deepEqual(await readdir(folder), ["app.js"]);

    const server = await startServer();
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "app.js"), server.url]);
      assert.equal(stdout, answer);
    } finally {
      await server.stop();
    }
  });
});

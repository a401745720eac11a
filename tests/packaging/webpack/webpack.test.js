import assert from "node:assert/strict";
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import webpack from "webpack";
import { pageOutput } from "../support/browser.js";
import { useConsumer } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";

describe("webpack", () => {
  const fixture = useConsumer(new URL("./", import.meta.url));

  test("production build", async () => {
    const folder = join(fixture.consumer.directory, "dist");
    const compiler = webpack({
      mode: "production",
      context: fixture.consumer.directory,
      entry: "./app.js",
      output: { path: folder, filename: "app.js", module: true },
      experiments: { outputModule: true },
    });
    const stats = await promisify(compiler.run.bind(compiler))();
    await promisify(compiler.close.bind(compiler))();
    assert.ok(!stats.hasErrors() && !stats.hasWarnings(), stats.toString("errors-warnings"));

    const emitted = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, `one .wasm is emitted: ${emitted}`);
    await copyFile(join(fixture.consumer.directory, "index.html"), join(folder, "index.html"));
    const server = await startServer({ folder });
    try {
      assert.equal(await pageOutput(fixture.browser, server.url), answer);
    } finally {
      await server.stop();
    }
  });
});

import assert from "node:assert/strict";
import { copyFile, cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import webpack from "webpack";
import { launchBrowser, pageOutput } from "../support/browser.js";
import { createConsumer } from "../support/consumer.js";
import { answer, startServer } from "../support/server.js";

const source = new URL("./", import.meta.url);

describe("webpack", () => {
  let consumer;
  let browser;

  before(async () => {
    consumer = await createConsumer();
    await cp(source, consumer.directory, { recursive: true });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await consumer?.remove();
  });

  test("production build", async () => {
    const folder = join(consumer.directory, "dist");
    const compiler = webpack({
      mode: "production",
      context: consumer.directory,
      entry: "./app.js",
      output: { path: folder, filename: "app.js", module: true },
      experiments: { outputModule: true },
    });
    const stats = await promisify(compiler.run.bind(compiler))();
    await promisify(compiler.close.bind(compiler))();
    assert.ok(!stats.hasErrors() && !stats.hasWarnings(), stats.toString("errors-warnings"));

    const emitted = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, `one .wasm is emitted: ${emitted}`);
    await copyFile(join(consumer.directory, "index.html"), join(folder, "index.html"));
    const server = await startServer({ folder });
    try {
      assert.equal(await pageOutput(browser, server.url), answer);
    } finally {
      await server.stop();
    }
  });
});

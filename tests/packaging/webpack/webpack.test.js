import assert from "node:assert/strict";
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import webpack from "webpack";
import { pageOutput } from "../support/browser.js";
import { useConsumer } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";
import { structuredAnswer } from "../support/structured.js";

describe("webpack", () => {
  const fixture = useConsumer(new URL("./", import.meta.url));

  /** @returns {Promise<{ files: string[], output: string }>} the files that were emitted, and what the page shows */
  async function built(entry) {
    const folder = join(fixture.consumer.directory, "dist", entry);
    const compiler = webpack({
      mode: "production",
      context: fixture.consumer.directory,
      entry: `./${entry}`,
      output: { path: folder, filename: "app.js", module: true },
      experiments: { outputModule: true },
    });
    const stats = await promisify(compiler.run.bind(compiler))();
    await promisify(compiler.close.bind(compiler))();
    assert.ok(!stats.hasErrors() && !stats.hasWarnings(), stats.toString("errors-warnings"));

    const files = await readdir(folder, { recursive: true });
    await copyFile(join(fixture.consumer.directory, "index.html"), join(folder, "index.html"));
    const server = await startServer({ folder });
    try {
      return { files, output: await pageOutput(fixture.browser, server.url) };
    } finally {
      await server.stop();
    }
  }

  test("production build", async () => {
    const { files, output } = await built("app.js");
    const emitted = files.filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, `one .wasm is emitted: ${emitted}`);
    assert.equal(output, answer);
  });

  test("the validator of JSON Schemas and the accounts in chunks of their own", async () => {
    const { files, output } = await built("structured-page.js");
    // Its licence tells which it is; others are what other calls load.
    const licensed = files.filter((name) => name.endsWith(".LICENSE.txt")).map((name) => name.replace(".LICENSE.txt", ""));
    assert.equal(licensed.length, 1, String(files));
    assert.ok(licensed[0] !== "app.js" && files.includes(licensed[0]), String(files));
    assert.equal(output, structuredAnswer);
  });
});

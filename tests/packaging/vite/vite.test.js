import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { build, createServer } from "vite";
import { pageOutput } from "../support/browser.js";
import { useConsumer } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";
import { structuredAnswer } from "../support/structured.js";

describe("Vite", () => {
  const fixture = useConsumer(new URL("./", import.meta.url));

  test("production build", async () => {
    const root = fixture.consumer.directory;
    const input = ["index.html", "structured.html"].map((page) => join(root, page));
    await build({ root, configFile: false, logLevel: "error", build: { rolldownOptions: { input } } });
    const folder = join(root, "dist");
    const files = await readdir(folder, { recursive: true });
    const emitted = files.filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, `one .wasm is emitted: ${emitted}`);
    assert.equal(files.filter((name) => /\bjson-schema-.*\.js$/.test(name)).length, 1, `the validator is a chunk: ${files}`);
    const server = await startServer({ folder });
    try {
      assert.equal(await pageOutput(fixture.browser, server.url), answer);
      assert.equal(await pageOutput(fixture.browser, `${server.url}/structured.html`), structuredAnswer);
    } finally {
      await server.stop();
    }
  });

  test("development server", async () => {
    const server = await startServer();
    const vite = await createServer({
      root: fixture.consumer.directory,
      configFile: false,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0, hmr: false },
    });
    try {
      await vite.listen();
      const { port } = vite.httpServer.address();
      const page = (path) => `http://127.0.0.1:${port}/${path}?server=${encodeURIComponent(server.url)}`;
      assert.equal(await pageOutput(fixture.browser, page("")), answer);
      assert.equal(await pageOutput(fixture.browser, page("structured.html")), structuredAnswer);
    } finally {
      await vite.close();
      await server.stop();
    }
  });
});

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { build, createServer } from "vite";
import { pageOutput } from "../support/browser.js";
import { useConsumer } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";

describe("Vite", () => {
  const fixture = useConsumer(new URL("./", import.meta.url));

  test("production build", async () => {
    await build({ root: fixture.consumer.directory, configFile: false, logLevel: "error" });
    const folder = join(fixture.consumer.directory, "dist");
    const emitted = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, `one .wasm is emitted: ${emitted}`);
    const server = await startServer({ folder });
    try {
      assert.equal(await pageOutput(fixture.browser, server.url), answer);
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
      const page = `http://127.0.0.1:${port}/?server=${encodeURIComponent(server.url)}`;
      assert.equal(await pageOutput(fixture.browser, page), answer);
    } finally {
      await vite.close();
      await server.stop();
    }
  });
});

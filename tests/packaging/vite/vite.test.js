import assert from "node:assert/strict";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { build, createServer } from "vite";
import { launchBrowser, pageOutput } from "../support/browser.js";
import { createConsumer } from "../support/consumer.js";
import { answer, startServer } from "../support/server.js";

const source = new URL("./", import.meta.url);

describe("Vite", () => {
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
    await build({ root: consumer.directory, configFile: false, logLevel: "error" });
    const folder = join(consumer.directory, "dist");
    const emitted = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, `one .wasm is emitted: ${emitted}`);
    const server = await startServer({ folder });
    try {
      assert.equal(await pageOutput(browser, server.url), answer);
    } finally {
      await server.stop();
    }
  });

  test("development server", async () => {
    const server = await startServer();
    const vite = await createServer({
      root: consumer.directory,
      configFile: false,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0, hmr: false },
    });
    try {
      await vite.listen();
      const { port } = vite.httpServer.address();
      const page = `http://127.0.0.1:${port}/?server=${encodeURIComponent(server.url)}`;
      assert.equal(await pageOutput(browser, page), answer);
    } finally {
      await vite.close();
      await server.stop();
    }
  });
});

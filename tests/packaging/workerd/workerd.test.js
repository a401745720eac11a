import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Miniflare } from "miniflare";
import { createConsumer, packageName } from "../support/consumer.js";
import { shared } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";
import { structuredAnswer } from "../support/structured.js";

/** The package's files as the modules of a worker, without a bundler. */
describe("workerd", () => {
  let consumer;
  let server;
  let miniflare;

  before(async () => {
    consumer = await createConsumer();
    const root = join(consumer.directory, "node_modules", packageName);
    const own = (path, folder) => readFile(new URL(path, folder), "utf8");
    const modules = [
      { type: "ESModule", path: "worker.js", contents: await own("worker.js", import.meta.url) },
      { type: "ESModule", path: "structured.js", contents: await own("structured.js", shared) },
    ];
    for (const name of await readdir(join(root, "dist"), { recursive: true })) {
      const path = `dist/${name}`;
      if (name.endsWith(".wasm")) modules.push({ type: "CompiledWasm", path, contents: await readFile(join(root, path)) });
      if (name.endsWith(".js")) modules.push({ type: "ESModule", path, contents: await readFile(join(root, path), "utf8") });
    }
    server = await startServer();
    miniflare = new Miniflare({ compatibilityDate: "2026-01-01", bindings: { SERVER: server.url }, modules });
  });

  after(async () => {
    await miniflare?.dispose();
    await server?.stop();
    await consumer?.remove();
  });

  test("streams", async () => {
    const response = await miniflare.dispatchFetch("http://worker/");
    assert.equal(await response.text(), answer);
  });

  test("loads the validator of JSON Schemas when it is needed, also for requests at once", async () => {
    const responses = await Promise.all(Array.from({ length: 5 }, () => miniflare.dispatchFetch("http://worker/structured")));
    for (const response of responses) assert.equal(await response.text(), structuredAnswer);
  });
});

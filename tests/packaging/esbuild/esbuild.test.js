import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { pageOutput } from "../support/browser.js";
import { useConsumer } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";
import { structuredAnswer } from "../support/structured.js";

describe("esbuild", () => {
  const fixture = useConsumer(new URL("./", import.meta.url));

  async function bundle(entry, options) {
    await mkdir(join(fixture.consumer.directory, "out"), { recursive: true });
    const folder = await mkdtemp(join(fixture.consumer.directory, "out", `${entry}-`));
    await copyFile(join(fixture.consumer.directory, "index.html"), join(folder, "index.html"));
    await build({
      absWorkingDir: fixture.consumer.directory,
      entryPoints: { app: entry },
      outdir: folder,
      bundle: true,
      minify: true,
      format: "esm",
      logLevel: "error",
      ...options,
    });
    return folder;
  }

  async function outputInBrowser(folder) {
    const server = await startServer({ folder });
    try {
      return await pageOutput(fixture.browser, server.url);
    } finally {
      await server.stop();
    }
  }

  test("web entry with a copied .wasm", async () => {
    const folder = await bundle("web.js");
    const { resolve } = createRequire(join(fixture.consumer.directory, "package.json"));
    await copyFile(resolve("hf-inference-wasm/hf-inference-wasm.wasm"), join(folder, "hf-inference-wasm.wasm"));
    assert.equal(await outputInBrowser(folder), answer);
  });

  test("web entry with the file loader", async () => {
    const folder = await bundle("file-loader.js", { loader: { ".wasm": "file" } });
    const emitted = (await readdir(folder)).filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, "one .wasm is emitted");
    assert.equal(await outputInBrowser(folder), answer);
  });

  test("inline entry without configuration", async () => {
    const folder = await bundle("inline.js");
    assert.deepEqual((await readdir(folder)).sort(), ["app.js", "index.html"]);
    assert.equal(await outputInBrowser(folder), answer);
  });

  test("the validator of JSON Schemas in a chunk of its own", async () => {
    const folder = await bundle("structured-page.js", { splitting: true });
    const chunks = (await readdir(folder)).filter((name) => name.startsWith("json-schema-"));
    assert.equal(chunks.length, 1);
    assert.equal(await outputInBrowser(folder), structuredAnswer);
  });

  test("the validator of JSON Schemas in one file with the rest", async () => {
    const folder = await bundle("structured-page.js");
    assert.deepEqual((await readdir(folder)).sort(), ["app.js", "index.html"]);
    assert.equal(await outputInBrowser(folder), structuredAnswer);
  });

  test("the validator of JSON Schemas in a worker made of a blob", async () => {
    const folder = await bundle("blob-page.js", { entryPoints: { app: "blob-page.js", worker: "blob-worker.js" } });
    assert.equal(await outputInBrowser(folder), structuredAnswer);
  });

  test("workerd entry", async () => {
    const folder = await bundle("worker.js", { conditions: ["workerd"], loader: { ".wasm": "copy" } });
    const emitted = (await readdir(folder)).filter((name) => name.endsWith(".wasm"));
    assert.equal(emitted.length, 1, "one .wasm is emitted");
    const server = await startServer();
    const miniflare = new Miniflare({
      compatibilityDate: "2026-01-01",
      bindings: { SERVER: server.url },
      modules: [
        { type: "ESModule", path: "app.js", contents: await readFile(join(folder, "app.js"), "utf8") },
        { type: "CompiledWasm", path: emitted[0], contents: await readFile(join(folder, emitted[0])) },
      ],
    });
    try {
      const response = await miniflare.dispatchFetch("http://worker/");
      assert.equal(await response.text(), answer);
      const structured = await miniflare.dispatchFetch("http://worker/structured");
      assert.equal(await structured.text(), structuredAnswer);
    } finally {
      await miniflare.dispose();
      await server.stop();
    }
  });
});

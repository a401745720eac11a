/** Answers that outlive a page, and effects that run twice, in Chromium. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { launchBrowser } from "../packaging/support/browser.js";
import { createConsumer, packageName } from "../packaging/support/consumer.js";
import { startServer } from "../server/server.js";
import * as wire from "../server/wire.js";

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".wasm": "application/wasm", ".map": "application/json" };

/** The component with React in it, as a development build: in others StrictMode does nothing. */
async function bundleOfReact() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("strict-mode.js", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    external: ["hf-inference-wasm"],
    define: { "process.env.NODE_ENV": '"development"' },
    logLevel: "silent",
  });
  return outputFiles[0].contents;
}

describe("Chromium", async () => {
  const react = await bundleOfReact();
  const server = await startServer();
  const consumer = await createConsumer();
  const http = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = pathname.startsWith("/package/") ? join(consumer.directory, "node_modules", packageName, pathname.slice(9)) : new URL(`.${pathname}`, import.meta.url);
    const content = pathname === "/strict-mode.js" ? react : await readFile(file).catch(() => undefined);
    response.writeHead(content ? 200 : 404, { "content-type": types[extname(pathname)] ?? "text/plain" });
    response.end(content);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const browser = await launchBrowser();
  after(async () => {
    await browser.close();
    http.close();
    http.closeAllConnections();
    await server.close();
    await consumer.remove();
  });

  const service = (run, options = "") => `${server.url}/s/ok;run=${run};echo=1${options}`;
  const requests = async (run) => (await (await fetch(`${server.url}/log/${run}`)).json()).requests;

  /** A page of its own, with storage of its own. */
  async function withPage(use) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
    const load = async () => {
      await page.goto(`http://127.0.0.1:${http.address().port}/page.html`);
      await page.waitForFunction("globalThis.ready === true");
    };
    await load();
    try {
      await use(page, load);
    } finally {
      await context.close();
    }
    assert.deepEqual(complaints, []);
  }

  for (const kind of ["indexedDb", "cacheApi"]) {
    test(`${kind}: an answer is there after a reload`, { timeout: 60_000 }, () =>
      withPage(async (page, load) => {
        const run = `reload-${kind}`;
        const ask = (id) => page.evaluate((url, kind, id) => ask(url, kind, { id }), service(run), kind, id);
        const first = await ask("q");
        assert.deepEqual(first.cache, { hit: false });
        assert.equal(first.text, wire.tokensOf({ id: "q" }).join(""));
        // It is written behind the answer.
        while (!(await ask("q")).cache.hit) assert.ok((await requests(run)).length < 10);
        const count = (await requests(run)).length;
        await load();
        const again = await ask("q");
        assert.equal(again.cache.hit, true);
        assert.ok(again.cache.age >= 0);
        assert.equal(again.text, first.text);
        assert.equal((await requests(run)).length, count);
        await ask("another");
        assert.equal((await requests(run)).length, count + 1);
      }));

    test(`${kind}: keeps, replaces, forgets, and stays within its bound`, { timeout: 60_000 }, () =>
      withPage(async (page) => {
        const store = (method, ...values) => page.evaluate((kind, ...all) => globalThis.store(kind, { name: "own", maxEntries: 3 }, ...all), kind, method, ...values);
        assert.equal(await store("get", "a"), undefined);
        await store("put", "a", "one", 1e6);
        await store("put", "a", "two — ü 😀", 1e6);
        assert.equal(await store("get", "a"), "two — ü 😀");
        assert.equal(await page.evaluate((kind) => globalThis.store(kind, {}, "get", "a"), kind), undefined, "another name");
        await store("delete", "a");
        await store("delete", "a");
        assert.equal(await store("get", "a"), undefined);
        for (const key of ["b", "c", "d", "e", "f"]) {
          await store("put", key, key, 1e6);
          // The oldest goes: they must not be of one age.
          await page.evaluate(async (from) => { while (Date.now() <= from) await new Promise((resolve) => setTimeout(resolve)); }, await page.evaluate("Date.now()"));
        }
        const left = [];
        for (const key of ["b", "c", "d", "e", "f"]) if ((await store("get", key)) === key) left.push(key);
        assert.deepEqual(left, ["d", "e", "f"]);
      }));
  }

  test("an entry that another page has spoilt is a miss", { timeout: 60_000 }, () =>
    withPage(async (page) => {
      const run = "spoilt";
      const ask = () => page.evaluate((url) => globalThis.ask(url, "cacheApi"), service(run));
      await ask();
      while (!(await ask()).cache.hit);
      await page.evaluate(async () => {
        const cache = await caches.open("hf-inference-wasm");
        for (const key of await cache.keys()) await cache.put(key, new Response("rubbish"));
      });
      assert.deepEqual((await ask()).cache, { hit: false, why: "corrupt" });
    }));

  test("a page where IndexedDB does not open asks the service", { timeout: 60_000 }, () =>
    withPage(async (page) => {
      const run = "closed";
      const answer = await page.evaluate((url) => {
        IDBFactory.prototype.open = () => {
          throw new DOMException("The user agent has it off", "SecurityError");
        };
        return globalThis.ask(url, "indexedDb");
      }, service(run));
      assert.deepEqual(answer.cache, { hit: false, why: "failed" });
      assert.equal(answer.text, wire.tokensOf({ id: "q" }).join(""));
    }));

  for (const between of ["nothing", "task"]) {
    test(`an effect that runs twice sends one request (${between} between)`, { timeout: 60_000 }, () =>
      withPage(async (page) => {
        const run = `twice-${between}`;
        const [first, second] = await page.evaluate((url, between) => twice(url, between), service(run, ";pace=2"), between);
        assert.equal(first, "AbortError");
        assert.equal(second, wire.tokensOf({ id: "q" }).join(""));
        const seen = await requests(run);
        assert.equal(seen.length, 1);
      }));
  }

  for (const [what, options, expected] of [
    ["singleFlight", { singleFlight: true }, 1],
    ["cache", { cache: true }, 1],
    // Else this would show nothing.
    ["neither", {}, 2],
  ]) {
    test(`React's StrictMode with ${what}: effects run twice, and the component is made anew in mid-answer`, { timeout: 60_000 }, () =>
      withPage(async (page) => {
        const run = `react-${what}`;
        await page.evaluate(async (url, options) => {
          const { mount } = await import("/strict-mode.js");
          globalThis.shown = mount(url, options);
        }, service(run, ";pace=30;tokens=12"), options);
        const whole = wire.tokensOf({ id: "q", tokens: 12 }).join("");
        await page.waitForFunction((whole) => document.querySelector("#answer").textContent === whole, {}, whole);
        const { effects, cleanUps, atFirst, errors } = await page.evaluate(() => shown.seen);
        assert.deepEqual(atFirst, { effects: 2, cleanUps: 1 }, "this is React's development build");
        assert.deepEqual([effects, cleanUps, errors], [4, 3, ["AbortError", "AbortError", "AbortError"]]);
        // What is billed is known when the answer has ended, a little after its last word.
        await page.waitForFunction(() => shown.seen.ended);
        assert.equal(await page.evaluate(() => shown.total().requests), expected, "billed");
        const seen = await requests(run);
        assert.equal(seen.length, expected);
      }));
  }
});

/** Guests in pages of Chromium, each in a renderer process of its own. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

import { require as program } from "../../tests/runtimes/executables.js";
import { bundle } from "./bundle.js";
import { wasmFile } from "./package.js";
import { tests } from "./tools.js";

/** The browser must not talk to anybody but the servers of the run. */
const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const wasmName = "hf_inference_wasm_bg.wasm";

/** The longest that one run may take, in milliseconds. */
const limit = 180_000;

/**
 * @param {string} guest the name of a module in guests/
 * @returns {Promise<{ version: string, wasm: string, run(options: object): Promise<object>, close(): Promise<void> }>}
 */
export async function openChromium(guest) {
  const { files } = await bundle(`export { prepare } from "./guests/${guest}.js";`);
  // The `web` entry asks for the module in the folder above its own, which is the root for a script in the root.
  files.set(wasmName, await readFile(wasmFile));
  const server = createServer((request, response) => {
    const name = request.url.slice(1);
    const type = name === "" ? "text/html" : name.endsWith(".wasm") ? "application/wasm" : "text/javascript";
    const content = name === "" ? "<!doctype html><title>bench</title>" : files.get(name);
    response.writeHead(content ? 200 : 404, { "content-type": type }).end(content);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/`;

  const { default: puppeteer } = await import(tests.resolve("puppeteer-core"));
  const browser = await puppeteer.launch({
    executablePath: program("chromium"),
    args: ["--no-sandbox", "--disable-gpu", "--js-flags=--expose-gc", ...quiet],
    protocolTimeout: limit,
  });
  return {
    version: (await browser.version()).replace(/^.*\//, ""),
    /** Where a page finds our module. */
    wasm: `/${wasmName}`,
    async run(options) {
      // Pages of different contexts never share a process.
      const context = await browser.createBrowserContext();
      try {
        return await runPage(await context.newPage(), url, options);
      } finally {
        await context.close();
      }
    },
    async close() {
      await browser.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function runPage(page, url, options) {
  await page.goto(url);
  await page.evaluate(async (given) => {
    const { prepare } = await import("/main.js");
    globalThis.guest = await prepare(given);
    globalThis.gc();
  }, options);
  const devtools = await page.createCDPSession();
  await devtools.send("Performance.enable");
  const processTime = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "ProcessTime").value * 1000;
  };
  const before = await processTime();
  const wall = await page.evaluate(async () => {
    const began = performance.now();
    await globalThis.guest.run();
    return performance.now() - began;
  });
  const cpu = (await processTime()) - before;
  const { count, figures } = await page.evaluate(async () => ({ figures: await globalThis.guest.finish(), count: globalThis.guest.count ?? 1 }));
  return { cpu, wall, count, ...figures };
}

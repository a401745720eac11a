/**
 * Start-up: from `import` to the first request, in Node and in Chromium, each time in a fresh process
 * or page. Prints the median of ROUNDS (default 15) in milliseconds, in Node beside the time that
 * importing `openai` alone takes.
 *
 * Needs `make build` and scripts/setup-tests.sh. Run it alone: `node bench/startup.js`.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const root = new URL("..", import.meta.url).pathname;
const rounds = Number(process.env.ROUNDS ?? 15);
const tests = createRequire(join(root, "tests/package.json"));

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Resolves to the milliseconds from before the import to the call of `fetch`. Runs in both places. */
const probe = (specifier) => `
  void globalThis.Response; // Node loads its fetch (about 18 ms) when it is first touched, whoever does it.
  const began = performance.now();
  const { InferenceClient } = await import(${JSON.stringify(specifier)});
  const sent = await new Promise((resolve) => {
    const fetch = async () => {
      resolve(performance.now());
      return new Response('{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}');
    };
    new InferenceClient({ endpointUrl: "http://127.0.0.1:1", fetch }).chatCompletion({ messages: [{ role: "user", content: "Hello" }] });
  });`;

async function node(code) {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { cwd: join(root, "tests") });
  return Number(stdout);
}

async function chromium() {
  const types = { js: "text/javascript", wasm: "application/wasm" };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://page").pathname;
    if (path === "/") return response.setHeader("content-type", "text/html").end("<!doctype html>");
    try {
      const file = await readFile(join(root, "pkg-js/dist", path));
      response.setHeader("content-type", types[path.split(".").at(-1)]).end(file);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const { default: puppeteer } = await import(tests.resolve("puppeteer-core"));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.goto(url);
    times.push(await page.evaluate(`(async () => {${probe("/entries/web.js")} return sent - began; })()`));
    await context.close();
  }
  await browser.close();
  server.close();
  return times;
}

const ours = [];
const openai = [];
for (let round = 0; round < rounds; round += 1) {
  ours.push(await node(`${probe(join(root, "pkg-js/dist/entries/node.js"))} console.log(sent - began);`));
  openai.push(await node('const began = performance.now(); await import("openai"); console.log(performance.now() - began);'));
}
console.log(`Node ${process.version}: import to first request ${median(ours).toFixed(1)} ms (importing openai alone: ${median(openai).toFixed(1)} ms)`);
console.log(`Chromium: import to first request ${median(await chromium()).toFixed(1)} ms, from a server on this machine`);

/** Runs a block as its reader would, and gives back what it printed. */

import { execFile } from "node:child_process";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { Miniflare, Response as WorkerResponse } from "miniflare";
import { launchBrowser } from "../packaging/support/browser.js";
import { packageName } from "../packaging/support/consumer.js";
import { fakeResponse } from "./fake-services.js";

const timeout = 60_000;
const preload = fileURLToPath(new URL("./preload.js", import.meta.url));
const token = "hf_test";

const contentTypes = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

async function withoutTypes(block) {
  if (block.language === "js") return block.program;
  const { code } = await transform(block.program, { loader: "ts", format: "esm", target: "es2022" });
  return code;
}

function execute(file, args, { directory, environment }) {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { cwd: directory, env: { ...process.env, ...environment }, timeout },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`${error.killed ? `not done in ${timeout} ms\n` : ""}${stdout}${stderr}`));
        else resolve(stdout);
      },
    );
    child.stdin.end();
  });
}

export async function runInNode(block, { directory }) {
  const file = join(directory, `line-${block.line}.mjs`);
  await writeFile(file, await withoutTypes(block));
  const environment = { HF_TOKEN: token, ...(block.answers && { FAKE_ANSWERS: block.answers }) };
  return execute(process.execPath, ["--import", preload, file], { directory, environment });
}

export function runInShell(block, { directory }) {
  return execute("sh", ["-eu", "-c", block.code], { directory, environment: { HF_TOKEN: token } });
}

export async function runInWorkerd(block, { directory }) {
  const outdir = join(directory, `line-${block.line}`);
  await build({
    stdin: { contents: block.program, loader: block.language, resolveDir: directory, sourcefile: "worker.ts" },
    outfile: join(outdir, "worker.js"),
    bundle: true,
    format: "esm",
    conditions: ["workerd"],
    loader: { ".wasm": "copy" },
    logLevel: "silent",
  });
  const names = await readdir(outdir);
  const modules = await Promise.all(
    // The first module is the one that runs.
    names.sort((a, b) => Number(a.endsWith(".wasm")) - Number(b.endsWith(".wasm"))).map(async (path) =>
      path.endsWith(".wasm")
        ? { type: "CompiledWasm", path, contents: await readFile(join(outdir, path)) }
        : { type: "ESModule", path, contents: await readFile(join(outdir, path), "utf8") },
    ),
  );
  const miniflare = new Miniflare({
    compatibilityDate: "2026-01-01",
    bindings: { HF_TOKEN: token },
    modules,
    async outboundService(request) {
      const { url, method, headers } = request;
      const body = method === "POST" ? await request.text() : null;
      const copy = new Request(url, { method, headers: [...headers], body });
      const response = await fakeResponse(copy, { answers: block.answers });
      if (!response) return new WorkerResponse(`${url} is not to be reached`, { status: 502 });
      return new WorkerResponse(response.body, { status: response.status, headers: [...response.headers] });
    },
  });
  try {
    const init = block.body
      ? { method: "POST", body: block.body, headers: { "content-type": "application/json" } }
      : { method: "GET" };
    const response = await miniflare.dispatchFetch("http://worker/", init);
    const text = await response.text();
    if (!response.ok) throw new Error(`the worker answered ${response.status}: ${text}`);
    return text;
  } finally {
    await miniflare.dispose();
  }
}

function escapeScript(code) {
  return code.replaceAll("</script", "<\\/script");
}

async function page(block) {
  if (block.language === "html") return block.code;
  const folder = `/node_modules/${packageName}/dist/entries`;
  const imports = { [packageName]: `${folder}/web.js`, [`${packageName}/inline`]: `${folder}/inline.js` };
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script>
<body></body><script type="module">${escapeScript(await withoutTypes(block))}</script>`;
}

async function serve(directory, html) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    if (pathname === "/") {
      response.writeHead(200, { "content-type": contentTypes[".html"] }).end(html);
      return;
    }
    if (pathname === "/favicon.ico") {
      response.writeHead(204).end();
      return;
    }
    const path = normalize(decodeURIComponent(pathname));
    try {
      const content = await readFile(join(directory, path));
      response.writeHead(200, { "content-type": contentTypes[extname(path)] ?? "text/plain" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** The packed files in the place of the CDN's. */
async function answerForCdn(request, directory) {
  const [, path] = /^\/npm\/hf-inference-wasm(?:@[^/]+)?\/([^+]+)$/.exec(new URL(request.url()).pathname) ?? [];
  if (!path) return request.respond({ status: 404 });
  try {
    const body = await readFile(join(directory, "node_modules", packageName, normalize(path)));
    return await request.respond({
      status: 200,
      contentType: contentTypes[extname(path)] ?? "text/plain",
      headers: { "access-control-allow-origin": "*" },
      body,
    });
  } catch {
    return request.respond({ status: 404 });
  }
}

let browser;

export async function closeBrowser() {
  const opened = await browser;
  await opened?.close();
}

export async function runInBrowser(block, { directory }) {
  browser ??= launchBrowser();
  const { outputFiles } = await build({ entryPoints: [preload], bundle: true, format: "iife", write: false });
  const server = await serve(directory, await page(block));
  const context = await (await browser).createBrowserContext();
  try {
    const tab = await context.newPage();
    const printed = [];
    const failure = new Promise((_, reject) => {
      tab.on("pageerror", (error) => reject(error));
      tab.on("console", (message) => {
        if (message.type() === "error") reject(new Error(message.text()));
        else printed.push(message.text());
      });
    });
    // It may come when nobody waits for it any more.
    failure.catch(() => {});

    const origin = `http://127.0.0.1:${server.address().port}`;
    await tab.setRequestInterception(true);
    tab.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin === origin || url.protocol === "data:" || url.protocol === "blob:") void request.continue();
      else if (url.hostname === "cdn.jsdelivr.net") void answerForCdn(request, directory);
      else void request.abort();
    });
    await tab.evaluateOnNewDocument(`globalThis.fakeAnswers = ${JSON.stringify(block.answers)};${outputFiles[0].text}`);
    await Promise.race([tab.goto(`${origin}/`), failure]);

    const expected = block.output?.trim();
    const output = async () => [...printed, await tab.evaluate(() => document.body?.innerText ?? "")].join("\n").trim();
    const shown = async () => {
      // The page prints when its answer comes, which no event of the page tells.
      for (const deadline = Date.now() + timeout; Date.now() < deadline; ) {
        const text = await output();
        if (expected === undefined ? text !== "" : text === expected) return text;
        await tab.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
      }
      return output();
    };
    return await Promise.race([shown(), failure]);
  } finally {
    await context.close();
    server.closeAllConnections();
    server.close();
  }
}

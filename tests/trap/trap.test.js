/**
 * The package with a core that traps on demand (`scripts/build-trap.sh`; `PACKAGE_TARBALL` names its tarball): one list of
 * checks in Node, in a page and in workerd.
 */
import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { after, before, describe, test } from "node:test";
import { Log, LogLevel, Miniflare } from "miniflare";
import puppeteer from "puppeteer-core";

import { createConsumer, repository } from "../packaging/support/consumer.js";
import { require as executable } from "../runtimes/executables.js";
import { runJsonLines } from "../runtimes/processes.js";
import { workerModules } from "../sockets/workerd/modules.js";
import { startServer } from "./server.js";

const timeout = 120_000;
const own = (path) => new URL(path, import.meta.url);

describe("a core that traps", { timeout: 4 * timeout }, () => {
  let consumer;
  let server;
  before(async () => {
    consumer = await createConsumer();
    server = await startServer();
    await cp(own("guest"), consumer.directory, { recursive: true });
    await cp(own("checks.js"), join(consumer.directory, "checks.js"));
  });
  after(async () => {
    server?.stop();
    await consumer?.remove();
  });

  /** A subtest for each outcome that the guest reports, as it comes. */
  function outcomesOf(t) {
    let ended = false;
    let last = Promise.resolve();
    return {
      take({ name, error, skipped, end }) {
        if (end) ended = true;
        else last = t.test(name, (check) => (error ? assert.fail(error) : skipped && check.diagnostic("not applicable here")));
      },
      async finish() {
        await last;
        assert.ok(ended, "the list did not run to its end");
      },
    };
  }

  for (const name of ["node20", "node24"]) {
    test(name, { timeout }, async (t) => {
      const outcomes = outcomesOf(t);
      await runJsonLines({
        program: join(repository, "tests/node_modules", name, "bin/node"),
        parameters: ["--expose-gc", "node.js", name, server.url, server.questionsUrl],
        cwd: consumer.directory,
        onValue: outcomes.take,
        signal: t.signal,
      });
      await outcomes.finish();
    });
  }

  test("chromium", { timeout }, async (t) => {
    const outcomes = outcomesOf(t);
    const { url, ended, close } = await hostPage(outcomes.take);
    const browser = await puppeteer.launch({
      executablePath: executable("chromium"),
      args: ["--no-sandbox", "--disable-gpu", "--js-flags=--expose-gc", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    try {
      const page = await browser.newPage();
      await page.goto(`${url}/page.html?${new URLSearchParams({ service: server.url, questions: server.questionsUrl })}`);
      await Promise.race([ended, new Promise((_, reject) => t.signal.addEventListener("abort", () => reject(t.signal.reason)))]);
      await outcomes.finish();
    } finally {
      await browser.close();
      close();
    }
  });

  test("workerd", { timeout }, async (t) => {
    let logged = "";
    const miniflare = new Miniflare({
      modules: await workerModules(consumer.directory, own("guest/worker.js"), own("checks.js")),
      compatibilityDate: "2026-04-01",
      log: new Log(LogLevel.ERROR),
      handleRuntimeStdio(stdout, stderr) {
        for (const stream of [stdout, stderr]) stream.setEncoding("utf8").on("data", (text) => (logged += text));
      },
    });
    try {
      const outcomes = outcomesOf(t);
      const parameters = new URLSearchParams({ service: server.url, questions: server.questionsUrl });
      const response = await miniflare.dispatchFetch(`http://worker/?${parameters}`);
      for (const outcome of await response.json()) outcomes.take(outcome);
      await outcomes.finish();
      assert.doesNotMatch(logged, /uncaught/i);
    } finally {
      await miniflare.dispose();
    }
  });

  /** Serves the consumer's files, and takes what the page reports. */
  async function hostPage(take) {
    const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
    let finish;
    const ended = new Promise((resolve) => (finish = resolve));
    const http = createServer(async (request, response) => {
      const { pathname } = new URL(request.url, "http://localhost");
      if (pathname === "/report") {
        let body = "";
        for await (const part of request.setEncoding("utf8")) body += part;
        response.end();
        const outcome = JSON.parse(body);
        take(outcome);
        if (outcome.end) finish();
        return;
      }
      try {
        const content = await readFile(join(consumer.directory, normalize(pathname)));
        response.writeHead(200, { "content-type": types[extname(pathname)] ?? "application/octet-stream" }).end(content);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
    return {
      url: `http://127.0.0.1:${http.address().port}`,
      ended,
      close() {
        http.close();
        http.closeAllConnections();
      },
    };
  }
});

/**
 * The demo's server: it serves the page and the built package, and answers the page's calls, by itself or by passing them on.
 */

import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { FAULTS } from "./catalogue.js";
import { createEmbeddedService } from "./embedded.js";
import { Exchange, Refusal } from "./exchange.js";
import { createFiles } from "./files.js";
import { forward } from "./proxy.js";
import { ClientGone } from "./stream.js";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const HOST = "127.0.0.1";
const CALLS_KEPT = 1_000;

/**
 * @param {object} [options]
 * @param {number} [options.pace]  tokens per second of a provider of speed 1; 0: as fast as the socket takes it
 * @param {number} [options.seed]  the same seed and the same requests in the same order give the same texts
 * @param {(line: string) => void} [options.log]
 * @param {string[]} [options.alsoServe]  further model ids for the embedded server to offer
 * @param {import("./proxy.js").Upstream} [options.upstream]  pass calls on in place of answering them
 * @param {string} [options.packageFolder]  the built package
 */
export function createServer({
  pace = 40,
  seed = 1,
  log = () => {},
  alsoServe = [],
  upstream,
  packageFolder = path.join(ROOT, "pkg-js/dist"),
} = {}) {
  const embedded = createEmbeddedService({ pace, seed, alsoServe });
  const files = createFiles(
    { "/page/": path.join(ROOT, "demo/page"), "/hf-inference-wasm/": packageFolder },
    { "/": path.join(ROOT, "demo/page/index.html") },
  );
  /** @type {import("./exchange.js").Call[]} */
  const calls = [];
  let count = 0;
  let port = 0;

  const server = http.createServer((request, response) => {
    const { pathname, search } = splitUrl(request.url ?? "/");
    const exchange = new Exchange(request, response, { number: ++count, path: pathname });
    const isRead = request.method === "GET" || request.method === "HEAD";

    if (isRead && files.covers(pathname)) {
      void settle(exchange, files.serve(pathname, exchange));
      return;
    }
    if (isRead && pathname === "/demo/settings.json") {
      exchange.send(200, { mode: upstream?.mode ?? "embedded", name: upstream?.name ?? "the embedded demo server", faults: upstream ? {} : FAULTS }, { "cache-control": "no-cache" });
      return;
    }

    calls.push(exchange.call);
    if (calls.length > CALLS_KEPT) calls.shift();
    void exchange.call.ended.then(() => log(describe(exchange.call)));
    const work = upstream
      ? async () => forward(exchange, upstream, { path: pathname, search, port })
      : async () => embedded(exchange, pathname, new URLSearchParams(search));
    void settle(exchange, work());
  });

  /** @param {Exchange} exchange @param {Promise<void>} work */
  async function settle(exchange, work) {
    const { response } = exchange;
    try {
      await work;
    } catch (error) {
      if (error instanceof ClientGone || exchange.signal.aborted) return;
      if (response.headersSent) {
        exchange.cut();
      } else if (error instanceof Refusal) {
        exchange.send(error.status, error.body, error.headers);
      } else {
        exchange.send(500, { error: { message: "The demo server failed.", type: "internal_error", param: null, code: null } });
      }
      if (!(error instanceof Refusal)) log(`unexpected: ${error instanceof Error ? error.stack : error}`);
    }
  }

  return {
    /** The requests of pages and tests, the last thousand of them. Files are not counted. */
    calls,

    /** @param {number} [wanted]  0: any free port @returns {Promise<{ url: string, close(): Promise<void> }>} */
    listen(wanted = 0) {
      return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(wanted, HOST, () => {
          server.off("error", reject);
          port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
          resolve({
            url: `http://${HOST}:${port}`,
            close: () =>
              new Promise((done) => {
                server.close(() => done());
                server.closeAllConnections();
              }),
          });
        });
      });
    },
  };
}

/** Not `new URL`: a path that begins with two slashes must stay a path. @param {string} url */
function splitUrl(url) {
  const [beforeHash] = url.split("#");
  const mark = beforeHash.indexOf("?");
  return mark < 0 ? { pathname: beforeHash, search: "" } : { pathname: beforeHash.slice(0, mark), search: beforeHash.slice(mark) };
}

/** @param {import("./exchange.js").Call} call */
function describe(call) {
  const who = [call.model, call.provider].filter(Boolean).join(" at ");
  const how = call.aborted ? `closed by the client after ${call.tokensSent} tokens` : call.tokensSent > 0 ? `${call.tokensSent} tokens` : "";
  const time = `${(call.milliseconds / 1000).toFixed(2)} s`;
  return [`${call.method} ${call.path}`, who, call.status, how, time].filter((part) => part !== "" && part !== undefined).join(" · ");
}

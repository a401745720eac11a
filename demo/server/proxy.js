/**
 * Passing requests on to Hugging Face, or to any OpenAI-compatible server, with a key the page never sees.
 *
 * A key on a local port is worth stealing: any web page the user opens can send requests to 127.0.0.1. So only our own page is
 * served, known by its Host (against DNS rebinding) and by its Origin or Sec-Fetch-Site, which pages cannot forge.
 */

import http from "node:http";
import https from "node:https";
import { pipeline } from "node:stream";

import { Refusal, refuse } from "./exchange.js";

/**
 * @typedef {object} Upstream
 * @property {"hugging-face" | "server"} mode
 * @property {string} name                      shown to the user
 * @property {(path: string) => string | undefined} locate  the URL a path stands for, without its query
 * @property {string | undefined} token
 */

/** @param {string} token @param {{ router?: string, hub?: string }} [hosts] @returns {Upstream} */
export function huggingFace(token, { router = "https://router.huggingface.co", hub = "https://huggingface.co" } = {}) {
  return {
    mode: "hugging-face",
    name: "Hugging Face Inference Providers",
    token,
    locate(path) {
      if (/^\/api\/models(\/|$)/.test(path)) return hub + path;
      // "/v1/…" is the automatic router, "/{provider}/…" one provider.
      return /^\/[a-z0-9][a-z0-9-]*\/./.test(path) && !path.startsWith("/api/") ? router + path : undefined;
    },
  };
}

/** @param {string} baseUrl with or without "/v1" @param {string} [token] @returns {Upstream} */
export function openaiCompatible(baseUrl, token) {
  const url = new URL(baseUrl);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError(`HF_BASE_URL must be an http or https URL, not ${url.protocol}`);
  const base = url.origin + url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "");
  return { mode: "server", name: base, token, locate: (path) => base + path };
}

/** Of the page's headers only these go on; in particular no credential, cookie, origin or referrer of the page. */
const REQUEST_HEADERS = ["accept", "content-type", "content-length", "x-hf-bill-to", "x-scale-up-timeout", "x-source-channel", "accept-language"];

/** Headers that belong to one connection, set state in the browser, or speak about an origin that is not ours. */
const NOT_PASSED_BACK =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|set-cookie.*|access-control-.*|content-security-policy.*|strict-transport-security|alt-svc|cross-origin-.*|clear-site-data|nel|report-to|location|refresh)$/;

/** @param {http.IncomingMessage} request @param {number} port */
function isOurPage(request, port) {
  const hosts = ["127.0.0.1", "localhost", "[::1]"].map((name) => `${name}:${port}`);
  const { host = "", origin } = request.headers;
  if (!hosts.includes(host.toLowerCase())) return false;
  if (origin !== undefined) return origin.toLowerCase() === `http://${host.toLowerCase()}`;
  // A page's GET to its own origin has no Origin header.
  return request.headers["sec-fetch-site"] === "same-origin";
}

/**
 * @param {import("./exchange.js").Exchange} exchange
 * @param {Upstream} upstream
 * @param {{ path: string, search: string, port: number }} where
 * @returns {Promise<void>}
 */
export function forward(exchange, upstream, { path, search, port }) {
  const { request, response, signal, call } = exchange;
  if (!isOurPage(request, port)) throw refuse(403, "This server only passes on requests of its own page.", { type: "proxy_error", code: "foreign_origin" });
  if (request.method !== "GET" && request.method !== "POST") throw refuse(405, "Only GET and POST are passed on.", { type: "proxy_error" });
  const target = upstream.locate(path);
  if (target === undefined) throw new Refusal(404, { error: "Not Found" });
  const url = new URL(target + search);

  /** @type {http.OutgoingHttpHeaders} */
  const headers = {};
  for (const name of REQUEST_HEADERS) if (request.headers[name] !== undefined) headers[name] = request.headers[name];
  if (upstream.token) headers.authorization = `Bearer ${upstream.token}`;

  return new Promise((resolve, reject) => {
    const { request: send } = url.protocol === "https:" ? https : http;
    const outgoing = send(url, { method: request.method, headers, signal });

    outgoing.on("response", (incoming) => {
      const status = incoming.statusCode ?? 502;
      if (status >= 300 && status < 400 && status !== 304) {
        // Following it could carry the key to another host.
        incoming.resume();
        return reject(refuse(502, `${url.host} answered with a redirect, which is not followed.`, { type: "proxy_error" }));
      }
      for (const [name, value] of Object.entries(incoming.headers)) {
        if (value !== undefined && !NOT_PASSED_BACK.test(name)) response.setHeader(name, value);
      }
      const provider = incoming.headers["x-inference-provider"];
      if (typeof provider === "string") call.provider = provider;
      response.writeHead(status);
      response.flushHeaders();
      // When the upstream breaks off, pipeline destroys the response: the page must see a cut, not a clean end.
      pipeline(incoming, response, (error) => {
        if (error && !signal.aborted) exchange.cutByServer = true;
        resolve();
      });
    });
    outgoing.on("error", (error) => {
      if (signal.aborted || response.headersSent) return resolve();
      const reason = /** @type {NodeJS.ErrnoException} */ (error).code ?? "connection failed";
      reject(refuse(502, `${url.host} could not be reached (${reason}).`, { type: "proxy_error", code: "unreachable" }));
    });
    pipeline(request, outgoing, () => {});
  });
}

/** The page and the built package, from disk: only known kinds of files, and never from outside their folder. */

import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream";

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".ts": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

const HEADERS = {
  "cache-control": "no-cache",
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

/**
 * @param {Record<string, string>} folders  URL prefix ending in "/" → folder
 * @param {Record<string, string>} pages    exact URL path → file
 */
export function createFiles(folders, pages) {
  /** @param {string} urlPath @returns {Promise<string | undefined>} the file meant, if there is one to serve */
  async function locate(urlPath) {
    if (Object.hasOwn(pages, urlPath)) return pages[urlPath];
    const prefix = Object.keys(folders).find((p) => urlPath.startsWith(p));
    if (!prefix) return undefined;
    let relative;
    try {
      relative = decodeURIComponent(urlPath.slice(prefix.length));
    } catch {
      return undefined;
    }
    const segments = relative.split("/");
    if (/[\0\\]/.test(relative) || segments.some((s) => s === "" || s.startsWith("."))) return undefined;
    if (!Object.hasOwn(TYPES, path.extname(relative))) return undefined;
    try {
      // A symbolic link may not lead out of the folder either.
      const folder = await realpath(folders[prefix]);
      const file = await realpath(path.join(folder, ...segments));
      return file.startsWith(folder + path.sep) && (await stat(file)).isFile() ? file : undefined;
    } catch {
      return undefined;
    }
  }

  return {
    /** @param {string} urlPath */
    covers: (urlPath) => Object.hasOwn(pages, urlPath) || Object.keys(folders).some((prefix) => urlPath.startsWith(prefix)),

    /** @param {string} urlPath @param {import("./exchange.js").Exchange} exchange */
    async serve(urlPath, { request, response }) {
      const file = await locate(urlPath);
      if (!file) {
        response.writeHead(404, { ...HEADERS, "content-type": "text/plain; charset=utf-8" });
        response.end("There is no such file.\n");
        return;
      }
      const { size } = await stat(file);
      response.writeHead(200, { ...HEADERS, "content-type": TYPES[path.extname(file)], "content-length": String(size) });
      if (request.method === "HEAD") return void response.end();
      pipeline(createReadStream(file), response, () => {});
    },
  };
}

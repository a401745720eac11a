import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const contentTypes = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".wasm": "application/wasm", ".map": "application/json", ".json": "application/json" };

/** What a page needs to run the package, and no more: no inline script, no eval. */
const contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' http://127.0.0.1:*";

/**
 * Serves the consumer's files to a browser as they are, and takes the reports of the page.
 * @param {{ consumer: { folder: string, manifest: any }, server: string, name: string, only: string, worker?: boolean, onValue: (value: any) => void }} options
 */
export async function hostPage({ consumer, server, name, only, worker = false, onValue }) {
  const http = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url, "http://localhost");
      if (pathname === "/report") {
        let body = "";
        for await (const part of request.setEncoding("utf8")) body += part;
        response.end();
        onValue(JSON.parse(body));
        return;
      }
      const path = normalize(decodeURIComponent(pathname));
      const content = await readFile(join(consumer.folder, path));
      response.writeHead(200, { "content-type": contentTypes[extname(path)] ?? "application/octet-stream", "content-security-policy": contentSecurityPolicy });
      response.end(content);
    } catch {
      response.writeHead(404);
      response.end();
    }
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const library = join("/node_modules", consumer.manifest.name, consumer.manifest.exports["."].default);
  const parameters = new URLSearchParams({ library, server, name, only, worker: worker ? "1" : "0" });
  return {
    url: `http://127.0.0.1:${http.address().port}/tests/runtimes/guest/page.html?${parameters}`,
    close() {
      http.close();
      http.closeAllConnections();
    },
  };
}

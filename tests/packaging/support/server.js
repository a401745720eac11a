/**
 * A small OpenAI-compatible server that streams one fixed answer, or one fixed value to requests for JSON, and
 * serves the files of a folder.
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { Readable } from "node:stream";

/** What the server answers, in the pieces in which it sends them. */
export const pieces = ["The", " sky", " is", " blue:", " été", ", 空", ", 🌌", "."];
export const answer = pieces.join("");

/** What it answers when it is asked for JSON. */
export const value = { color: "blue", since: [1, 2, 3] };

const contentTypes = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".map": "application/json",
  ".wasm": "application/wasm",
};

// The page may come from a development server, hence from another origin.
const crossOrigin = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*, authorization",
  "access-control-allow-methods": "GET, POST",
};

async function streamAnswer(request, response) {
  const { response_format } = await new Response(Readable.toWeb(request)).json();
  response.writeHead(200, { ...crossOrigin, "content-type": "text/event-stream" });
  const chunk = (delta, finish_reason) =>
    `data: ${JSON.stringify({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "fixed",
      choices: [{ index: 0, delta, finish_reason }],
    })}\n\n`;
  const parts = response_format ? JSON.stringify(value).match(/.{1,4}/g) : pieces;
  for (const content of parts) response.write(chunk({ content }, null));
  response.write(chunk({}, "stop"));
  response.end("data: [DONE]\n\n");
}

async function sendFile(folder, pathname, response) {
  const path = normalize(decodeURIComponent(pathname === "/" ? "/index.html" : pathname));
  let body;
  try {
    body = await readFile(join(folder, path));
  } catch {
    response.writeHead(404, { "content-type": "text/plain" }).end(`no such file: ${path}`);
    return;
  }
  const type = contentTypes[extname(path)] ?? "application/octet-stream";
  response.writeHead(200, { "content-type": type }).end(body);
}

/**
 * Starts the server on a free port of 127.0.0.1.
 *
 * @param {{ folder?: string }} [options]
 */
export async function startServer({ folder } = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    if (request.method === "OPTIONS") response.writeHead(204, crossOrigin).end();
    else if (request.method === "POST" && pathname === "/v1/chat/completions") void streamAnswer(request, response);
    else if (pathname === "/favicon.ico") response.writeHead(204).end();
    else if (request.method === "GET" && folder) void sendFile(folder, pathname, response);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

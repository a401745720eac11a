import { once } from "node:events";
import { createServer } from "node:http";

import { RequestLog, entryOf, readableHeaders } from "./log.js";
import { scenarios } from "./scenarios.js";

/**
 * A server that misbehaves on demand.
 *
 * The first part of a URL's path says how, the rest is the wire's own path, so a client's base URL picks the behaviour in
 * any runtime:
 *
 *     /s/<scenario>;<option>=<value>;…;run=<run>/v1/chat/completions
 *
 * `scenarios.js` lists the scenarios. With `first=2` only the first two requests of the run meet it, the later ones are
 * answered well (`ok`). `run` is any name under which the check asks afterwards what happened:
 *
 *     GET /log/<run>                  the run's requests
 *     GET /log/<run>/seen?count=1     the same, once so many requests have arrived
 *     GET /log/<run>/closed?count=1   the same, once none of the run's connections is in use any more
 *     GET /log/<run>/go               lets a scenario with `gate=1` go on
 *
 * The last three wait at most 10 s and then answer with status 504.
 *
 * @param {{ port?: number }} [options]
 * @returns {Promise<{ url: string, otherUrl: string, close(): Promise<void> }>} `otherUrl` is a second origin of the same server.
 */
export async function startServer({ port = 0 } = {}) {
  const log = new RequestLog();
  const origins = [];
  const handle = (which) => (request, response) => {
    answer(request, response, { log, origin: which, otherOrigin: origins[1 - which] }).catch((error) => {
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end(String(error?.stack ?? error));
    });
  };
  const servers = await Promise.all([listen(handle(0), port), listen(handle(1), 0)]);
  for (const server of servers) origins.push(`http://127.0.0.1:${server.address().port}`);
  return {
    url: origins[0],
    otherUrl: origins[1],
    async close() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await Promise.all(servers.map((server) => once(server, "close")));
    },
  };
}

/** Chromium itself repeats a request that is reset on a connection that was in use before. */
const lastOfItsConnection = { connection: "close" };

async function listen(handler, port) {
  const server = createServer({ noDelay: true }, handler);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function answer(request, response, context) {
  const [path, search = ""] = request.url.split(/\?(.*)/s);
  const logPath = /^\/log\/([^/]+)(?:\/(seen|closed|go))?$/.exec(path);
  if (logPath) return answerFromLog(request, response, context.log.run(logPath[1]), logPath[2], new URLSearchParams(search));
  const scenarioPath = /^\/s\/([^/]+)(\/.*)?$/.exec(path);
  if (scenarioPath) return play(request, response, context, scenarioPath[1], scenarioPath[2] ?? "/", search);
  response.writeHead(404, corsHeaders(request));
  response.end(`No scenario in the path ${path}`);
}

async function play(request, response, { log, origin, otherOrigin }, selection, path, search) {
  const [name, ...pairs] = decodeURIComponent(selection).split(";");
  const options = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s)));
  const scenario = scenarios[name];
  if (!scenario) throw new Error(`There is no scenario "${name}"`);
  const run = log.run(options.run ?? "default");
  const cors = options.cors === "0" ? {} : corsHeaders(request);

  if (request.method === "OPTIONS") {
    run.preflights.push({ path, headers: readableHeaders(request.headers) });
    response.writeHead(204, { ...cors, ...lastOfItsConnection });
    response.end();
    return;
  }

  const body = await text(request);
  const entry = entryOf(request, { path, query: search, body, origin: origin === 0 ? "first" : "other" });
  const gone = new AbortController();
  response.on("close", () => {
    entry.closedByClient = !response.writableEnded && !entry.closedByServer;
    entry.closed = true;
    run.answered(entry);
    gone.abort();
    run.changed();
  });
  run.add(entry);
  const end = response.end.bind(response);
  response.end = (...last) => {
    run.answered(entry);
    return end(...last);
  };
  const recovered = options.first !== undefined && run.requests.length > Number(options.first);
  const headers = { ...cors, "x-request-id": `request-${run.requests.length}`, "x-inference-provider": "scenario" };
  const play = recovered ? scenarios.ok : scenario;
  await play({ request, response, options, path, body: entry.body, entry, run, gone: gone.signal, headers, otherOrigin });
}

async function answerFromLog(request, response, run, question, parameters) {
  const count = Number(parameters.get("count") ?? 1);
  let inTime = true;
  if (request.method === "OPTIONS") {
    response.writeHead(204, { ...corsHeaders(request), ...lastOfItsConnection });
    response.end();
    return;
  }
  if (question === "seen") inTime = await run.seen(count);
  if (question === "closed") inTime = await run.closed(count);
  if (question === "go") inTime = await run.open();
  response.writeHead(!inTime ? 504 : 200, { ...corsHeaders(request), ...lastOfItsConnection, "content-type": "application/json" });
  response.end(JSON.stringify(run));
}

function corsHeaders({ headers }) {
  return {
    "access-control-allow-origin": headers.origin ?? "*",
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": headers["access-control-request-headers"] ?? "authorization, content-type",
    "access-control-expose-headers": "x-request-id, x-inference-provider, retry-after",
    "access-control-max-age": "600",
    vary: "origin, access-control-request-headers",
  };
}

async function text(stream) {
  stream.setEncoding("utf8");
  let result = "";
  for await (const piece of stream) result += piece;
  return result;
}

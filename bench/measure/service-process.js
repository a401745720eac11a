/**
 * The server. The path says what it answers: `/<events>/<charset>/<cut>/v1/chat/completions`. Pieces of a fixed size are
 * written as fast as the client takes them; events are written one in each turn of the event loop, as a service that
 * generates them does, only faster.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";

import { makeAnswer, wholeAnswer } from "../answer.js";

const answers = new Map();

function answerFor(path) {
  let found = answers.get(path);
  if (found === undefined) {
    const [events, charset, cut] = path.split("/").slice(1);
    const answer = makeAnswer({ events: Number(events), charset });
    const size = Number(cut);
    found = { pieces: answer.pieces(Number.isNaN(size) ? cut : size), paced: Number.isNaN(size), whole: wholeAnswer(answer) };
    answers.set(path, found);
  }
  return found;
}

const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
  let body = "";
  for await (const part of request.setEncoding("utf8")) body += part;
  const { pieces, paced, whole } = answerFor(request.url);
  if (JSON.parse(body).stream !== true) return response.setHeader("content-type", "application/json").end(whole);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const piece of pieces) {
    if (response.destroyed) return;
    if (!response.write(piece)) await Promise.race([once(response, "drain"), once(response, "close")]);
    if (paced) await nextTurn();
  }
  response.end();
});

server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => process.send(server.address().port));
process.on("disconnect", () => process.exit());

/**
 * A service whose answers make the core trap, where it was built to.
 *
 *     POST /<run>/<script>/…    answers as the script says
 *
 * And on the other origin:
 *
 *     GET /<run>/go        lets the core trap
 *     GET /<run>/closed    answers once none of the run's answers is open any more, or after a while with 504
 */
import { once } from "node:events";
import { createServer } from "node:http";

const longestWait = 5_000;

const sse = (delta, finish_reason = null) =>
  `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const one = sse({ content: "one" });
const rest = sse({ content: " two" }) + sse({}, "stop") + "data: [DONE]\n\n";

/** Each takes the answer, and a promise of the moment when the core is to trap. */
const scripts = {
  well: (response) => start(response).end(one + rest),
  silent() {},
  /** An answer of which nothing can be shown yet. */
  held: (response) => start(response).write(": here\n\n"),
  midway: (response) => start(response).write(one),
  /** Try again later than the timer traps. */
  refused: (response) => response.writeHead(503, { ...cors, "retry-after-ms": "1200" }).end(),
  async "trap-first"(response, time) {
    start(response).write(": here\n\n");
    await time;
    response.write(": forced-trap-now\n\n");
  },
  async "trap-midway"(response, time) {
    start(response).write(one);
    await time;
    response.write(": forced-trap-now\n\n");
  },
  async "trap-at-the-timer"(response, time) {
    start(response).write(one);
    await time;
    response.write(": forced-trap-at-the-timer\n\n");
  },
};

const cors = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, content-type",
  "access-control-expose-headers": "retry-after-ms",
};

function start(response) {
  response.writeHead(200, { ...cors, "content-type": "text/event-stream" });
  return response;
}

class Run {
  #requests = 0;
  #open = 0;
  #mayGo = false;
  #looks = new Set();

  takes(response) {
    this.#requests += 1;
    this.#open += 1;
    this.#changed();
    response.on("close", () => {
      this.#open -= 1;
      this.#changed();
    });
  }

  go() {
    this.#mayGo = true;
    this.#changed();
  }

  /** Once it may go, and so many requests have come. */
  time(requests) {
    return this.#until(() => this.#mayGo && this.#requests >= requests);
  }

  closed() {
    return this.#until(() => this.#open === 0);
  }

  #until(condition) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), longestWait);
      const look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#looks.delete(look);
        resolve(true);
      };
      this.#looks.add(look);
      look();
    });
  }

  #changed() {
    for (const look of [...this.#looks]) look();
  }
}

/** The service is on one origin, what is asked about it on another: browsers open six connections to each. */
export async function startServer() {
  const runs = new Map();
  const runOf = (name) => runs.get(name) ?? runs.set(name, new Run()).get(name);
  const service = createServer((request, response) => {
    if (request.method === "OPTIONS") return response.writeHead(204, cors).end();
    const [, name, script] = request.url.split("/");
    const [what, requests = 0] = script.split("-after-");
    const run = runOf(name);
    run.takes(response);
    return scripts[what](response, run.time(Number(requests)));
  });
  const questions = createServer(async (request, response) => {
    const [, name, question] = request.url.split("/");
    const run = runOf(name);
    if (question === "go") run.go();
    response.writeHead(question === "go" || (await run.closed()) ? 200 : 504, cors).end();
  });
  const servers = [service, questions];
  for (const server of servers) server.listen(0, "127.0.0.1");
  await Promise.all(servers.map((server) => once(server, "listening")));
  const [url, questionsUrl] = servers.map((server) => `http://127.0.0.1:${server.address().port}`);
  return {
    url,
    questionsUrl,
    stop() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

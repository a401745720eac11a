/**
 * A server in a process of its own, so that it does not share the event loop with the clients that it is to hold back.
 * `service.js` starts it, and asks it for things by messages `{ id, question, …}`; it ends when that process does.
 *
 *     POST /fault/<name>/<run>/…   answers wrongly, in one of the ways below
 *     POST /load/<run>/…           answers well, within the limits of the run, and refuses what is beyond them
 */
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** Whoever started it may have been killed. */
const longestLife = 120_000;

const sse = (delta, finish_reason = null) =>
  `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const tokens = ["one", " two", " three"];
const whole = tokens.map((content) => sse({ content })).join("") + sse({}, "stop") + "data: [DONE]\n\n";
const streamed = { "content-type": "text/event-stream" };

/** How many requests of each run of a fault there were, and how many of their connections are closed. */
const asked = new Map();

/** Each takes the answer's connection, and how many requests of the run there were before. */
const faults = {
  /** The connection is reset before a word was said. */
  "reset-at-once": ({ response }) => response.socket.resetAndDestroy(),
  /** The connection is closed before a word was said. */
  "close-at-once": ({ response }) => response.socket.destroy(),
  /** The first attempt is reset, the next is well. */
  "reset-once": ({ response, before }) => (before === 0 ? response.socket.resetAndDestroy() : well(response)),
  /** The connection is reset behind the second token, once that has gone out. */
  async "reset-midway"({ response }) {
    await begin(response);
    response.socket.resetAndDestroy();
  },
  /** The connection is reset behind the headers: nothing was shown yet. */
  async "reset-after-headers"({ response, before }) {
    if (before > 0) return well(response);
    response.writeHead(200, streamed).flushHeaders();
    await sleep(20);
    response.socket.resetAndDestroy();
  },
  /** The connection is closed inside a chunk of the transfer coding, and inside a character. */
  async "close-inside-chunk"({ response }) {
    await begin(response);
    const { socket } = response;
    socket.write(Buffer.concat([Buffer.from('400\r\ndata: {"choices":[{"index":0,"delta":{"content":"'), Buffer.from("é").subarray(0, 1)]));
    socket.end();
  },
  /** The answer is at its end, as far as HTTP goes, behind the second token. */
  async "end-midway"({ response }) {
    await begin(response);
    response.end();
  },
  /** Silence instead of an answer. */
  "stall-at-once"() {},
  /** Silence behind the second token. */
  "stall-midway": ({ response }) => begin(response),
  /** Everything is said, and the connection is held open. */
  "held-open"({ response }) {
    response.writeHead(200, streamed);
    response.write(whole);
  },
  /** Everything but `[DONE]` is said, and the connection is held open. */
  "held-open-without-done"({ response }) {
    response.writeHead(200, streamed);
    response.write(whole.replace("data: [DONE]\n\n", ""));
  },
  /** A refusal whose body never ends. */
  "refusal-held-open"({ response }) {
    response.writeHead(503, { "content-type": "application/json" });
    response.write('{"error":');
  },
};

function well(response) {
  response.writeHead(200, streamed);
  response.end(whole);
}

/** Two tokens, sent before this resolves. */
async function begin(response) {
  response.writeHead(200, streamed);
  for (const content of tokens.slice(0, 2)) await new Promise((resolve) => response.write(sse({ content }), resolve));
  // A reset overtakes what the peer has not read yet.
  await sleep(50);
}

/** The runs of clients that keep within limits, or do not. */
const runs = new Map();

/**
 * @typedef {object} Limits
 * @property {number} [requests] granted in a window
 * @property {number} [window] its length in milliseconds; windows follow one another from the first request on
 * @property {number} [concurrency] requests at once
 * @property {number} [takes] how long an answer takes
 * @property {"all" | "retry-after" | "nothing"} [tells] what the headers say of the limits
 */
class Run {
  /** @param {Limits} limits */
  constructor(limits) {
    this.limits = { requests: Infinity, window: 1000, concurrency: Infinity, takes: 0, tells: "all", ...limits };
    this.seen = [];
    this.refused = 0;
    this.lost = 0;
    this.inFlight = 0;
    this.mostAtOnce = 0;
    this.began = undefined;
    this.windows = [];
  }

  async answer(request, response, who) {
    const { requests, window, concurrency, takes, tells } = this.limits;
    const now = performance.now();
    this.began ??= now;
    const number = Math.floor((now - this.began) / window);
    const own = (this.windows[number] ??= { seen: 0, refused: 0 });
    own.seen += 1;
    this.seen.push(who);
    changed();
    this.inFlight += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.inFlight);
    let isOver = false;
    const over = (lost) => {
      if (isOver) return;
      isOver = true;
      this.inFlight -= 1;
      if (lost) this.lost += 1;
    };
    response.on("close", () => over(true));

    const reset = Math.ceil(this.began + (number + 1) * window - now);
    const headers = {};
    if (tells === "all" && requests !== Infinity) {
      headers["x-ratelimit-limit-requests"] = String(requests);
      headers["x-ratelimit-remaining-requests"] = String(Math.max(0, requests - own.seen));
      headers["x-ratelimit-reset-requests"] = `${reset}ms`;
    }
    if (own.seen > requests || this.inFlight > concurrency) {
      own.refused += 1;
      this.refused += 1;
      if (tells !== "nothing") headers["retry-after"] = String(Math.ceil(reset / 1000));
      over(false);
      response.writeHead(429, { ...headers, "content-type": "application/json" });
      response.end('{"error":{"message":"Too many requests"}}');
      return;
    }
    response.writeHead(200, { ...headers, ...streamed });
    response.write(sse({ role: "assistant", content: "" }));
    if (takes > 0) await sleep(takes);
    // Before the last word: whoever has read it may send the next request at once.
    over(false);
    response.end(whole);
  }

  toJSON() {
    const { seen, refused, lost, inFlight, mostAtOnce } = this;
    return { seen, refused, lost, inFlight, mostAtOnce, windows: Array.from(this.windows, (own) => own ?? { seen: 0, refused: 0 }) };
  }
}

const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, async (request, response) => {
  try {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    const [, kind, name, run] = request.url.split("/");
    if (kind === "load") {
      await runs.get(name).answer(request, response, JSON.parse(body).messages[0].content);
      return;
    }
    const log = asked.get(run) ?? { requests: 0, closed: 0 };
    asked.set(run, log);
    const before = log.requests++;
    response.on("close", () => {
      log.closed += 1;
      changed();
    });
    await faults[name]({ response, before });
  } catch (error) {
    if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
    response.end(String(error?.stack ?? error));
  }
});

let waiting = [];
/** To be called when something has happened that somebody may wait for. */
function changed() {
  waiting = waiting.filter((look) => !look());
}
function until(condition, answer) {
  return new Promise((resolve) => {
    waiting.push(() => condition() && (resolve(answer()), true));
    changed();
  });
}

const questions = {
  begin: ({ run, limits }) => void runs.set(run, new Run(limits)),
  run: ({ run }) => runs.get(run),
  seen: ({ run, count }) => until(() => runs.get(run).seen.length >= count, () => count),
  /** What was asked of a fault in a run, once none of its answers is open any more. */
  closed: ({ run }) =>
    until(() => asked.has(run) && asked.get(run).requests === asked.get(run).closed, () => asked.get(run)),
};

process.on("message", async ({ id, question, ...parameters }) => {
  process.send({ id, answer: await questions[question](parameters) });
});
process.on("disconnect", () => process.exit());
setTimeout(() => process.exit(1), longestLife).unref();
server.listen(0, "127.0.0.1", 4096, () => process.send({ port: server.address().port }));

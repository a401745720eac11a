import { setImmediate as nextTurn } from "node:timers/promises";

import * as wire from "./wire.js";

/**
 * One request as a scenario sees it.
 * @typedef {object} Exchange
 * @property {import("node:http").IncomingMessage} request
 * @property {import("node:http").ServerResponse} response
 * @property {Record<string, string>} options what stands behind the scenario's name in the URL
 * @property {string} path the wire path, such as /v1/chat/completions
 * @property {any} body
 * @property {any} entry what the log keeps of the request
 * @property {any} run
 * @property {AbortSignal} gone aborted when the connection has closed
 * @property {Record<string, string>} headers what every answer carries: CORS and ids
 * @property {string} otherOrigin a second address of the server
 */

const maximumLifeOfEndlessStream = 60_000;
/** More than any client takes of a body that it cannot use, and than a browser does meanwhile. */
const maximumSizeOfEndlessBody = 1024 * 1024 * 1024;

/** @type {Record<string, (exchange: Exchange) => Promise<void> | void>} */
export const scenarios = {
  /** A service in good health. Options change the text, the pacing, the framing and the end. */
  ok: (exchange) => (isStream(exchange) ? stream(exchange) : whole(exchange)),

  /** Tokens until the client goes away. */
  async endless(exchange) {
    startStream(exchange);
    const pace = numberOption(exchange, "pace", 5);
    const end = Date.now() + maximumLifeOfEndlessStream;
    for (let index = 0; Date.now() < end && !exchange.gone.aborted; index++) {
      await write(exchange, wire.eventText(endlessEvent(exchange, index)), 1);
      await pause(pace, exchange.gone);
    }
    exchange.response.end();
  },

  /** Never answers (`after` absent), or falls silent after so many tokens. */
  async stall(exchange) {
    if (exchange.options.after !== undefined) {
      startStream(exchange);
      await beginning(exchange);
    }
    await left(exchange.gone);
  },

  /** So many tokens, then only comments, which say that the connection is alive but not that there is an answer. */
  async "keep-alive"(exchange) {
    startStream(exchange);
    await beginning(exchange);
    while (!exchange.gone.aborted) {
      await write(exchange, ": keep-alive\n\n", 0);
      await pause(5, exchange.gone);
    }
  },

  /** A body without end (`shape`, see `wire.endlessBodies`), as fast as the client takes it. */
  async flood(exchange) {
    const { piece } = startEndlessBody(exchange);
    const pieces = piece.repeat(Math.ceil(65_536 / piece.length));
    const end = Date.now() + maximumLifeOfEndlessStream;
    while (Date.now() < end && !exchange.gone.aborted && exchange.entry.bytesSent < maximumSizeOfEndlessBody) {
      await writeCounted(exchange, pieces);
      // The client's leaving is noticed between two turns only.
      await nextTurn();
    }
    exchange.response.end();
  },

  /** The same, one byte at a time. */
  async trickle(exchange) {
    const { piece } = startEndlessBody(exchange);
    const end = Date.now() + maximumLifeOfEndlessStream;
    for (let at = 0; Date.now() < end && !exchange.gone.aborted; at = (at + 1) % piece.length) {
      await writeCounted(exchange, piece[at]);
      await pause(1, exchange.gone);
    }
    exchange.response.end();
  },

  /** Resets the connection: before the headers, or after so many tokens. */
  async reset(exchange) {
    if (exchange.options.after !== undefined) {
      startStream(exchange);
      await beginning(exchange);
    }
    exchange.entry.closedByServer = true;
    exchange.request.socket.resetAndDestroy();
  },

  /** Ends the connection in the middle of a chunk of the transfer encoding. */
  async fin(exchange) {
    startStream(exchange);
    await beginning(exchange);
    exchange.entry.closedByServer = true;
    exchange.response.socket.end("fff\r\ndata: {\"choices\":[{\"index\":0,\"del");
    await left(exchange.gone);
  },

  /** Ends the body properly, but the answer is not complete. */
  async truncated(exchange) {
    startStream(exchange);
    await beginning(exchange);
    exchange.response.end();
  },

  /**
   * Breaks off after so many tokens. A request that ends with a part of the answer gets the rest of it, and before that
   * the last `overlap` tokens of the part once more.
   */
  async continuing(exchange) {
    const { body } = exchange;
    const part = body.messages.at(-1);
    if (part.role !== "assistant") return scenarios.truncated(exchange);
    const tokens = wire.tokensOf(contentOptions(exchange));
    const had = tokens.findIndex((_, count) => tokens.slice(0, count).join("") === part.content);
    if (had < 0) return json(exchange, 400, { error: "This is not a part of the answer" });
    const rest = eventsOf(exchange).filter((event) => !wire.isTokenChunk(event) || tokens.indexOf(event.choices[0].delta.content) >= had - numberOption(exchange, "overlap", 0));
    startStream(exchange);
    await write(exchange, wire.eventStream(rest), tokensIn(rest));
    exchange.response.end();
  },

  /** Says [DONE] without ever having given a finish reason. */
  async "done-only"(exchange) {
    startStream(exchange);
    await write(exchange, wire.eventStream(eventsOf(exchange).filter((event) => !event.choices?.[0]?.finish_reason)), 0);
    exchange.response.end();
  },

  /** Answers completely, then leaves the connection open. */
  async held(exchange) {
    startStream(exchange);
    await write(exchange, wire.eventStream(eventsOf(exchange), framingOf(exchange)), 0);
    await left(exchange.gone);
  },

  /** An error object inside a stream of status 200, after so many tokens. */
  async "stream-error"(exchange) {
    startStream(exchange);
    await beginning(exchange);
    const { raw, event } = wire.streamErrors[exchange.options.shape];
    await write(exchange, raw ?? wire.eventText(event), 0);
    if (exchange.options.done !== "0") await write(exchange, wire.doneText(), 0);
    exchange.response.end();
  },

  /** An event that is not JSON, after so many tokens; the stream then goes on and ends as if nothing had happened. */
  async "invalid-json"(exchange) {
    startStream(exchange);
    await beginning(exchange);
    await write(exchange, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lost\"}}\n\n", 0);
    await write(exchange, wire.eventStream(eventsOf(exchange).slice(-1)), 0);
    exchange.response.end();
  },

  /** An error status with one of the body shapes of `wire.errorShapes`. */
  error(exchange) {
    const { options } = exchange;
    const shape = wire.errorShapes[options.shape ?? "openai"];
    const headers = { "content-type": shape.contentType };
    if (options.retryAfter) headers["retry-after"] = options.retryAfter;
    respond(exchange, Number(options.status ?? shape.status), headers, shape.body);
  },

  /** A page, as a captive portal or a wrong host gives it, with status 200. */
  html(exchange) {
    respond(exchange, 200, { "content-type": "text/html; charset=utf-8" }, "<!DOCTYPE html><html><body>Welcome</body></html>");
  },

  /** A picture with status 200. */
  binary(exchange) {
    respond(exchange, 200, { "content-type": "image/png" }, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
  },

  /** Status 200 and nothing else. */
  empty(exchange) {
    respond(exchange, 200, { "content-type": exchange.options.type === "json" ? "application/json" : "text/event-stream" }, "");
  },

  /** Status 200, said to be JSON, but it is not. */
  "not-json"(exchange) {
    respond(exchange, 200, { "content-type": "application/json" }, "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,");
  },

  /** Valid JSON of status 200 that is no answer. */
  "other-json"(exchange) {
    respond(exchange, 200, { "content-type": "application/json" }, exchange.options.body === "error" ? "{\"error\":\"Model too busy\"}" : "[1,2]");
  },

  /** A whole JSON answer although a stream was asked for. */
  "json-for-stream": (exchange) => whole(exchange),

  /** Sends the client to the other origin, which answers. */
  redirect(exchange) {
    const { request, otherOrigin, options } = exchange;
    const target = request.url.replace(/^\/s\/[^/]*/, `/s/ok;run=${options.run};tokens=${options.tokens ?? 8}`);
    respond(exchange, Number(options.status ?? 307), { location: `${otherOrigin}${target}` }, "");
  },

  /**
   * A router with a catalogue of providers of different price and speed (`wire.market`), the cheapest of which cannot
   * answer now. `catalogue=0` hides the catalogue.
   */
  market(exchange) {
    const { path, body, options, headers } = exchange;
    if (path === "/v1/models") return options.catalogue === "0" ? json(exchange, 503, { error: "busy" }) : json(exchange, 200, wire.market);
    if (path.startsWith("/v1/models/")) return json(exchange, 200, wire.market.data.find(({ id }) => path === `/v1/models/${id}`) ?? {});
    const [id, suffix] = body.model.split(":");
    const offers = wire.market.data.find((model) => model.id === id)?.providers ?? [];
    const offer = offers.find(({ provider }) => provider === suffix) ?? offers[0];
    headers["x-inference-provider"] = offer.provider;
    headers["access-control-expose-headers"] = "x-inference-provider, x-request-id";
    return offer.provider === "together" ? json(exchange, 503, { error: "overloaded" }) : scenarios.ok(exchange);
  },

  /** The Hub's lookup of the providers of a model. */
  hub(exchange) {
    const { options } = exchange;
    if (options.shape === "missing") return json(exchange, 404, { error: "Repository not found" });
    const model = decodeURIComponent(exchange.path.replace(/^\/api\/models\//, ""));
    const providers = {
      groq: { status: "live", providerId: "groq/provider-model", task: "conversational" },
      together: { status: "live", providerId: "together/provider-model", task: "conversational" },
      "featherless-ai": { status: "live", providerId: "featherless/provider-model", task: "text-generation" },
      "hf-inference": { status: "live", providerId: model, task: "conversational" },
    };
    json(exchange, 200, { _id: "66", id: model, inferenceProviderMapping: options.shape === "none" ? {} : providers });
  },
};

function isStream({ path, body }) {
  return path.endsWith("/generate_stream") || body?.stream === true;
}

/** @returns {"chat" | "completion" | "generation"} */
function kindOf(path) {
  if (path.endsWith("/chat/completions")) return "chat";
  if (path.endsWith("/completions")) return "completion";
  return "generation";
}

/** What the answer says, from the scenario's options. `echo` takes the id from the question, so that each caller has its own. */
function contentOptions({ options, body }) {
  return {
    model: body?.model || "test-model",
    tokens: options.tokens === undefined ? undefined : Number(options.tokens),
    text: options.text,
    id: options.echo ? wire.questionOf(body) : options.id,
    finish: options.finish,
    choices: options.choices === undefined ? undefined : Number(options.choices),
    content: options.content,
    finishWithLast: options.finishWithLast === "1",
    size: options.size === undefined ? undefined : Number(options.size),
    nullUsage: options.usage === "null",
    usage: options.usage === "always" || (options.usage !== "never" && body?.stream_options?.include_usage === true),
  };
}

function eventsOf(exchange) {
  const options = contentOptions(exchange);
  switch (kindOf(exchange.path)) {
    case "chat":
      return wire.chatChunks(options);
    case "completion":
      return wire.completionChunks(options);
    case "generation":
      return wire.generationEvents(options);
  }
}

function framingOf({ options, path }) {
  return {
    newline: { crlf: "\r\n", cr: "\r", lf: "\n" }[options.newline ?? "lf"],
    space: options.space !== "0",
    done: options.done !== "0" && kindOf(path) !== "generation",
    terminated: options.terminated !== "0",
    bom: options.bom === "1",
    comments: options.comments === "1",
    pretty: options.pretty === "1",
    escape: options.escape === "1",
  };
}

async function stream(exchange) {
  startStream(exchange);
  const framing = framingOf(exchange);
  const events = eventsOf(exchange);
  if (exchange.options.cut) {
    await writeInPieces(exchange, wire.eventStream(events, framing), exchange.options.cut);
  } else if (exchange.options.pace || exchange.options.barrier) {
    const pace = numberOption(exchange, "pace", 0);
    for (const [position, event] of events.entries()) {
      if (exchange.gone.aborted) break;
      await write(exchange, wire.eventText(event, framing), tokensIn([event]));
      if (position === 1 && exchange.options.barrier) await exchange.run.barrier(Number(exchange.options.barrier), exchange.gone);
      if (pace > 0) await pause(pace, exchange.gone);
    }
    if (framing.done) await write(exchange, wire.doneText(framing), 0);
  } else {
    await write(exchange, wire.eventStream(events, framing), tokensIn(events));
  }
  exchange.response.end();
}

/** The first `after` tokens of an answer; with `gate` the next step waits for the check, so that nothing depends on time. */
async function beginning(exchange) {
  const events = eventsOf(exchange);
  const wanted = numberOption(exchange, "after", 5);
  let sent = 0;
  for (const event of events) {
    if (sent >= wanted) break;
    sent += tokensIn([event]);
    await write(exchange, wire.eventText(event), tokensIn([event]));
  }
  if (exchange.options.gate) await exchange.run.gate(exchange.gone);
}

function endlessEvent(exchange, index) {
  const model = exchange.body?.model || "test-model";
  const text = wire.tokenAt(index, contentOptions(exchange));
  switch (kindOf(exchange.path)) {
    case "chat":
      return wire.chatDeltaChunk(model, { content: text });
    case "completion":
      return { ...wire.completionChunks({ model, tokens: 1, finish: null })[0], choices: [{ index: 0, text, logprobs: null, finish_reason: null }] };
    case "generation":
      return { index: index + 1, token: { id: index, text, logprob: -1, special: false }, generated_text: null, details: null };
  }
}

function tokensIn(events) {
  return events.filter(wire.isTokenChunk).length;
}

function whole(exchange) {
  const options = contentOptions(exchange);
  switch (kindOf(exchange.path)) {
    case "chat":
      return json(exchange, 200, wire.chatCompletion(options));
    case "completion":
      return json(exchange, 200, wire.completion(options));
    case "generation": {
      const answer = wire.generation(options);
      // The compatible route of Text Generation Inference answers with an array of one.
      return json(exchange, 200, exchange.path.endsWith("/generate") ? answer : [answer]);
    }
  }
}

function startStream({ response, options, headers }) {
  response.writeHead(200, { ...headers, "content-type": options.type ?? "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
}

/** Sends the head and the start of an endless body. */
function startEndlessBody(exchange) {
  const { status = 200, contentType = "text/event-stream", start = "", piece } = wire.endlessBodies[exchange.options.shape];
  exchange.response.writeHead(status, { ...exchange.headers, "content-type": contentType });
  exchange.entry.bytesSent = start.length;
  exchange.response.write(start);
  return { piece };
}

async function writeCounted(exchange, text) {
  exchange.entry.bytesSent += text.length;
  await write(exchange, text, 0);
}

async function write(exchange, data, tokens) {
  const { response, entry, gone } = exchange;
  if (gone.aborted) return;
  entry.tokensSent += tokens;
  if (!response.write(data)) await unlessGone(gone, (resume) => response.once("drain", resume));
}

/**
 * Each piece is written on its own turn of the event loop, without Nagle's algorithm, so that most reach the client alone.
 * @param {string} cut how many bytes a piece has, or `cr` for pieces that end with a carriage return
 */
async function writeInPieces(exchange, text, cut) {
  const bytes = new TextEncoder().encode(text);
  const size = Number(cut);
  for (let start = 0, end; start < bytes.length && !exchange.gone.aborted; start = end) {
    end = cut === "cr" ? bytes.indexOf(0x0d, start) + 1 || bytes.length : start + size;
    await write(exchange, bytes.subarray(start, end), 0);
    await nextTurn();
  }
}

function json(exchange, status, value) {
  respond(exchange, status, { "content-type": "application/json" }, JSON.stringify(value));
}

function respond({ response, headers }, status, ownHeaders, body) {
  response.writeHead(status, { ...headers, ...ownHeaders });
  response.end(body);
}

function numberOption({ options }, name, fallback) {
  return options[name] === undefined ? fallback : Number(options[name]);
}

function left(gone) {
  return unlessGone(gone, () => {});
}

async function pause(milliseconds, gone) {
  let timer;
  await unlessGone(gone, (resume) => (timer = setTimeout(resume, milliseconds)));
  clearTimeout(timer);
}

/** Waits until `resume` is called or the connection is gone. */
function unlessGone(gone, wait) {
  return new Promise((resolve) => {
    if (gone.aborted) return resolve();
    const resume = () => {
      gone.removeEventListener("abort", resume);
      resolve();
    };
    gone.addEventListener("abort", resume);
    wait(resume);
  });
}

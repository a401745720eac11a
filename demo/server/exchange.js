/** One request and its answer: reading the body, sending JSON, and the record that tests and the log read. */

import { clientSignal } from "./stream.js";

/** @typedef {import("node:http").IncomingMessage} IncomingMessage  @typedef {import("node:http").ServerResponse} ServerResponse */

const MAX_BODY = 16 * 1024 * 1024;

/**
 * @typedef {object} Call
 * @property {number} number
 * @property {string} requestId
 * @property {string} method
 * @property {string} path
 * @property {Record<string, string | string[] | undefined>} headers  without the value of any credential
 * @property {any} body           the request's JSON
 * @property {string} [model]     as the request names it
 * @property {string} [provider]  who answers
 * @property {boolean} stream
 * @property {number} [status]
 * @property {number} tokensSent
 * @property {string} [finishReason]
 * @property {boolean} aborted    the client closed the connection before the answer was complete
 * @property {number} milliseconds  from the request to the end of the answer
 * @property {Promise<void>} ended  settles when the connection has nothing more to do with this call
 */

/** A refusal with a status and a body, thrown anywhere while a request is handled. */
export class Refusal extends Error {
  /** @param {number} status @param {unknown} body  an object is sent as JSON, a string as it is @param {Record<string, string>} [headers] */
  constructor(status, body, headers = {}) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** @param {number} status @param {string} message @param {{ type?: string, param?: string | null, code?: string | null }} [rest] */
export const refuse = (status, message, { type = "invalid_request_error", param = null, code = null } = {}) =>
  new Refusal(status, { error: { message, type, param, code } });

export class Exchange {
  /** @param {IncomingMessage} request @param {ServerResponse} response @param {{ number: number, path: string }} about */
  constructor(request, response, { number, path }) {
    this.request = request;
    this.response = response;
    this.signal = clientSignal(response);
    const started = performance.now();
    const { authorization, cookie, ...headers } = request.headers;
    /** @type {Call} */
    this.call = {
      number,
      requestId: `demo-${number.toString(36).padStart(6, "0")}`,
      method: request.method ?? "GET",
      path,
      headers: { ...headers, ...(authorization ? { authorization: "[redacted]" } : {}) },
      body: undefined,
      stream: false,
      tokensSent: 0,
      aborted: false,
      milliseconds: 0,
      ended: new Promise((resolve) => {
        response.once("close", () => {
          this.call.aborted ||= this.signal.aborted && !this.cutByServer;
          this.call.status ??= response.headersSent ? response.statusCode : undefined;
          this.call.milliseconds = performance.now() - started;
          resolve();
        });
      }),
    };
    /** The server broke the connection itself, on purpose. */
    this.cutByServer = false;
    response.setHeader("x-request-id", this.call.requestId);
  }

  /** @param {string} provider */
  answeredBy(provider) {
    this.call.provider = provider;
    this.response.setHeader("x-inference-provider", provider);
  }

  /** @returns {Promise<any>} */
  async json() {
    const chunks = [];
    let size = 0;
    for await (const chunk of this.request) {
      size += chunk.length;
      // Read to its end all the same: a client that is still sending would not see the refusal.
      if (size <= MAX_BODY) chunks.push(chunk);
    }
    if (size > MAX_BODY) throw refuse(413, `The request body is larger than ${MAX_BODY} bytes.`);
    let body;
    try {
      body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      throw refuse(400, "The request body is not valid JSON.", { code: "invalid_json" });
    }
    if (typeof body !== "object" || body === null || Array.isArray(body)) throw refuse(400, "The request body must be a JSON object.");
    this.call.body = body;
    if (typeof body.model === "string") this.call.model = body.model;
    return body;
  }

  /** @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
  send(status, body, headers = {}) {
    const text = typeof body === "string";
    this.sendText(status, text ? body : JSON.stringify(body), { "content-type": text ? "text/plain; charset=utf-8" : "application/json", ...headers });
  }

  /** @param {number} status @param {string} body @param {Record<string, string>} headers */
  sendText(status, body, headers) {
    if (this.signal.aborted) return;
    this.response.writeHead(status, { ...headers, "content-length": String(Buffer.byteLength(body)) });
    this.response.end(this.request.method === "HEAD" ? undefined : body);
  }

  /** Breaks the connection, as a crashed server would. */
  cut() {
    this.cutByServer = true;
    this.response.destroy();
  }
}

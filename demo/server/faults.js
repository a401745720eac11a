/** What goes wrong on purpose. Statuses and bodies are those the services send; see FAULTS in `catalogue.js` for the names. */

import { Refusal } from "./exchange.js";
import { pause } from "./stream.js";

/** After how many tokens a stream goes wrong. */
const TOKENS_BEFORE_FAULT = 14;

/** Milliseconds between the last token and a cut. */
const BEFORE_CUT = 100;

const GATEWAY_PAGE = `<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
`;

/** @param {string} id @returns {Refusal | undefined} the refusal of a model that never answers */
export function refusalOf(id) {
  switch (id) {
    case "demo/fails-401":
      return new Refusal(401, { error: "Invalid username or password." }, { "www-authenticate": 'Bearer realm="Authentication required"' });
    case "demo/fails-402":
      return new Refusal(402, {
        error: "You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers.",
      });
    case "demo/fails-429":
      return new Refusal(
        429,
        { error: { message: "Rate limit reached for requests. Please try again in 7s.", type: "requests", param: null, code: "rate_limit_exceeded" } },
        { "retry-after": "7" },
      );
    case "demo/fails-503":
      return new Refusal(503, { error: "Model demo/fails-503 is currently loading", estimated_time: 20.0 });
    case "demo/html-502":
      return new Refusal(502, GATEWAY_PAGE, { "content-type": "text/html" });
  }
  return undefined;
}

/** @typedef {"break" | "end" | "error" | "stall"} StreamFault */

/** @type {Record<string, StreamFault>} */
const STREAM_FAULTS = {
  "demo/breaks-mid-stream": "break",
  "demo/ends-early": "end",
  "demo/error-in-stream": "error",
  "demo/stalls": "stall",
};

/** @param {string} id @returns {{ kind: StreamFault, after: number } | undefined} */
export function streamFaultOf(id) {
  return Object.hasOwn(STREAM_FAULTS, id) ? { kind: STREAM_FAULTS[id], after: TOKENS_BEFORE_FAULT } : undefined;
}

/**
 * Plays a fault in a response that has been begun. The promise settles when nothing more is to be sent.
 * @param {StreamFault} kind
 * @param {import("./exchange.js").Exchange} exchange
 * @returns {Promise<void>}
 */
export async function playFault(kind, exchange) {
  const { response, signal } = exchange;
  switch (kind) {
    case "break":
      // A browser throws away what it has not yet handed over when a connection fails, so the cut comes a little later.
      await pause(BEFORE_CUT, signal);
      return exchange.cut();
    case "end":
      response.end();
      return;
    case "error":
      response.write(
        `data: ${JSON.stringify({ error: { message: "Request failed during generation: CUDA out of memory", http_status_code: 422 } })}\n\n`,
      );
      response.end("data: [DONE]\n\n");
      return;
    case "stall":
      // Nothing more is sent; the connection stays open until the client has had enough.
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
}

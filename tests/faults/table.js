/**
 * The ways in which services and networks fail, one entry each: what the service does (over sockets: a scenario of
 * tests/server; in memory: a fault of `hf-inference-wasm/testing`), and what is to come of it.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {"ok" | "error" | "close"} should what a correct client does: the whole text, an error, a closed connection
 * @property {[name: string, options?: Record<string, any>]} scenario
 * @property {any} [faults] the same for `faultyFetch`
 * @property {object} [answer] what the answer in memory has beside its text
 * @property {string} cell what is to come of it: verdict, error and status, deltas received, requests sent
 * @property {[least: number, most: number][]} [waits] between the requests, in milliseconds
 * @property {number} [silent] the service falls silent after so many deltas: only time goes on
 * @property {[least: number, most: number]} [lasts] from the first request to the error, in milliseconds
 * @property {string[]} [texts] the deltas, if not the usual twenty
 * @property {number} [leaveAfter] the caller leaves after so many deltas
 */
import { tokensOf } from "../server/wire.js";

/** Full jitter: any wait up to the bound, which doubles from half a second. */
const backOff = [[0, 500], [0, 1000]];
/** `Retry-After: 1`. The wait is never shorter; a fraction of a millisecond over makes timers wait for the next one. */
const asked = [1000, 1001];

/** @type {Row[]} */
export const rows = [
  { name: "control", should: "ok", scenario: ["ok"], cell: "ok, 20d, 1r" },
  {
    name: "429 once, Retry-After: 1",
    should: "ok",
    scenario: ["error", { first: 1, status: 429, retryAfter: 1 }],
    faults: [{ kind: "status", status: 429, retryAfter: 1 }],
    waits: [asked],
    cell: "ok, 20d, 2r",
  },
  {
    name: "429 always, Retry-After: 1",
    should: "error",
    scenario: ["error", { status: 429, retryAfter: 1 }],
    faults: { kind: "status", status: 429, retryAfter: 1 },
    waits: [asked, asked],
    cell: "error `RateLimitError` 429, 0d, 3r",
  },
  {
    name: "503 twice, then OK",
    should: "ok",
    scenario: ["error", { first: 2, status: 503 }],
    faults: [{ kind: "status", status: 503 }, { kind: "status", status: 503 }],
    waits: backOff,
    cell: "ok, 20d, 3r",
  },
  {
    name: "503 always",
    should: "error",
    scenario: ["error", { status: 503 }],
    faults: { kind: "status", status: 503 },
    waits: backOff,
    cell: "error `ServerError` 503, 0d, 3r",
  },
  {
    name: "500 once, then OK",
    should: "ok",
    scenario: ["error", { first: 1, status: 500 }],
    faults: [{ kind: "status", status: 500 }],
    waits: backOff.slice(0, 1),
    cell: "ok, 20d, 2r",
  },
  {
    name: "401 always",
    should: "error",
    scenario: ["error", { status: 401 }],
    faults: { kind: "status", status: 401 },
    cell: "error `AuthenticationError` 401, 0d, 1r",
  },
  {
    name: "reset before headers, once",
    should: "ok",
    scenario: ["reset", { first: 1 }],
    faults: [{ kind: "network-error" }],
    waits: backOff.slice(0, 1),
    cell: "ok, 20d, 2r",
  },
  {
    name: "reset before headers, always",
    should: "error",
    scenario: ["reset"],
    faults: { kind: "network-error" },
    waits: backOff,
    cell: "error `NetworkError`, 0d, 3r",
  },
  {
    name: "stall before headers",
    should: "error",
    scenario: ["stall"],
    faults: { kind: "stall", after: "request" },
    silent: 0,
    // `timeout.firstToken`, and then the wait for the retry.
    waits: [[60_000, 60_500], [60_000, 61_000]],
    lasts: [180_000, 181_500],
    cell: "error `TimeoutError`, 0d, 3r",
  },
  {
    name: "reset mid-stream (5 of 20), first request only",
    should: "error",
    scenario: ["reset", { first: 1, after: 5, gate: 1 }],
    faults: [{ kind: "reset", after: 5 }],
    cell: "error `StreamInterruptedError`, 5d, 1r",
  },
  {
    name: "FIN mid-stream inside chunked body",
    should: "error",
    scenario: ["fin", { after: 5, gate: 1 }],
    faults: { kind: "reset", after: 5 },
    cell: "error `StreamInterruptedError`, 5d, 1r",
  },
  {
    name: "stall mid-stream after 5",
    should: "error",
    scenario: ["stall", { after: 5 }],
    faults: { kind: "stall", after: 5 },
    silent: 5,
    lasts: [120_000, 120_001],
    cell: "error `TimeoutError`, 5d, 1r",
  },
  {
    name: "error object in stream, then [DONE]",
    should: "error",
    scenario: ["stream-error", { shape: "openai", after: 5 }],
    faults: { kind: "error-event", shape: "openai", after: 5, done: true },
    cell: "error `StreamInterruptedError` 503, 5d, 1r",
  },
  {
    name: "error string in stream (TGI style), then end",
    should: "error",
    scenario: ["stream-error", { shape: "tgi", after: 5, done: 0 }],
    faults: { kind: "error-event", shape: "tgi", after: 5 },
    cell: "error `StreamInterruptedError`, 5d, 1r",
  },
  {
    name: "event: error in stream, then end",
    should: "error",
    scenario: ["stream-error", { shape: "named", after: 5, done: 0 }],
    faults: { kind: "error-event", shape: "named", after: 5 },
    cell: "error `StreamInterruptedError`, 5d, 1r",
  },
  {
    name: "clean end, finish_reason sent, no [DONE]",
    should: "ok",
    scenario: ["ok", { done: 0 }],
    faults: { kind: "framing", done: false },
    cell: "ok, 20d, 1r",
  },
  {
    name: "clean end after 5 of 20, no finish_reason, no [DONE]",
    should: "error",
    scenario: ["truncated", { after: 5 }],
    faults: { kind: "cut", after: 5 },
    cell: "error `TruncatedError`, 5d, 1r",
  },
  {
    name: "[DONE], then connection held open",
    should: "ok",
    scenario: ["held"],
    faults: { kind: "held-open" },
    cell: "ok, 20d, 1r",
  },
  {
    name: "invalid JSON in event 6",
    should: "error",
    scenario: ["invalid-json", { after: 5 }],
    faults: { kind: "bad-frame", after: 5 },
    cell: "error `InvalidResponseError`, 5d, 1r",
  },
  {
    name: "CRLF line ends",
    should: "ok",
    scenario: ["ok", { newline: "crlf" }],
    faults: { kind: "framing", newline: "\r\n" },
    cell: "ok, 20d, 1r",
  },
  {
    name: "CRLF cut between CR and LF",
    should: "ok",
    scenario: ["ok", { newline: "crlf", cut: "cr" }],
    faults: { kind: "framing", newline: "\r\n", bytes: 1 },
    cell: "ok, 20d, 1r",
  },
  {
    name: "CR only line ends",
    should: "ok",
    scenario: ["ok", { newline: "cr" }],
    faults: { kind: "framing", newline: "\r" },
    cell: "ok, 20d, 1r",
  },
  {
    name: "one byte per chunk (UTF-8 cut)",
    should: "ok",
    scenario: ["ok", { text: "mixed", cut: 1 }],
    faults: { kind: "framing", bytes: 1 },
    texts: tokensOf({ tokens: 20, text: "mixed" }),
    cell: "ok, 20d, 1r",
  },
  {
    name: "BOM at start",
    should: "ok",
    scenario: ["ok", { bom: 1 }],
    faults: { kind: "framing", bom: true },
    cell: "ok, 20d, 1r",
  },
  {
    name: "BOM cut over 3 chunks",
    should: "ok",
    scenario: ["ok", { bom: 1, cut: 1 }],
    faults: { kind: "framing", bom: true, bytes: 1 },
    cell: "ok, 20d, 1r",
  },
  {
    name: "multi-line data (pretty JSON)",
    should: "ok",
    scenario: ["ok", { pretty: 1 }],
    faults: { kind: "framing", pretty: true },
    cell: "ok, 20d, 1r",
  },
  {
    name: "no space after data:",
    should: "ok",
    scenario: ["ok", { space: 0 }],
    faults: { kind: "framing", space: false },
    cell: "ok, 20d, 1r",
  },
  {
    name: "comments and keep-alives between events",
    should: "ok",
    scenario: ["ok", { comments: 1 }],
    faults: { kind: "framing", comments: true },
    cell: "ok, 20d, 1r",
  },
  {
    name: "last event without blank line, then end",
    should: "ok",
    scenario: ["ok", { finishWithLast: 1, done: 0, terminated: 0 }],
    faults: { kind: "framing", done: false, terminated: false },
    answer: { finishWithLast: true },
    cell: "ok, 20d, 1r",
  },
  {
    name: "one event of 10 MB",
    should: "ok",
    scenario: ["ok", { tokens: 1, size: 10_000_000 }],
    texts: ["0123456789".repeat(1_000_000)],
    cell: "ok, 1d, 1r",
  },
  {
    name: "HTML 502 always",
    should: "error",
    scenario: ["error", { shape: "html502" }],
    faults: { kind: "status", status: 502, body: "html" },
    waits: backOff,
    cell: "error `ServerError` 502, 0d, 3r",
  },
  {
    name: "HTML with status 200",
    should: "error",
    scenario: ["html"],
    faults: { kind: "html" },
    cell: "error `InvalidResponseError` 200, 0d, 1r",
  },
  {
    name: "JSON completion instead of a stream",
    should: "error",
    // Better than an error: the whole answer came, and in one piece it is still the answer.
    scenario: ["json-for-stream"],
    faults: { kind: "no-stream" },
    cell: "ok, 1d, 1r",
  },
  {
    name: "SSE sent as text/plain",
    should: "ok",
    scenario: ["ok", { type: "text/plain" }],
    faults: { kind: "content-type", contentType: "text/plain" },
    cell: "ok, 20d, 1r",
  },
  {
    name: "usage: null in every chunk (as with include_usage)",
    should: "ok",
    scenario: ["ok", { usage: "null" }],
    answer: { nullUsage: true },
    cell: "ok, 20d, 1r",
  },
  {
    name: "caller breaks after 5 of 400",
    should: "close",
    scenario: ["ok", { tokens: 400, pace: 5 }],
    texts: tokensOf({ tokens: 400 }),
    leaveAfter: 5,
    cell: "closes the connection, 5d, 1r",
  },
];

/** What the service would say in full. */
export const textsOf = (row) => row.texts ?? tokensOf({ tokens: 20 });

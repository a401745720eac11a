/** Services in memory, and clients that route between a small and a large one. */
import { usePackage } from "../testing/support.js";

export const used = await usePackage();
export const { library, entryOf } = used;

export const messages = [{ role: "user", content: "Why is the sky blue?" }];
export const SMALL = "https://small.example/v1";
export const LARGE = "https://large.example/v1";
const encoder = new TextEncoder();

/**
 * A `fetch` with a service for each host: its answer is a text, or `{ text, finish, refusal, logprobs, usage, status, pause }`;
 * a list of these is one answer after the other.
 */
export function services(answers) {
  const requests = [];
  const fetch = async (url, { body, headers, signal }) => {
    const { hostname, pathname } = new URL(url);
    const host = hostname.split(".")[0];
    const request = { host, path: pathname, body: JSON.parse(body), key: new Headers(headers).get("authorization"), aborted: false };
    signal.addEventListener("abort", () => { request.aborted = true; });
    const given = Array.isArray(answers[host]) ? answers[host].shift() : answers[host];
    const answer = typeof given === "string" ? { text: given } : given;
    requests.push(request);
    if (answer.status) return new Response(JSON.stringify({ error: { message: "no" } }), { status: answer.status });
    const { text = "", finish = "stop", refusal, logprobs = [], usage = { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 } } = answer;
    if (!request.body.stream) {
      const message = { role: "assistant", content: text, ...(refusal && { refusal }) };
      return Response.json({ choices: [{ index: 0, message, finish_reason: finish, ...(logprobs.length > 0 && { logprobs: { content: logprobs.map((logprob) => ({ token: "t", logprob })) } }) }], usage });
    }
    const choices = [
      ...text.split(/(?<= )/).map((content, at) => ({ delta: { content }, ...(logprobs[at] !== undefined && { logprobs: { content: [{ token: content, logprob: logprobs[at] }] } }) })),
      ...(refusal ? [{ delta: { refusal } }] : []),
      { delta: {}, finish_reason: finish },
    ];
    const events = [...choices.map((choice) => ({ choices: [{ index: 0, ...choice }] })), { choices: [], usage }];
    const frames = [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"];
    return new Response(new ReadableStream({
      pull(controller) {
        const frame = frames.shift();
        if (frame) controller.enqueue(encoder.encode(frame));
        else controller.close();
      },
    }, { highWaterMark: 0 }));
  };
  return { fetch, requests, hosts: () => requests.map(({ host }) => host).join(" ") };
}

/** A client whose own service is the large one. */
export function stage(answers, route, options = {}) {
  const service = services({ small: "small answer", large: "large answer", ...answers });
  const told = [];
  const client = new library.InferenceClient({
    endpointUrl: LARGE,
    fetch: service.fetch,
    retry: false,
    onRoute: (choice) => told.push(choice),
    ...options,
    ...(route && { route: { small: { endpointUrl: SMALL }, ...route } }),
  });
  return { ...service, client, told };
}

/** What is reported as an uncaught error while `work` runs. */
export async function reported(work) {
  const original = globalThis.queueMicrotask;
  const errors = [];
  globalThis.queueMicrotask = (task) => original(() => {
    try {
      task();
    } catch (error) {
      errors.push(error);
    }
  });
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    globalThis.queueMicrotask = original;
  }
  return errors;
}

/** A service in memory, clients of it, and what the tests of the cache say often. */
import { after } from "node:test";

import { usePackage } from "../testing/support.js";

const used = await usePackage();
export const { library, testing, entryOf } = used;

export const messages = [{ role: "user", content: "Why is the sky blue?" }];
export const question = { model: "test-model", messages, temperature: 0 };

/** Lets everything happen that waits for nothing. */
export async function turns(count = 3) {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A service and a client of it; nothing waits in truth. */
export function stage({ service = {}, ...options } = {}) {
  const fetch = testing.faultyFetch({ answer: "The sky is blue because of Rayleigh.", ...service });
  const client = new library.InferenceClient({ endpointUrl: "https://llm.example", fetch, retry: false, cache: true, ...options });
  return { fetch, client };
}

/** A service whose answer goes on when it is told to: `say` brings a delta, `end` the rest. */
export function slowService() {
  const requests = [];
  const encoder = new TextEncoder();
  const chunk = (delta, finish_reason = null) => encoder.encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
  const fetch = async (url, { signal, body, headers }) => {
    const request = { body: JSON.parse(body), authorization: new Headers(headers).get("authorization"), aborted: false, pulls: 0 };
    requests.push(request);
    const stream = new ReadableStream(
      {
        start: (controller) => Object.assign(request, {
          say: (text) => controller.enqueue(chunk({ content: text })),
          end() {
            controller.enqueue(chunk({}, "stop"));
            controller.enqueue(encoder.encode("data: [DONE]\n\n"));
            controller.close();
          },
          break: () => controller.error(new TypeError("terminated")),
        }),
        pull: () => void (request.pulls += 1),
        cancel: () => void (request.aborted = true),
      },
      { highWaterMark: 0 },
    );
    signal.addEventListener("abort", () => (request.aborted = true));
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  };
  return { fetch, requests };
}

/** A store that is a map, and can be made to misbehave. */
export function mapStore() {
  const entries = new Map();
  return {
    entries,
    get: async (key) => entries.get(key),
    put: async (key, value) => void entries.set(key, value),
    delete: async (key) => void entries.delete(key),
  };
}

export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** A clock in place of the globals', until the tests of the file are over. */
export function virtualClock() {
  const clock = new testing.VirtualClock();
  const restore = clock.install();
  after(restore);
  return clock;
}

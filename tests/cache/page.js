// What the tests do in a page, from outside.
import { InferenceClient } from "hf-inference-wasm";
import { cacheApiStore, indexedDbStore } from "hf-inference-wasm/cache";

const stores = { cacheApi: cacheApiStore, indexedDb: indexedDbStore };
const question = (content) => ({ model: "m", temperature: 0, messages: [{ role: "user", content }] });

/** Asks with a store, and tells the text and what the cache did. */
globalThis.ask = async (service, kind, { options, id = "q" } = {}) => {
  const client = new InferenceClient({ baseUrl: service, retry: false, cache: { store: stores[kind](options) } });
  const stream = client.chat.stream(question(id));
  let text = "";
  for await (const part of stream.textStream) text += part;
  return { text, cache: stream.trace.cache };
};

/** What a store does on its own. */
globalThis.store = (kind, options, method, ...values) => stores[kind](options)[method](...values);

/** An effect that is run, cleaned up and run again, as React's StrictMode does; `between` is what happens meanwhile. */
globalThis.twice = async (service, between) => {
  const client = new InferenceClient({ baseUrl: service, retry: false, singleFlight: true });
  const shown = [];
  const effect = () => {
    const controller = new AbortController();
    const run = async () => {
      let text = "";
      for await (const part of client.chat.stream(question("q"), { signal: controller.signal }).textStream) shown.push((text += part));
      return text;
    };
    const ran = run().catch((error) => error.name);
    return { ran, cleanUp: () => controller.abort() };
  };
  const first = effect();
  if (between === "task") await new Promise((resolve) => setTimeout(resolve));
  first.cleanUp();
  const second = effect();
  return Promise.all([first.ran, second.ran]);
};

globalThis.ready = true;

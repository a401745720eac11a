/** Options of the cache, its stores, and what tells of it. */

import { InferenceClient, type CacheOptions, type CacheStore, type CacheTrace, type ClientOptions } from "hf-inference-wasm";
import { cacheApiStore, indexedDbStore, workersCacheStore, workersKvStore, type CacheStore as Store } from "hf-inference-wasm/cache";
import { exactly } from "./exactly.js";

const entries = new Map<string, string>();
const own: CacheStore = {
  get: (key) => entries.get(key),
  put: (key, value) => entries.set(key, value),
  delete: (key) => entries.delete(key),
};
const slow: CacheStore = {
  get: async (key) => entries.get(key) ?? null,
  put: async (key, value, ttl) => void [entries.set(key, value), exactly<number>()(ttl)],
  delete: async () => {},
};
exactly<Store>()(own);

/** What `env` has of a KV namespace is more than is needed. */
declare const namespace: {
  get(key: string, type?: "text"): Promise<string | null>;
  put(key: string, value: string | ArrayBuffer, options?: { expiration?: number; expirationTtl?: number }): Promise<void>;
  delete(key: string): Promise<void>;
  list(): Promise<unknown>;
};
declare const context: { waitUntil(promise: Promise<unknown>): void };

const options: CacheOptions = { ttl: 60_000, maxBytes: 1e6, store: slow, shared: true, when: "always", timeout: 200, refresh: false };
const all: ClientOptions[] = [
  { cache: true },
  { cache: false },
  { cache: "refresh", singleFlight: true },
  { cache: options },
  { cache: { store: indexedDbStore() } },
  { cache: { store: cacheApiStore({ name: "answers", maxEntries: 10 }) } },
  { cache: { store: workersCacheStore({ waitUntil: (promise) => context.waitUntil(promise) }) } },
  { cache: { store: workersKvStore(namespace, { waitUntil: (promise) => context.waitUntil(promise) }) } },
  // @ts-expect-error no such word
  { cache: "always" },
  // @ts-expect-error no such rule
  { cache: { when: "sometimes" } },
  // @ts-expect-error a number of milliseconds
  { cache: { ttl: "1h" } },
  // @ts-expect-error a store also forgets
  { cache: { store: { get: own.get, put: own.put } } },
  // @ts-expect-error yes or no
  { singleFlight: 1 },
];

export async function read(): Promise<void> {
  for (const each of all) {
    const { trace } = await new InferenceClient(each).chat.stream({ messages: [] }, { cache: "refresh" }).final();
    exactly<CacheTrace | undefined>()(trace.cache);
    if (trace.cache?.hit) exactly<number | undefined>()(trace.cache.age);
    exactly<number | undefined>()(trace.cache?.savedUsd);
    if (trace.cache?.why === "temperature") return;
    // @ts-expect-error no such reason
    if (trace.cache?.why === "whim") return;
  }
}

/**
 * Places to keep answers beyond the life of a page or a worker: `cache: { store: indexedDbStore() }`.
 *
 * Each is a {@link CacheStore}; anything else with `get`, `put` and `delete` will do as well. What a store
 * does wrong costs a request, never an answer: a failure, something that is not what was put there, and
 * silence are all taken for nothing found.
 */

import type { CacheStore } from "./options.js";

export type { CacheStore } from "./options.js";

/** What all stores of a browser or a worker can be told. */
export interface StoreOptions {
  /**
   * The name of the cache, the database or the keys' prefix. Others keep apart what must not be mixed.
   * @default "hf-inference-wasm"
   */
  name?: string | undefined;
}

/** A store that grows with what is put in. */
export interface BoundedStoreOptions extends StoreOptions {
  /**
   * The most answers that are kept; beyond it the oldest go.
   * @default 500
   */
  maxEntries?: number | undefined;
}

/** A store in a worker, which ends with its response. */
export interface WorkerStoreOptions extends StoreOptions {
  /**
   * The worker's own: `(promise) => ctx.waitUntil(promise)`. Without it, writing ends with the response and
   * may be cut off.
   */
  waitUntil?: ((promise: Promise<unknown>) => void) | undefined;
}

/** The part of Workers KV that is used; a namespace from `env` has it. */
export interface KeyValueNamespace {
  get(key: string): Promise<string | null>;
  put(key: string, value: string, options: { expirationTtl: number }): Promise<void>;
  delete(key: string): Promise<void>;
}

const NAME = "hf-inference-wasm";
/** Cache API keeps answers to requests: the keys are the addresses of a host that cannot be. */
const HOST = "https://hf-inference-wasm.invalid/";

/**
 * Keeps answers in the browser's Cache API, in a page or a service worker. It is there in secure contexts
 * (HTTPS and `localhost`).
 */
export function cacheApiStore({ name = NAME, maxEntries = 500 }: BoundedStoreOptions = {}): CacheStore {
  const open = (): Promise<Cache> => caches.open(name);
  return {
    async get(key) {
      return (await (await open()).match(HOST + key))?.text();
    },
    async put(key, value, ttl) {
      const cache = await open();
      await cache.put(HOST + key, responseOf(value, ttl));
      const keys = await cache.keys();
      await Promise.all(keys.slice(0, Math.max(0, keys.length - maxEntries)).map((oldest) => cache.delete(oldest)));
    },
    async delete(key) {
      await (await open()).delete(HOST + key);
    },
  };
}

/** Keeps answers in IndexedDB. */
export function indexedDbStore({ name = NAME, maxEntries = 500 }: BoundedStoreOptions = {}): CacheStore {
  let opening: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> =>
    (opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      const forget = (): void => {
        opening = undefined;
      };
      request.onupgradeneeded = () => {
        request.result.createObjectStore("answers", { keyPath: "key" }).createIndex("at", "at");
      };
      request.onsuccess = () => {
        const database = request.result;
        // Another page wants to change or delete it: it shall not wait for this one.
        database.onversionchange = () => {
          database.close();
          forget();
        };
        database.onclose = forget;
        resolve(database);
      };
      request.onerror = () => {
        forget();
        reject(request.error!);
      };
    }));
  const transact = async <Result>(mode: IDBTransactionMode, work: (answers: IDBObjectStore) => IDBRequest<Result> | undefined): Promise<Result | undefined> => {
    const transaction = (await open()).transaction("answers", mode);
    return new Promise((resolve, reject) => {
      const request = work(transaction.objectStore("answers"));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = () => reject(transaction.error!);
    });
  };
  return {
    async get(key) {
      return ((await transact("readonly", (answers) => answers.get(key))) as { value: string } | undefined)?.value;
    },
    async put(key, value) {
      await transact("readwrite", (answers) => {
        answers.put({ key, value, at: Date.now() });
        const count = answers.count();
        count.onsuccess = () => {
          let surplus = count.result - maxEntries;
          if (surplus <= 0) return;
          const oldest = answers.index("at").openCursor();
          oldest.onsuccess = () => {
            if (surplus-- <= 0 || !oldest.result) return;
            oldest.result.delete();
            oldest.result.continue();
          };
        };
        return undefined;
      });
    },
    async delete(key) {
      await transact("readwrite", (answers) => answers.delete(key));
    },
  };
}

/** Keeps answers in the Cache API of Cloudflare's data centre that the worker runs in. */
export function workersCacheStore({ name = NAME, waitUntil }: WorkerStoreOptions = {}): CacheStore {
  const cache = (): Cache => (caches as unknown as { default: Cache }).default;
  const at = (key: string): string => `${HOST}${encodeURIComponent(name)}/${key}`;
  return {
    async get(key) {
      return (await cache().match(at(key)))?.text();
    },
    put: (key, value, ttl) => lasting(cache().put(at(key), responseOf(value, ttl)), waitUntil),
    async delete(key) {
      await cache().delete(at(key));
    },
  };
}

/**
 * Keeps answers in Workers KV, for all data centres; what one writes others see within about a minute.
 *
 * @param namespace The namespace as the worker has it: `env.ANSWERS`.
 */
export function workersKvStore(namespace: KeyValueNamespace, { name = NAME, waitUntil }: WorkerStoreOptions = {}): CacheStore {
  const at = (key: string): string => `${name}:${key}`;
  return {
    get: (key) => namespace.get(at(key)),
    // KV takes no less than a minute, and no fractions.
    put: (key, value, ttl) =>
      lasting(namespace.put(at(key), value, { expirationTtl: Math.min(Math.max(60, Math.ceil(ttl / 1000)), 2 ** 31) }), waitUntil),
    delete: (key) => namespace.delete(at(key)),
  };
}

function responseOf(value: string, ttl: number): Response {
  const seconds = Math.min(Math.max(1, Math.ceil(ttl / 1000)), 2 ** 31);
  return new Response(value, { headers: { "content-type": "text/plain; charset=utf-8", "cache-control": `max-age=${seconds}` } });
}

function lasting(promise: Promise<void>, waitUntil: WorkerStoreOptions["waitUntil"]): Promise<void> {
  waitUntil?.(promise.catch(() => {}));
  return promise;
}

// One client for all requests of the isolate, as a real worker has it; the request chooses the store.
import { workersCacheStore, workersKvStore } from "./dist/cache.js";
import { InferenceClient } from "./dist/entries/workerd.js";

const client = new InferenceClient({ model: "m" });

export default {
  async fetch(request, env, context) {
    const { searchParams } = new URL(request.url);
    const [service, id, kept, token] = ["service", "id", "store", "token"].map((name) => searchParams.get(name));
    const waitUntil = (promise) => context.waitUntil(promise);
    const store = { kv: () => workersKvStore(env.ANSWERS, { waitUntil }), cache: () => workersCacheStore({ waitUntil }) }[kept]?.();
    const options = { baseUrl: service, cache: store ? { store } : true, singleFlight: searchParams.has("share"), retry: false };
    if (token) options.accessToken = token;
    const stream = client.chat.stream({ messages: [{ role: "user", content: id }], temperature: 0 }, options);
    try {
      const { text, trace } = await stream.final();
      return Response.json({ text, cache: trace.cache });
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};

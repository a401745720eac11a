// One client for all requests of the isolate, as a real worker has it; `name` chooses which, so that tests keep apart.
import { InferenceClient } from "./dist/entries/workerd.js";

const clients = new Map();
const begun = new Map();

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const [name, id, options] = ["name", "id", "options"].map((parameter) => searchParams.get(parameter));
    if (pathname === "/begun") return new Response(String(begun.get(name) ?? 0));
    if (!clients.has(name)) clients.set(name, new InferenceClient({ model: "m", ...JSON.parse(options) }));
    const stream = clients.get(name).chat.stream({ messages: [{ role: "user", content: id }] });
    begun.set(name, (begun.get(name) ?? 0) + 1);
    // A request that has been answered is over: what its code still waits for never comes.
    if (pathname === "/forget") return new Response("forgotten");
    try {
      return new Response((await stream.final()).text);
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  },
};

/** The worker of workerd: it makes one call for `/start`, or runs a guest for whoever asks from outside. */
import { makeAnswer, replay } from "../answer.js";
import { check, clients, collect } from "../clients.js";

/**
 * @param {(options: object) => Promise<import("./host.js").Guest>} prepare
 * @param {string} [name] of the client
 */
export async function load(prepare, name) {
  const client = clients.get(name);
  const answer = makeAnswer({ events: 3, charset: "ascii" });
  // In the global scope, where a real worker imports.
  const connect = await client?.load();
  let guest;
  const paths = {
    async "/start"() {
      if (client === undefined) return;
      const connection = connect({ url: "http://127.0.0.1:1/v1", fetch: replay(() => answer.pieces(16_384)) });
      check(await collect(connection, client.gives), client.gives, answer);
    },
    async "/prepare"(options) {
      guest = await prepare(options);
    },
    "/run": () => guest.run(),
    "/finish": async () => ({ count: guest.count ?? 1, ...(await guest.finish()) }),
  };
  return {
    async fetch(request) {
      try {
        const given = await request.json();
        return Response.json((await paths[new URL(request.url).pathname](given)) ?? {});
      } catch (error) {
        return new Response(String(error?.stack ?? error), { status: 500 });
      }
    },
  };
}

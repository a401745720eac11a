/** Imports a client for the first time in this process or page, and makes its first call. */
import { makeAnswer, replay } from "../answer.js";
import { check, clients, collect } from "../clients.js";

/** @returns {Promise<import("./host.js").Guest>} */
export async function prepare({ client, importOnly }) {
  const { gives, load } = clients.get(client);
  // Node loads its own fetch, for about 18 ms, when one of these is first touched, whoever does it.
  void [globalThis.Response, globalThis.Headers, globalThis.Request, globalThis.fetch];
  const answer = makeAnswer({ events: 3, charset: "ascii" });
  const answering = replay(() => answer.pieces(16_384));
  await (await answering()).text();
  let text;
  return {
    async run() {
      const connect = await load();
      if (importOnly) return;
      await new Promise((sent, failed) => {
        const fetch = async () => {
          sent();
          return answering();
        };
        text = collect(connect({ url: "http://127.0.0.1:1/v1", fetch }), gives);
        text.catch(failed);
      });
    },
    async finish() {
      if (!importOnly) check(await text, gives, answer);
    },
  };
}

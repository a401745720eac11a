/** Reads many answers at once over sockets. */
import { makeAnswer } from "../answer.js";
import { check, clients, collect } from "../clients.js";

const warmUp = 16;

/** @returns {Promise<import("./host.js").Guest>} */
export async function prepare({ client, url, concurrent, total, events, charset }) {
  const { gives, load } = clients.get(client);
  const connection = (await load())({ url });
  const answer = makeAnswer({ events, charset });
  await Promise.all(Array.from({ length: warmUp }, async () => check(await collect(connection, gives), gives, answer)));

  const got = [];
  return {
    async run() {
      let begun = 0;
      const worker = async () => {
        while (begun < total) {
          begun += 1;
          got.push(await collect(connection, gives));
        }
      };
      await Promise.all(Array.from({ length: concurrent }, worker));
    },
    finish() {
      if (got.length !== total) throw new Error(`${got.length} answers in place of ${total}`);
      for (const text of got) check(text, gives, answer);
    },
    count: total * events,
  };
}

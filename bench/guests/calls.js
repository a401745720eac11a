/** Makes many short calls with a `fetch` that answers at once. */
import { makeAnswer, replay, wholeAnswer } from "../answer.js";
import { check, clients, collect } from "../clients.js";

/** @returns {Promise<import("./host.js").Guest>} */
export async function prepare({ client, calls, atOnce, streamed }) {
  const { gives, load } = clients.get(client);
  const answer = makeAnswer({ events: 8, charset: "ascii" });
  const pieces = answer.pieces(16_384);
  const whole = wholeAnswer(answer);
  const fetch = streamed ? replay(() => pieces) : async () => new Response(whole, { headers: { "content-type": "application/json" } });
  const connection = (await load())({ url: "http://127.0.0.1:1/v1", fetch });
  const call = streamed
    ? async () => check(await collect(connection, gives), gives, answer)
    : async () => check(await connection.whole(), "text", answer);
  const make = async (count) => {
    let begun = 0;
    const worker = async () => {
      while (begun < count) {
        begun += 1;
        await call();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  };
  await make(Math.ceil(calls / 5));
  return { run: () => make(calls), finish() {}, count: calls };
}

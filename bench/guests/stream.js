/** Reads one long answer from an injected `fetch`. */
import { makeAnswer, replay } from "../answer.js";
import { check, clients, collect } from "../clients.js";

/**
 * @param {{ client: string, events: number, cut: import("../answer.js").Cut, charset: "ascii" | "mixed", type?: "bytes" }} options
 * @returns {Promise<import("./host.js").Guest>}
 */
export async function prepare({ client, events, cut, charset, type }) {
  const { gives, load } = clients.get(client);
  const piecesOf = (answer) => (type === "bytes" ? answer.pieces(cut).map((piece) => piece.slice()) : answer.pieces(cut));
  const connect = await load();

  const warmUp = makeAnswer({ events: Math.max(1000, Math.ceil(events / 10)), charset });
  const warmUpPieces = piecesOf(warmUp);
  check(await collect(connect({ url: "http://127.0.0.1:1/v1", fetch: replay(() => warmUpPieces, type) }), gives), gives, warmUp);

  const answer = makeAnswer({ events, charset });
  const pieces = piecesOf(answer);
  const connection = connect({ url: "http://127.0.0.1:1/v1", fetch: replay(() => pieces, type) });
  let got;
  return {
    async run() {
      got = await collect(connection, gives);
    },
    finish: () => check(got, gives, answer),
    count: events,
  };
}

/** The time to the first token, beside that of a bare `fetch`, call by call. */
import { check, clients, readAll, textOfItem } from "../clients.js";
import { makeAnswer } from "../answer.js";
import { median } from "../measure/statistics.js";

const warmUp = 50;

/** @returns {Promise<import("./host.js").Guest>} */
export async function prepare({ client, url, pairs, events, charset }) {
  const { gives, load } = clients.get(client);
  const connection = (await load())({ url });
  const bare = (await clients.get("raw drain").load())({ url });
  const answer = makeAnswer({ events, charset });

  /** Milliseconds from the call to the first piece of its text; for bytes, to the first of the body. */
  const firstToken = async (one, kind) => {
    let first;
    let text = "";
    const began = performance.now();
    await readAll(one, (item) => {
      const piece = kind === "bytes" ? "." : textOfItem(kind, item);
      if (!piece) return;
      first ??= performance.now() - began;
      text += piece;
    });
    if (kind !== "bytes") check(text, kind, answer);
    return first;
  };
  const raw = [];
  const own = [];
  const pair = async (index) => {
    const measures = [async () => raw.push(await firstToken(bare, "bytes")), async () => own.push(await firstToken(connection, gives))];
    // Who goes first may find the connection colder.
    for (const measure of index % 2 === 0 ? measures : measures.reverse()) await measure();
  };
  for (let index = 0; index < warmUp; index += 1) await pair(index);
  raw.length = own.length = 0;
  return {
    async run() {
      for (let index = 0; index < pairs; index += 1) await pair(index);
    },
    finish: () => ({ raw: median(raw), first: median(own), added: median(own.map((time, index) => time - raw[index])) }),
    count: pairs,
  };
}

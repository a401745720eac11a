/** Reads an answer whose text is one JSON object, as a value that grows. */
import { InferenceClient } from "hf-inference-wasm";

import { replay, terseAnswer, usualAnswer } from "../answer.js";

/** An object of about `size` characters: records with strings, numbers, lists and nested objects, as models write them. */
function objectOf(size) {
  const records = [];
  const record = (index) => ({
    id: index,
    name: `Record number ${index}`,
    description: 'A few words about it, with a "quotation", a line\nbreak and an accent: déjà vu.',
    score: index * 1.25,
    tags: ["first", "second", `tag-${index % 7}`],
    nested: { flag: index % 2 === 0, nothing: null, list: [1, 2, 3] },
  });
  let length = 0;
  while (length < size) {
    records.push(record(records.length));
    length += JSON.stringify(records.at(-1)).length + 1;
  }
  return { records };
}

const request = { messages: [{ role: "user", content: "As JSON, please." }] };

/**
 * @param {{ way: "parse" | "object" | "text", size: number, cut?: import("../answer.js").Cut, repeats: number, usual?: boolean }} options
 * @returns {Promise<import("./host.js").Guest>}
 */
export async function prepare({ way, size, cut, repeats, usual }) {
  const text = JSON.stringify(objectOf(size));
  const read = way === "parse" ? async () => JSON.parse(text) : streaming(way, text, cut, usual);
  const results = [];
  const many = async () => {
    results.length = 0;
    for (let repeat = 0; repeat < repeats; repeat += 1) results[0] = await read();
  };
  await many();
  return {
    run: many,
    finish() {
      const [result] = results;
      if ((way === "text" ? result : JSON.stringify(result)) !== text) throw new Error("the value is not the text's");
    },
    count: repeats,
  };
}

function streaming(way, text, cut, usual) {
  const deltas = Array.from({ length: Math.ceil(text.length / 4) }, (_, index) => text.slice(index * 4, index * 4 + 4));
  const pieces = (usual ? usualAnswer : terseAnswer)(deltas).pieces(cut);
  const client = new InferenceClient({ endpointUrl: "http://127.0.0.1:1/v1", fetch: replay(() => pieces) });
  if (way === "text") {
    return async () => {
      let whole = "";
      for await (const piece of client.chat.stream(request).textStream) whole += piece;
      return whole;
    };
  }
  return async () => {
    let last;
    for await (const value of client.chat.stream(request).partialObject) last = value;
    return last;
  };
}

/** An edge proxy: takes an answer from the service and sends it on to whoever asked, as new events. */
import { makeAnswer, replay } from "../answer.js";
import { clients, textOfItem } from "../clients.js";

const encoder = new TextEncoder();
const done = encoder.encode("data: [DONE]\n\n");

/** What is sent on for an item: chunks as they are, text as the chunk that holds it, bytes untouched. */
function encode(item, gives) {
  if (gives === "bytes") return item;
  const chunk = gives === "chunks" ? item : { choices: [{ index: 0, delta: { content: textOfItem(gives, item) } }] };
  return encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`);
}

/** The response to one visitor. Nothing is read ahead of who reads it. */
function respond(connection, gives) {
  let send;
  const body = new ReadableStream(
    {
      async pull(controller) {
        send ??= await (connection.items ? fromItems : fromSteps)(connection, gives);
        await send(controller);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

async function fromItems(connection, gives) {
  const iterator = (await connection.items())[Symbol.asyncIterator]();
  return async (controller) => {
    const { done: over, value } = await iterator.next();
    if (!over) return controller.enqueue(encode(value, gives));
    controller.enqueue(done);
    controller.close();
  };
}

async function fromSteps(connection, gives) {
  let out = [];
  const step = await connection.steps((item) => out.push(item));
  return async (controller) => {
    // A read may bring no whole event.
    let more = true;
    while (more && out.length === 0) more = await step();
    for (const item of out) controller.enqueue(encode(item, gives));
    out = [];
    if (more) return;
    if (gives !== "bytes") controller.enqueue(done);
    controller.close();
  };
}

/** The text in the events that the visitor got. */
function textIn(pieces) {
  const decoder = new TextDecoder();
  const wire = pieces.map((piece) => decoder.decode(piece, { stream: true })).join("");
  const events = wire.split("\n\n").filter((event) => event !== "" && event !== "data: [DONE]");
  return events.map((event) => JSON.parse(event.slice("data: ".length)).choices[0]?.delta?.content ?? "").join("");
}

/** @returns {Promise<import("./host.js").Guest>} */
export async function prepare({ client, events, cut, charset }) {
  const { gives, load } = clients.get(client);
  const connect = await load();
  const visit = async (answer, prebuilt, keep) => {
    const connection = connect({ url: "http://127.0.0.1:1/v1", fetch: replay(() => prebuilt) });
    const reader = respond(connection, gives).body.getReader();
    for (;;) {
      const { done: over, value } = await reader.read();
      if (over) return;
      keep.push(value);
    }
  };
  const warmUp = makeAnswer({ events: Math.max(1000, Math.ceil(events / 10)), charset });
  await visit(warmUp, warmUp.pieces(cut), []);
  const answer = makeAnswer({ events, charset });
  const prebuilt = answer.pieces(cut);
  const got = [];
  return {
    run: () => visit(answer, prebuilt, got),
    finish() {
      const text = textIn(got);
      if (text !== answer.text) throw new Error(`the visitor got a wrong text: ${text.length} characters in place of ${answer.text.length}`);
    },
    count: events / 1000,
  };
}

import { collect } from "./harness.js";

const question = { model: "org/model", messages: [{ role: "user", content: "Hello" }] };
const schema = {
  type: "object",
  properties: { title: { type: "string" }, pages: { type: "array", items: { type: "integer" } } },
  required: ["title", "pages"],
  additionalProperties: false,
};

/** A client whose service streams `deltas`, each in a piece of its own. */
function clientOf(library, deltas, finishReason = "stop") {
  const encoder = new TextEncoder();
  const chunk = (delta, finish_reason = null) =>
    encoder.encode(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
  const pieces = [...deltas.map((delta) => chunk(delta)), chunk({}, finishReason), encoder.encode("data: [DONE]\n\n")];
  const requests = [];
  const fetch = async (url, { body }) => {
    requests.push(JSON.parse(body));
    let at = 0;
    const stream = new ReadableStream({ pull: (controller) => (at < pieces.length ? controller.enqueue(pieces[at++]) : controller.close()) });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  };
  return { client: new library.InferenceClient({ endpointUrl: "http://127.0.0.1:1/v1", fetch }), requests };
}

const texts = (...deltas) => deltas.map((content) => ({ content }));

/** @type {import("./harness.js").Check[]} */
export const structuredChecks = [
  {
    name: "structured: parse gives the value of a JSON Schema and asks the service for it",
    async run({ assert, library }) {
      const { client, requests } = clientOf(library, texts('{"title":"A \\u00e9', ' tale","pa', 'ges":[1,2', "3]}"));
      const { object, text, finishReason } = await client.chat.parse({ ...question, schema });
      assert.deepEqual(object, { title: "A é tale", pages: [1, 23] });
      assert.equal(finishReason, "stop");
      assert.equal(text, '{"title":"A \\u00e9 tale","pages":[1,23]}');
      assert.deepEqual(requests[0].response_format, { type: "json_schema", json_schema: { name: "answer", schema, strict: true } });
      assert.ok(!("schema" in requests[0]), "the schema was sent as a member of its own");
    },
  },
  {
    name: "structured: an answer that does not fit says where, and one that was cut that it was cut",
    async run({ assert, library }) {
      const misfit = clientOf(library, texts('{"title":"x","pages":["one"]}')).client;
      const error = await assert.rejects(misfit.chat.parse({ ...question, schema }));
      assert.equal(error.name, "InvalidResponseError");
      assert.deepEqual(error.issues[0].path, ["pages", 0]);
      assert.equal(error.partial.text, '{"title":"x","pages":["one"]}');
      const cut = clientOf(library, texts('{"title":"x'), "length").client;
      assert.equal((await assert.rejects(cut.chat.parse({ ...question, schema }))).name, "TruncatedError");
      const prose = clientOf(library, texts("Sure, here it is")).client;
      assert.equal((await assert.rejects(prose.chat.parse({ ...question, schema }))).name, "InvalidResponseError");
    },
  },
  {
    name: "structured: partialObject grows delta by delta, and ends with the value",
    async run({ assert, library }) {
      const deltas = texts('{"title":"A', "\\ud83d", "\\ude00 ta", 'le","pages":[1', ",2", '3],"__proto__":{"a":tr', "ue}}");
      const states = [];
      const stream = clientOf(library, deltas).client.chat.stream(question);
      for await (const value of stream.partialObject) states.push(JSON.stringify(value));
      assert.deepEqual(states, [
        '{"title":"A"}',
        '{"title":"A😀 ta"}',
        '{"title":"A😀 tale","pages":[]}',
        '{"title":"A😀 tale","pages":[1]}',
        '{"title":"A😀 tale","pages":[1,23],"__proto__":{}}',
        '{"title":"A😀 tale","pages":[1,23],"__proto__":{"a":true}}',
      ]);
      const { text } = await stream.final();
      assert.deepEqual(JSON.parse(text).pages, [1, 23]);
      assert.equal({}.a, undefined, "the value has changed all objects");
    },
  },
  {
    name: "structured: partialObject of a text that is no JSON throws at the end",
    async run({ assert, library }) {
      const stream = clientOf(library, texts('{"a":1} and', " more")).client.chat.stream(question);
      const states = [];
      const reading = (async () => {
        for await (const value of stream.partialObject) states.push(JSON.stringify(value));
      })();
      assert.equal((await assert.rejects(reading)).name, "InvalidResponseError");
      assert.equal(states.at(-1), '{"a":1}');
    },
  },
  {
    name: "structured: arguments of tool calls grow, and come parsed",
    async run({ assert, library }) {
      const call = (index, id, name, args) => ({ tool_calls: [{ index, id, type: "function", function: { name, arguments: args } }] });
      const deltas = [call(0, "a", "f", ""), call(0, "", "", '{"city":"Par'), call(1, "b", "g", "{}"), call(0, "", "", 'is"}'), call(2, "c", "h", "not json")];
      const events = await collect(clientOf(library, deltas, "tool_calls").client.chat.stream(question).events);
      const grown = [];
      for (const event of events) if (event.type === "tool-call-delta") grown.push([event.index, event.id, event.name, event.arguments]);
      assert.deepEqual(grown, [
        [0, "a", "f", '{"city":"Par'],
        [1, "b", "g", "{}"],
        [0, "a", "f", 'is"}'],
        [2, "c", "h", "not json"],
      ]);
      // One value, which has grown to its end by now.
      assert.deepEqual(events.find((event) => event.type === "tool-call-delta").partialArguments, { city: "Paris" });
      const parsed = events.filter((event) => event.type === "tool-call").map((event) => event.parsedArguments);
      assert.deepEqual(parsed, [{ city: "Paris" }, {}, undefined]);
    },
  },
  {
    name: "structured: a refusal is told, and is no value",
    async run({ assert, library }) {
      const { client } = clientOf(library, [{ refusal: "I will" }, { refusal: " not." }]);
      const final = await client.chat.stream(question).final();
      assert.equal(final.refusal, "I will not.");
      const error = await assert.rejects(clientOf(library, [{ refusal: "No." }]).client.chat.parse({ ...question, schema }));
      assert.includes(error.message, "No.");
    },
  },
];

/**
 * The clients that are compared, and the floors under them. One table: every part takes its rows from here, so that
 * each client is constructed and read in one way only, which is the one its own documentation shows.
 *
 * Nothing is imported before `load` is called: what importing costs is one of the things that are measured.
 *
 * @typedef {object} Service where calls go
 * @property {string} url the base URL, ending in `/v1`
 * @property {typeof globalThis.fetch} [fetch] in the place of the global one
 *
 * @typedef {"text" | "chunks" | "events" | "wire" | "bytes"} Gives what an item of an answer is: a stretch of text, a chunk
 * of the service's, a typed event of ours, undecoded SSE, or bytes
 *
 * @typedef {object} Connection a constructed client
 * @property {() => AsyncIterable<any> | Promise<AsyncIterable<any>>} [items] asks, and gives the items of the answer
 * @property {(take: (item: any) => void) => Promise<() => Promise<boolean>>} [steps] the same for what is no iterable: asks, and gives
 * a function that reads once, hands on the items and says whether there may be more
 * @property {() => Promise<string>} [whole] asks for an answer in one piece, and gives its text
 *
 * @typedef {object} Client
 * @property {string} name the row's name
 * @property {string[]} packages what it imports
 * @property {boolean} [ours]
 * @property {string} exports the names that a chat needs, as the source of a module that exports them: what a bundle of this client holds
 * @property {Gives} gives
 * @property {number} [share] the part of the events that it is given in Chromium and workerd, where it would take minutes
 * @property {() => Promise<(service: Service) => Connection>} load
 */

const model = "openai/gpt-oss-120b";
const key = "not-a-secret";
const messages = [{ role: "user", content: "Tell me about the weather." }];
const request = { model, messages };

/** Our client, read in one of its ways. */
function ours(way, gives, items) {
  return {
    name: `hf-inference-wasm ${way}`,
    packages: ["hf-inference-wasm"],
    ours: true,
    exports: 'export { InferenceClient } from "hf-inference-wasm";',
    gives,
    async load() {
      const { InferenceClient } = await import("hf-inference-wasm");
      return ({ url, fetch }) => {
        const client = new InferenceClient({ endpointUrl: url, accessToken: key, fetch });
        return {
          items: () => items(client),
          whole: async () => (await client.chatCompletion(request)).choices[0].message.content,
        };
      };
    },
  };
}

/** A reader of bodies without a client: `open` makes the function that takes each piece. */
function reader(name, gives, { packages = [], exports = "", open }) {
  return {
    name,
    packages,
    exports,
    gives,
    async load() {
      const start = await open();
      return ({ url, fetch = globalThis.fetch }) => {
        const ask = (stream) =>
          fetch(`${url}/chat/completions`, {
            method: "POST",
            headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
            body: JSON.stringify({ ...request, stream }),
          });
        return {
          async steps(take) {
            const body = (await ask(true)).body.getReader();
            const feed = start(take);
            return async () => {
              const { done, value } = await body.read();
              if (!done) feed(value);
              return !done;
            };
          },
          whole: async () => (await (await ask(false)).json()).choices[0].message.content,
        };
      };
    },
  };
}

/** @type {Client[]} */
const table = [
  ours("textStream", "text", (client) => client.chat.stream(request).textStream),
  ours("chunks", "chunks", (client) => client.chat.completions.create({ ...request, stream: true })),
  ours("events", "events", (client) => client.chat.stream(request).events),
  {
    name: "@huggingface/inference",
    packages: ["@huggingface/inference"],
    exports: 'export { InferenceClient } from "@huggingface/inference";',
    gives: "chunks",
    async load() {
      const { InferenceClient } = await import("@huggingface/inference");
      return ({ url, fetch }) => {
        const client = new InferenceClient(key, { endpointUrl: url, ...(fetch && { fetch }) });
        return {
          items: () => client.chatCompletionStream(request),
          whole: async () => (await client.chatCompletion(request)).choices[0].message.content,
        };
      };
    },
  },
  {
    name: "openai",
    packages: ["openai"],
    exports: 'export { default } from "openai";',
    gives: "chunks",
    async load() {
      const { default: OpenAI } = await import("openai");
      return ({ url, fetch }) => {
        const client = new OpenAI({ apiKey: key, baseURL: url, fetch, dangerouslyAllowBrowser: true });
        return {
          items: () => client.chat.completions.create({ ...request, stream: true }),
          whole: async () => (await client.chat.completions.create(request)).choices[0].message.content,
        };
      };
    },
  },
  {
    name: "ai textStream",
    packages: ["ai", "@ai-sdk/openai-compatible"],
    exports: 'export { streamText } from "ai"; export { createOpenAICompatible } from "@ai-sdk/openai-compatible";',
    gives: "text",
    share: 0.1,
    async load() {
      const [{ streamText, generateText }, { createOpenAICompatible }] = await Promise.all([import("ai"), import("@ai-sdk/openai-compatible")]);
      return ({ url, fetch }) => {
        const chat = createOpenAICompatible({ name: "bench", baseURL: url, apiKey: key, fetch }).chatModel(model);
        return {
          items: () => streamText({ model: chat, messages }).textStream,
          whole: async () => (await generateText({ model: chat, messages })).text,
        };
      };
    },
  },
  {
    name: "@openrouter/sdk",
    packages: ["@openrouter/sdk"],
    exports: 'export { OpenRouter } from "@openrouter/sdk";',
    gives: "chunks",
    share: 0.5,
    async load() {
      const { OpenRouter, HTTPClient } = await import("@openrouter/sdk");
      return ({ url, fetch }) => {
        const httpClient = fetch && new HTTPClient({ fetcher: (input, init) => fetch(input, init) });
        const client = new OpenRouter({ apiKey: key, serverURL: url, httpClient });
        return {
          items: () => client.chat.send({ chatRequest: { ...request, stream: true } }),
          whole: async () => (await client.chat.send({ chatRequest: request })).choices[0].message.content,
        };
      };
    },
  },
  reader("eventsource-parser + JSON.parse", "chunks", {
    packages: ["eventsource-parser"],
    exports: 'export { createParser } from "eventsource-parser";',
    async open() {
      const { createParser } = await import("eventsource-parser");
      return (take) => {
        const decoder = new TextDecoder();
        const parser = createParser({ onEvent: ({ data }) => data !== "[DONE]" && take(JSON.parse(data)) });
        return (bytes) => parser.feed(decoder.decode(bytes, { stream: true }));
      };
    },
  }),
  reader("TextDecoder drain", "wire", {
    async open() {
      return (take) => {
        const decoder = new TextDecoder();
        return (bytes) => take(decoder.decode(bytes, { stream: true }));
      };
    },
  }),
  reader("raw drain", "bytes", { open: async () => (take) => take }),
];

/** By name. */
export const clients = new Map(table.map((client) => [client.name, client]));

/** The names that other files speak of. */
export const names = {
  text: "hf-inference-wasm textStream",
  chunks: "hf-inference-wasm chunks",
  events: "hf-inference-wasm events",
  huggingFace: "@huggingface/inference",
  openai: "openai",
  ai: "ai textStream",
  openRouter: "@openrouter/sdk",
  parser: "eventsource-parser + JSON.parse",
  decoder: "TextDecoder drain",
  drain: "raw drain",
};

/** One of each package: for what does not depend on how an answer is read. */
export const onePerPackage = [names.text, names.huggingFace, names.openai, names.ai, names.openRouter];

/** Those and the reader that the ratios are against. */
export const withReference = [...onePerPackage, names.parser];

/** Takes the text out of an item, for each kind of item. */
const textOf = {
  text: (text) => text,
  chunks: (chunk) => chunk.choices[0]?.delta?.content,
  events: (event) => (event.type === "text" ? event.text : undefined),
  wire: (text) => text,
};

/**
 * Makes one call and reads its answer to the end.
 * @param {Connection} connection
 * @param {(item: any) => void} take
 */
export async function readAll(connection, take) {
  if (connection.items) {
    for await (const item of await connection.items()) take(item);
  } else {
    const step = await connection.steps(take);
    while (await step());
  }
}

/**
 * Reads one answer as its consumer would: the text in one string. Bytes are only counted: they are no text.
 * @param {Gives} gives
 * @returns {Promise<string | number>}
 */
export async function collect(connection, gives) {
  if (gives === "bytes") {
    let size = 0;
    await readAll(connection, (bytes) => (size += bytes.length));
    return size;
  }
  const take = textOf[gives];
  let text = "";
  await readAll(connection, (item) => {
    const piece = take(item);
    if (piece) text += piece;
  });
  return text;
}

/** Throws unless `got` is, character for character, what `answer` has for such a reader. */
export function check(got, gives, answer) {
  const expected = gives === "bytes" ? answer.size : gives === "wire" ? answer.wire : answer.text;
  if (got === expected) return;
  if (typeof got !== "string") throw new Error(`${got} bytes in place of ${expected}`);
  let at = 0;
  while (at < got.length && got[at] === expected[at]) at += 1;
  throw new Error(`wrong text: ${got.length} characters in place of ${expected.length}, different from character ${at} on: ${JSON.stringify(got.slice(at, at + 40))} in place of ${JSON.stringify(expected.slice(at, at + 40))}`);
}

/** What a text becomes on its way through a proxy, from each kind of item. */
export const textOfItem = (gives, item) => textOf[gives](item);

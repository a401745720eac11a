// The worker that miniflare runs. It holds one client for all requests, as a real worker does.
import * as library from "hf-inference-wasm";

import { checks, runChecks } from "../conformance/index.js";

const client = new library.InferenceClient({ model: "test-model" });

export default {
  async fetch(request, _, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/conformance") return conformance(searchParams, context);
    if (pathname === "/answer") return answer(searchParams);
    return new Response("not found", { status: 404 });
  },
};

/** The list, one JSON value per line. */
function conformance(parameters, context) {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const print = (value) => writer.write(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  const work = async () => {
    await runChecks({
      checks,
      library,
      server: parameters.get("server"),
      only: parameters.get("only"),
      environment: { name: "workerd", page: false, connections: Infinity },
      report: (outcome) => print({ outcome }),
    });
    await print({ end: true });
    await writer.close();
  };
  context.waitUntil(work().catch((error) => print({ fatal: String(error?.stack ?? error) })));
  return new Response(readable);
}

/** Passes an answer through to the caller while it arrives, in the way the caller asks for. */
async function answer(parameters) {
  const id = parameters.get("id");
  const options = { baseUrl: parameters.get("service"), accessToken: `token-of-${id}` };
  const stream = client.chat.stream({ messages: [{ role: "user", content: id }] }, options);
  switch (parameters.get("way")) {
    case "chunks":
      return new Response(stream.toReadableStream().pipeThrough(textOfChunks()).pipeThrough(new TextEncoderStream()));
    case "textStream":
      return new Response(readableFrom(stream.textStream).pipeThrough(new TextEncoderStream()));
    case "final":
      return new Response((await stream.final()).text);
  }
}

function textOfChunks() {
  return new TransformStream({
    transform(chunk, controller) {
      const text = chunk.choices[0]?.delta?.content;
      if (text) controller.enqueue(text);
    },
  });
}

function readableFrom(iterable) {
  const iterator = iterable[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => void iterator.return?.(reason),
  });
}

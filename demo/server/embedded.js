/** The service that answers when no token is set: every path it knows, and what is done there. */

import { createCatalogue } from "./catalogue.js";
import { chat } from "./chat.js";
import { completions } from "./completions.js";
import { allowEveryOrigin } from "./cors.js";
import { Refusal, refuse } from "./exchange.js";
import { decodePath, matchProviderRoute, route } from "./router.js";
import { generate } from "./tgi.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */

/** @param {{ pace: number, seed: number, alsoServe: string[] }} options */
export function createEmbeddedService({ pace, seed, alsoServe }) {
  const catalogue = createCatalogue({ pace, alsoServe });

  /** @param {Exchange} exchange @param {string} pathname @param {URLSearchParams} query */
  return async function answer(exchange, pathname, query) {
    const { request, response } = exchange;
    allowEveryOrigin(request, response);
    if (request.method === "OPTIONS") {
      response.writeHead(204);
      response.end();
      return;
    }
    const read = readRoute(pathname, query);
    const write = writeRoute(pathname);
    if (!read && !write) throw new Refusal(404, { error: "Not Found" });
    if (read && (request.method === "GET" || request.method === "HEAD")) {
      const { status = 200, body } = read();
      return exchange.send(status, body);
    }
    if (write && request.method === "POST") return write(exchange, await exchange.json(), { pace, seed: seed + exchange.call.number });
    throw new Refusal(405, { error: "Method Not Allowed" }, { allow: [read && "GET", write && "POST"].filter(Boolean).join(", ") });
  };

  /** @param {string} pathname @param {URLSearchParams} query @returns {(() => { status?: number, body: unknown }) | undefined} */
  function readRoute(pathname, query) {
    if (pathname === "/v1/models") return () => ({ body: catalogue.list() });
    if (pathname === "/health") return () => ({ body: { status: "ok" } });
    if (pathname.startsWith("/v1/models/")) {
      return () => {
        const id = decodePath(pathname.slice("/v1/models/".length));
        const body = catalogue.listOne(id);
        return body ? { body } : { status: 404, body: { error: { message: `The model '${id}' does not exist`, type: "invalid_request_error", param: "model", code: "model_not_found" } } };
      };
    }
    if (pathname === "/api/models") {
      return () => ({ body: catalogue.mappings({ provider: query.get("inference_provider"), task: query.get("pipeline_tag") }) });
    }
    if (pathname.startsWith("/api/models/")) {
      return () => {
        const model = catalogue.find(decodePath(pathname.slice("/api/models/".length)));
        if (!model) return { status: 404, body: { error: "Repository not found" } };
        const { inferenceProviderMapping, ...rest } = catalogue.mapping(model);
        return { body: query.getAll("expand[]").includes("inferenceProviderMapping") ? { ...rest, inferenceProviderMapping } : rest };
      };
    }
    return undefined;
  }

  /**
   * @typedef {{ pace: number, seed: number }} Run
   * @param {string} pathname
   * @returns {((exchange: Exchange, body: any, run: Run) => Promise<void>) | undefined}
   */
  function writeRoute(pathname) {
    switch (pathname) {
      case "/v1/chat/completions":
        return automaticChat;
      case "/v1/completions":
        return (exchange, body, run) => completions(exchange, body, { modelId: String(body.model ?? "tgi"), ...run });
      case "/generate":
        return (exchange, body, run) => generate(exchange, body, { stream: false, arrayOfOne: false, ...run });
      case "/generate_stream":
        return (exchange, body, run) => generate(exchange, body, { stream: true, arrayOfOne: false, ...run });
      case "/":
        return (exchange, body, run) => generate(exchange, body, { stream: body.stream === true, arrayOfOne: true, ...run });
    }
    const match = matchProviderRoute(pathname);
    return match && ((exchange, body, run) => providerCall(match, exchange, body, run));
  }

  /** @param {Exchange} exchange @param {any} body @param {Run} run */
  async function automaticChat(exchange, body, run) {
    // A dedicated endpoint on this host serves one model, called "tgi" or not at all.
    if (body.model === undefined || body.model === "tgi") {
      const model = /** @type {import("./catalogue.js").Model} */ (catalogue.find("demo/guide"));
      const offer = { provider: "tgi", providerId: "tgi", status: /** @type {const} */ ("live"), speed: 1, latency: 250 };
      return chat(exchange, body, { model, offer, ...run });
    }
    const routed = route(String(body.model), catalogue.find);
    if ("unsupported" in routed) throw refuse(400, routed.unsupported, { param: "model", code: "model_not_supported" });
    exchange.answeredBy(routed.offer.provider);
    return chat(exchange, body, { ...routed, ...run });
  }

  /** @param {NonNullable<ReturnType<typeof matchProviderRoute>>} match @param {Exchange} exchange @param {any} body @param {Run} run */
  async function providerCall({ provider, task, modelInPath }, exchange, body, run) {
    exchange.answeredBy(provider);
    const providerId = modelInPath ?? String(body.model ?? "");
    exchange.call.model ??= providerId;
    const found =
      provider === "openai"
        ? openaiModel(providerId)
        : catalogue.findOffer(provider, providerId, task === "chat" ? "conversational" : "text-generation");
    if (!found) {
      throw modelInPath === undefined
        ? refuse(404, `The model \`${providerId}\` does not exist or you do not have access to it.`, { param: "model", code: "model_not_found" })
        : new Refusal(404, { error: `Model ${providerId} does not exist` });
    }
    const { model, offer } = found;
    if (task === "chat") return chat(exchange, body, { model, offer, ...run });
    if (task === "completions") return completions(exchange, body, { modelId: model.id, provider, offer, ...run });
    return generate(exchange, body, { stream: body.stream === true, arrayOfOne: true, offer, ...run });
  }

  /** openai is not among the router's providers and has no mapping: its own names are the models' last part. @param {string} name */
  function openaiModel(name) {
    const model = catalogue.find(`demo/${name}`) ?? catalogue.find(name);
    if (!model || model.task !== "conversational") return undefined;
    return { model, offer: { provider: "openai", providerId: name, status: /** @type {const} */ ("live"), speed: 1.5, latency: 200 } };
  }
}

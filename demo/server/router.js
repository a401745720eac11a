/** Where a request goes: the automatic router's choice among a model's offers, and each provider's own routes. */

/** @typedef {import("./catalogue.js").Model} Model  @typedef {import("./catalogue.js").Offer} Offer */

/** Routes below `/{provider}`; "{id}" stands for a model named in the URL. @type {Record<string, { chat: string, completions?: string }>} */
export const PROVIDER_ROUTES = {
  baseten: { chat: "/v1/chat/completions" },
  cerebras: { chat: "/v1/chat/completions" },
  cohere: { chat: "/compatibility/v1/chat/completions" },
  deepinfra: { chat: "/v1/openai/chat/completions", completions: "/v1/openai/completions" },
  "featherless-ai": { chat: "/v1/chat/completions", completions: "/v1/completions" },
  "fireworks-ai": { chat: "/inference/v1/chat/completions" },
  groq: { chat: "/openai/v1/chat/completions" },
  "hf-inference": { chat: "/models/{id}/v1/chat/completions", completions: "/models/{id}/v1/completions" },
  novita: { chat: "/v3/openai/chat/completions", completions: "/v3/openai/completions" },
  nscale: { chat: "/v1/chat/completions" },
  openai: { chat: "/v1/chat/completions" },
  ovhcloud: { chat: "/v1/chat/completions", completions: "/v1/completions" },
  publicai: { chat: "/v1/chat/completions" },
  scaleway: { chat: "/v1/chat/completions", completions: "/v1/completions" },
  together: { chat: "/v1/chat/completions", completions: "/v1/completions" },
  "zai-org": { chat: "/api/paas/v4/chat/completions" },
  "demo-faults": { chat: "/v1/chat/completions", completions: "/v1/completions" },
};

/**
 * Reads a path such as `/groq/openai/v1/chat/completions` or `/hf-inference/models/demo/guide/v1/completions`.
 * @param {string} path
 * @returns {{ provider: string, task: "chat" | "completions" | "generate", modelInPath?: string } | undefined}
 */
export function matchProviderRoute(path) {
  const slash = path.indexOf("/", 1);
  if (slash < 0) return undefined;
  const provider = path.slice(1, slash);
  const rest = path.slice(slash);
  const routes = Object.hasOwn(PROVIDER_ROUTES, provider) ? PROVIDER_ROUTES[provider] : undefined;
  if (!routes) return undefined;
  for (const task of /** @type {const} */ (["chat", "completions"])) {
    const route = routes[task];
    if (!route) continue;
    const [before, after] = route.split("{id}");
    if (after === undefined) {
      if (rest === route) return { provider, task };
    } else if (rest.startsWith(before) && rest.endsWith(after) && rest.length > route.length - "{id}".length) {
      return { provider, task, modelInPath: decodePath(rest.slice(before.length, -after.length)) };
    }
  }
  // hf-inference still takes TGI's own body on the bare model URL.
  const bare = provider === "hf-inference" && /^\/models\/([^/]+\/[^/]+)$/.exec(rest);
  return bare ? { provider, task: "generate", modelInPath: decodePath(bare[1]) } : undefined;
}

/** A malformed escape is left as it is: no model is called that, and so the answer is "not found". @param {string} text */
export function decodePath(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The automatic router: `id`, `id:fastest`, `id:cheapest`, `id:preferred` or `id:{provider}`.
 * @param {string} name
 * @param {(id: string) => Model | undefined} find
 * @returns {{ model: Model, offer: Offer } | { unsupported: string }}
 */
export function route(name, find) {
  const colon = name.lastIndexOf(":");
  const id = colon < 0 ? name : name.slice(0, colon);
  const suffix = colon < 0 ? "fastest" : name.slice(colon + 1);
  const model = find(id);
  if (!model || model.task !== "conversational") {
    return { unsupported: `The requested model '${name}' is not supported by any provider you have enabled.` };
  }
  const live = model.offers.filter((offer) => offer.status === "live");
  const price = (/** @type {Offer} */ offer) => offer.price?.[1] ?? Infinity;
  switch (suffix) {
    case "fastest":
      return { model, offer: live.reduce((best, offer) => (offer.speed > best.speed ? offer : best)) };
    case "cheapest":
      return { model, offer: live.reduce((best, offer) => (price(offer) < price(best) ? offer : best)) };
    case "preferred":
      return { model, offer: live[0] };
  }
  const pinned = model.offers.find((offer) => offer.provider === suffix);
  if (pinned) return { model, offer: pinned };
  return {
    unsupported: Object.hasOwn(PROVIDER_ROUTES, suffix)
      ? `The requested model '${id}' is not supported by provider '${suffix}'.`
      : `The requested model '${name}' is not supported: '${suffix}' is not a valid provider.`,
  };
}

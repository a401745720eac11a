/** What can be chosen: models, who offers them and at what price, read from the server the page talks to. */

/**
 * @typedef {object} Offer
 * @property {string} value       what the choice stands for
 * @property {string} label
 * @property {string} [note]      price, speed
 * @property {boolean} [disabled]
 *
 * @typedef {{ id: string, group: string, hint: string, offers: Offer[] }} Choice
 * @typedef {{ mode: "embedded" | "hugging-face" | "server", name: string, faults: Record<string, string> }} Upstream
 */

/** Stands for the server itself, which serves one model and needs no name for it. */
export const ENDPOINT = "Dedicated endpoint";

async function getJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

/** @returns {Promise<{ upstream: Upstream, chat: Choice[], generation: Choice[] }>} */
export async function loadCatalogue() {
  const upstream = await getJson("/demo/settings.json");
  const { data } = await getJson("/v1/models");
  const chat = data.map((model) => chatChoice(model, upstream));
  return { upstream, chat, generation: await generationChoices(upstream, chat) };
}

function chatChoice(model, { mode, faults }) {
  const fault = Object.hasOwn(faults, model.id) ? faults[model.id] : undefined;
  const providers = fault === undefined ? (model.providers ?? []) : [];
  const context = Math.max(0, ...providers.map((p) => p.context_length ?? 0));
  return {
    id: model.id,
    group: fault !== undefined ? "Faults to try" : mode === "hugging-face" ? model.id.split("/")[0] : "Models",
    hint: fault ?? (context > 0 ? `Context of ${context.toLocaleString("en")} tokens` : ""),
    offers:
      providers.length === 0
        ? []
        : [
            { value: "", label: "Automatic", note: "the fastest" },
            { value: ":cheapest", label: "Automatic", note: "the cheapest" },
            ...providers.map((p) => ({ value: p.provider, label: p.provider, note: offerNote(p), disabled: p.status === "error" })),
          ],
  };
}

/** Every field but the name and the status can be missing. */
function offerNote({ status, pricing, is_free: free, throughput }) {
  if (status === "error") return "not available now";
  const parts = [];
  if (free) parts.push("free");
  else if (pricing?.input !== undefined && pricing.output !== undefined) parts.push(`$${money(pricing.input)} / $${money(pricing.output)}`);
  if (throughput !== undefined) parts.push(`${Math.round(throughput)} tok/s`);
  return parts.join(" · ");
}

const money = (dollars) => dollars.toFixed(2);

/** The router's list is about chat only, so models that continue a text are asked of the Hub. */
async function generationChoices({ mode }, chat) {
  if (mode === "server") return chat;
  const query = new URLSearchParams({ inference_provider: "all", pipeline_tag: "text-generation", limit: "200" });
  query.append("expand[]", "inferenceProviderMapping");
  const models = await getJson(`/api/models?${query}`).catch(() => []);
  const choices = [];
  for (const { id, inferenceProviderMapping: mapping } of models) {
    const entries = Array.isArray(mapping) ? mapping : Object.entries(mapping ?? {}).map(([provider, entry]) => ({ provider, ...entry }));
    const fitting = entries.filter((entry) => entry.task === "text-generation");
    if (fitting.length === 0) continue;
    choices.push({
      id,
      group: "Models",
      hint: "",
      offers: fitting.map(({ provider, status }) => ({ value: provider, label: provider, note: status === "live" ? "" : status, disabled: status === "error" })),
    });
  }
  if (mode === "embedded") choices.push({ id: ENDPOINT, group: "This server", hint: "Calls this server as one would a dedicated Inference Endpoint", offers: [] });
  return choices;
}

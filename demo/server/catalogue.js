/**
 * The models the embedded server offers, and who serves each: what `GET /v1/models` and the mapping lookup answer.
 *
 * Speeds are relative to the server's pace, so that the throughput a reader sees in the catalogue is the one the stream has.
 */

/**
 * @typedef {object} Offer
 * @property {string} provider
 * @property {string} providerId  the model's name at that provider, which is what its own route wants in the body
 * @property {"live" | "error"} status
 * @property {number} speed       tokens per second, as a multiple of the server's pace
 * @property {number} latency     milliseconds before the first token, at the default pace
 * @property {[number, number]} [price]  USD per million tokens, in and out
 * @property {boolean} [tools]
 *
 * @typedef {object} Model
 * @property {string} id
 * @property {"conversational" | "text-generation"} task
 * @property {number} context
 * @property {"guide" | "thinker" | "polyglot" | "storyteller" | "fault"} voice  how its text is composed
 * @property {Offer[]} offers
 */

export const FAULT_PROVIDER = "demo-faults";
const DEFAULT_PACE = 40;
const CREATED = 1_763_000_000;

/** @type {(provider: string, providerId: string, rest?: Partial<Offer>) => Offer} */
const offer = (provider, providerId, rest = {}) => ({
  provider,
  providerId,
  status: "live",
  speed: 1,
  latency: 250,
  ...rest,
});

/** @type {(id: string) => Offer[]} */
const guideOffers = (id) => [
  offer("together", `${id}-Turbo`, { speed: 1, latency: 220, price: [0.1, 0.3], tools: true }),
  offer("groq", id.split("/").pop() ?? id, { speed: 2, latency: 120, price: [0.2, 0.6], tools: true }),
  offer("fireworks-ai", `accounts/fireworks/models/${id.split("/").pop()}`, {
    speed: 1.25,
    latency: 180,
    price: [0.15, 0.45],
    tools: true,
  }),
  offer("novita", id.toLowerCase(), { speed: 0.75, latency: 350, price: [0.05, 0.12] }),
  offer("hf-inference", id, { speed: 0.5, latency: 600, price: [0, 0] }),
  offer("scaleway", id, { status: "error" }),
];

/** @type {Model[]} */
const BUILT_IN = [
  { id: "demo/guide", task: "conversational", context: 131_072, voice: "guide", offers: guideOffers("demo/guide") },
  {
    id: "demo/thinker",
    task: "conversational",
    context: 65_536,
    voice: "thinker",
    offers: [
      offer("cerebras", "thinker", { speed: 3, latency: 150, price: [0.35, 0.75] }),
      offer("deepinfra", "demo/thinker", { speed: 1, latency: 300, price: [0.08, 0.24] }),
      offer("nscale", "demo/thinker", { speed: 1.5, latency: 260, price: [0.1, 0.3] }),
      offer("zai-org", "thinker-1", { speed: 1.25, latency: 240, price: [0.11, 0.28] }),
      offer("featherless-ai", "demo/thinker", { speed: 0.6, latency: 700, price: [0.06, 0.2] }),
    ],
  },
  {
    id: "demo/polyglot",
    task: "conversational",
    context: 32_768,
    voice: "polyglot",
    offers: [
      offer("cohere", "polyglot-r", { speed: 1.2, latency: 200, price: [0.15, 0.6], tools: true }),
      offer("publicai", "demo/polyglot", { speed: 0.8, latency: 400, price: [0, 0] }),
      offer("scaleway", "polyglot", { speed: 0.9, latency: 320, price: [0.09, 0.27] }),
      offer("ovhcloud", "polyglot", { speed: 1, latency: 300, price: [0.07, 0.21] }),
      offer("baseten", "demo/polyglot", { speed: 1.6, latency: 160, price: [0.18, 0.5] }),
    ],
  },
  {
    id: "demo/storyteller",
    task: "text-generation",
    context: 8_192,
    voice: "storyteller",
    offers: [
      offer("featherless-ai", "demo/storyteller", { speed: 1, latency: 300, price: [0.05, 0.1] }),
      offer("deepinfra", "demo/storyteller", { speed: 1.5, latency: 200, price: [0.07, 0.14] }),
      offer("together", "demo/storyteller-base", { speed: 2, latency: 150, price: [0.12, 0.12] }),
      offer("ovhcloud", "storyteller", { speed: 0.8, latency: 350, price: [0.04, 0.1] }),
      offer("scaleway", "storyteller", { speed: 1.2, latency: 250, price: [0.06, 0.12] }),
      offer("novita", "demo/storyteller", { speed: 0.9, latency: 330, price: [0.03, 0.08] }),
      offer("hf-inference", "demo/storyteller", { speed: 0.5, latency: 600, price: [0, 0] }),
    ],
  },
];

/** Models that go wrong on purpose, and what each one does. `faults.js` says how. */
export const FAULTS = {
  "demo/fails-401": "Refuses the access token",
  "demo/fails-402": "Says the credits are used up",
  "demo/fails-429": "Asks to come back in 7 seconds",
  "demo/fails-503": "Says the model is still loading",
  "demo/html-502": "Answers with a gateway's HTML page",
  "demo/breaks-mid-stream": "Drops the connection after a few words",
  "demo/ends-early": "Ends the stream without saying it is finished",
  "demo/error-in-stream": "Reports an error in the middle of the stream",
  "demo/stalls": "Stops sending, keeps the connection open",
};

/**
 * @param {{ pace: number, alsoServe?: string[] }} options
 *   `alsoServe`: further model ids to offer, with the guide's voice and providers (for examples that name a real model).
 */
export function createCatalogue({ pace, alsoServe = [] }) {
  const rate = pace > 0 ? pace : DEFAULT_PACE;
  /** @type {Model[]} */
  const models = [
    ...BUILT_IN,
    ...alsoServe.map(
      (id) => /** @type {Model} */ ({ id, task: "conversational", context: 131_072, voice: "guide", offers: guideOffers(id) }),
    ),
    ...Object.keys(FAULTS).map(
      (id) =>
        /** @type {Model} */ ({
          id,
          task: "conversational",
          context: 8_192,
          voice: "fault",
          offers: [offer(FAULT_PROVIDER, id, { latency: 150 })],
        }),
    ),
  ];

  /** @param {Model} model */
  const listing = (model) => ({
    id: model.id,
    object: "model",
    created: CREATED,
    owned_by: model.id.split("/")[0],
    architecture: { input_modalities: ["text"], output_modalities: ["text"] },
    providers: model.offers.map((o) => {
      // A failing offer, and a fault, come with nothing but their status: readers of the real catalogue must cope with that.
      if (o.status === "error" || !o.price) {
        return { provider: o.provider, status: o.status, is_model_author: false };
      }
      return {
        provider: o.provider,
        status: o.status,
        context_length: model.context,
        pricing: { input: o.price[0], output: o.price[1] },
        is_free: o.price[0] === 0 && o.price[1] === 0,
        supports_tools: o.tools ?? false,
        supports_structured_output: false,
        first_token_latency_ms: o.latency,
        throughput: Math.round(rate * o.speed * 10) / 10,
        is_model_author: false,
      };
    }),
  });

  /** @param {Model} model */
  const mapping = (model) => ({
    _id: Buffer.from(model.id).toString("hex").slice(0, 24).padEnd(24, "0"),
    id: model.id,
    inferenceProviderMapping: Object.fromEntries(
      model.offers.map((o) => [
        o.provider,
        { status: o.status, providerId: o.providerId, task: model.task, isModelAuthor: false },
      ]),
    ),
  });

  return {
    /** @param {string} id */
    find: (id) => models.find((model) => model.id === id),

    /** Who is meant by a provider's own route: the body carries that provider's name for the model.
     * @param {string} provider @param {string} providerId @param {Model["task"]} task */
    findOffer(provider, providerId, task) {
      for (const model of models) {
        if (model.task !== task) continue;
        for (const o of model.offers) {
          if (o.provider === provider && o.providerId === providerId) return { model, offer: o };
        }
      }
      return undefined;
    },

    /** The automatic router serves chat only, and lists only what it serves. */
    list: () => ({ object: "list", data: models.filter((m) => m.task === "conversational").map(listing) }),
    /** @param {string} id */
    listOne(id) {
      const model = models.find((m) => m.id === id && m.task === "conversational");
      return model && listing(model);
    },
    mapping,
    /** @param {{ provider?: string | null, task?: string | null }} filter */
    mappings: ({ provider, task }) =>
      models
        .filter((m) => !provider || provider === "all" || m.offers.some((o) => o.provider === provider))
        .filter((m) => m.voice !== "fault" && (!task || task === "text-generation" || m.task === task))
        .map(mapping),
  };
}

/**
 * What a client needs for prices, budgets and the catalogue of models: the options, checked and brought to the form
 * that the core reads, and the catalogue, kept for five minutes. Loaded by those who use one of these.
 */

import { InputError, InvalidResponseError, NetworkError } from "./errors.js";
import { alertsOf, alone, listOf, type ClientOptions } from "./options.js";
import type { Budget, Catalog, ModelFilter, ModelInfo, ModelOffer, PriceEntry, SpikeOptions } from "./types/money.js";

/** How long the catalogue is trusted, and how soon after a failure it is asked for again. */
const LIFETIME = 300_000;
const PAUSE = 30_000;
/** How long a call waits for it, and how long anybody does. */
const PATIENCE = 3_000;
const LIMIT = 30_000;

/** The accounts of one client. */
export class Accounts {
  /** Prices, budgets and what is unusual, as the core reads them. */
  readonly json: string;
  /** The catalogue as text; empty while there is none. */
  catalog = "";

  readonly #options: ClientOptions;
  /** Called when there is a new catalogue. */
  readonly #changed: () => void;
  readonly #wanted: boolean;
  #models: ModelInfo[] = [];
  #loadedAt = -Infinity;
  #failedAt = -Infinity;
  #loading: Promise<void> | undefined;

  constructor(options: ClientOptions, changed: () => void) {
    const { catalog, prices, budget, spikes } = options;
    this.#options = options;
    this.#changed = changed;
    const budgets = listOf(budget).map(budgetOf);
    this.json = JSON.stringify({ prices: (prices ?? []).map(priceOf), budgets, spikes: spikes && spikesOf(spikes) });
    if (catalog !== undefined && !["object", "function", "boolean"].includes(typeof catalog)) {
      throw wrong("catalog", "the router's list of models, a function that gives it, true or false");
    }
    const inMoney = budgets.some(({ usd }) => usd !== undefined) || spikes !== undefined;
    this.#wanted = catalog === undefined ? inMoney && options.endpointUrl === undefined : catalog !== false;
  }

  /** What a call has to wait for before it begins; `undefined` when that is nothing. */
  ready(): Promise<void> | undefined {
    const now = performance.now();
    if (!this.#wanted || now < this.#loadedAt + LIFETIME || now < this.#failedAt + PAUSE) return undefined;
    const loading = this.#load().catch(() => {});
    // Old prices are better than a wait, where what goes on behind a call is not cut off with it.
    if (this.catalog !== "" && !alone()) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE);
    });
    return Promise.race([loading, patience]).finally(() => clearTimeout(timer));
  }

  /** The models that pass a filter, sorted. */
  async models({ refresh, ...filter }: ModelFilter = {}): Promise<ModelInfo[]> {
    if (refresh || performance.now() >= this.#loadedAt + LIFETIME) await this.#load();
    return select(this.#models, filter);
  }

  #load(): Promise<void> {
    // In Cloudflare's workers a request must not wait for what another began.
    if (this.#loading && !alone()) return this.#loading;
    const loading = this.#read()
      .then(
        (catalog) => {
          const text = JSON.stringify(catalog);
          this.#models = modelsOf(catalog);
          this.#loadedAt = performance.now();
          this.catalog = text;
          this.#changed();
        },
        (error: unknown) => {
          this.#failedAt = performance.now();
          throw error;
        },
      )
      .finally(() => {
        this.#loading = undefined;
      });
    this.#loading = loading;
    return loading;
  }

  async #read(): Promise<Catalog> {
    const { catalog, fetch = globalThis.fetch } = this.#options;
    if (typeof catalog === "object") return checked(catalog);
    if (typeof catalog === "function") return checked(await catalog());
    const base = this.#options.baseUrl ?? "https://router.huggingface.co";
    const url = `${base.replace(/\/+$/, "").replace(/\/v1$/, "")}/v1/models`;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new DOMException("The router took too long", "TimeoutError")), LIMIT);
    let answer: unknown;
    let status: number | undefined;
    try {
      const response = await fetch(url, { signal: controller.signal });
      status = response.status;
      answer = response.ok ? await response.json() : undefined;
    } catch (cause) {
      if (status === undefined) {
        throw new NetworkError("network", `The list of models could not be read from ${url}: the network failed, or this page may not read it (see the option catalog)`, { retryable: true }, cause);
      }
    } finally {
      clearTimeout(timer);
    }
    return checked(answer, status);
  }
}

function checked(answer: unknown, status?: number): Catalog {
  const data = (answer as Partial<Catalog> | null | undefined)?.data;
  if (Array.isArray(data)) return { data };
  const from = status === undefined ? "catalog gave" : `The router answered (HTTP ${status})`;
  throw new InvalidResponseError("invalid_response", `${from} something that is no list of models: { data: […] }`, status === undefined ? {} : { status });
}

function modelsOf({ data }: Catalog): ModelInfo[] {
  return (data as readonly Wire[]).filter((model) => typeof model?.["id"] === "string").map((model) => {
    const architecture = record(model["architecture"]);
    return known({
      id: model["id"],
      created: number(model["created"]),
      ownedBy: text(model["owned_by"]),
      inputModalities: array(architecture["input_modalities"]),
      outputModalities: array(architecture["output_modalities"]),
      providers: (array(model["providers"]) ?? []).map((offer) => offerOf(record(offer))),
    }) as unknown as ModelInfo;
  });
}

type Wire = Record<string, unknown>;

function offerOf(offer: Wire): ModelOffer {
  const pricing = record(offer["pricing"]);
  const price = known({ input: number(pricing["input"]), output: number(pricing["output"]), cached: number(pricing["cached_input"]) });
  return known({
    provider: text(offer["provider"]) ?? "",
    status: text(offer["status"]) ?? "",
    contextLength: number(offer["context_length"]),
    price: Object.keys(price).length > 0 ? price : undefined,
    isFree: flag(offer["is_free"]),
    tools: flag(offer["supports_tools"]),
    structuredOutput: flag(offer["supports_structured_output"]),
    latency: number(offer["first_token_latency_ms"]),
    throughput: number(offer["throughput"]),
    isModelAuthor: flag(offer["is_model_author"]),
  }) as unknown as ModelOffer;
}

const record = (value: unknown): Wire => (typeof value === "object" && value !== null ? (value as Wire) : {});
const array = (value: unknown): unknown[] | undefined => (Array.isArray(value) ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const flag = (value: unknown): boolean | undefined => (typeof value === "boolean" ? value : undefined);
const known = (members: Wire): Wire => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

/** How good an offer is: the lower the better. */
const WORTH: Record<NonNullable<ModelFilter["sort"]>, (offer: ModelOffer) => number | undefined> = {
  price: ({ price }) => price?.input === undefined || price.output === undefined ? undefined : price.input + price.output,
  contextLength: ({ contextLength }) => contextLength && -contextLength,
  throughput: ({ throughput }) => throughput && -throughput,
  latency: ({ latency }) => latency,
};

function select(models: ModelInfo[], filter: Omit<ModelFilter, "refresh">): ModelInfo[] {
  const { search, provider, status, contextLength, tools, structuredOutput, inputModality, outputModality, maxPrice, throughput, latency, sort } = filter;
  const least = (value: number | undefined, wanted: number | undefined): boolean => wanted === undefined || (value !== undefined && value >= wanted);
  const most = (value: number | undefined, wanted: number | undefined): boolean => wanted === undefined || (value !== undefined && value <= wanted);
  const same = <Value>(value: Value | undefined, wanted: Value | undefined): boolean => wanted === undefined || value === wanted;
  const has = (list: string[] | undefined, wanted: string | undefined): boolean => wanted === undefined || list?.includes(wanted) === true;
  const fits = (offer: ModelOffer): boolean =>
    same(offer.provider, provider) &&
    same(offer.status, status) &&
    same(offer.tools, tools) &&
    same(offer.structuredOutput, structuredOutput) &&
    least(offer.contextLength, contextLength) &&
    least(offer.throughput, throughput) &&
    most(offer.latency, latency) &&
    most(offer.price?.input, maxPrice?.input) &&
    most(offer.price?.output, maxPrice?.output);
  if (sort !== undefined && !(sort in WORTH)) throw wrong("sort", '"price", "contextLength", "throughput" or "latency"');
  const worth = (offer: ModelOffer | undefined): number => (offer && WORTH[sort!](offer)) ?? Infinity;
  const better = (one: ModelOffer | undefined, other: ModelOffer | undefined): number => {
    const [a, b] = [worth(one), worth(other)];
    return a === b ? 0 : a - b;
  };
  const chosen = models
    .filter(({ id }) => search === undefined || id.toLowerCase().includes(search.toLowerCase()))
    .filter((model) => has(model.inputModalities, inputModality) && has(model.outputModalities, outputModality))
    // What the caller does with its list is no matter of ours.
    .map((model) => ({ ...structuredClone(model), providers: structuredClone(model.providers.filter(fits)) }))
    .filter(({ providers }) => providers.length > 0);
  if (sort !== undefined) {
    for (const { providers } of chosen) providers.sort(better);
    chosen.sort((one, other) => better(one.providers[0], other.providers[0]));
  }
  return chosen;
}

const AMOUNT = "a number, 0 or more";
const isAmount = (value: unknown): boolean => typeof value === "number" && value >= 0 && value < Infinity;

function check(option: string, values: Wire, names: readonly string[]): void {
  for (const name of names) {
    if (values[name] !== undefined && !isAmount(values[name])) throw wrong(`${option}.${name}`, AMOUNT);
  }
}

function priceOf(price: PriceEntry): PriceEntry {
  if (typeof price !== "object" || price === null) throw wrong("prices", "a list of { provider?, model?, endpointUrl?, input?, output?, cached?, perHour? }");
  check("prices", price as unknown as Wire, ["input", "output", "cached", "perHour"]);
  return price;
}

/** In the core's order. */
const PERIODS: readonly string[] = ["call", "hour", "day", "month"];
const EXCEEDED: readonly string[] = ["throw", "fallback", "warn"];

function budgetOf(budget: Budget): Record<"usd" | "tokens" | "per" | "tag" | "alertAt" | "exceeded", unknown> {
  if (typeof budget !== "object" || budget === null) throw wrong("budget", "{ usd or tokens, per?, tag?, alertAt?, onAlert?, onExceeded? }, or a list of these");
  const { usd, tokens, per, tag, alertAt, onExceeded } = budget as { [name in keyof Budget]?: Budget[name] };
  check("budget", budget as unknown as Wire, ["usd", "tokens"]);
  if ((usd === undefined) === (tokens === undefined)) throw wrong("budget", "one of usd and tokens");
  if (per !== undefined && !PERIODS.includes(per)) throw wrong("budget.per", '"call", "hour", "day" or "month"');
  if (tag !== undefined && typeof tag !== "string") throw wrong("budget.tag", "the name of a tag");
  if (alertAt !== undefined && !(Array.isArray(alertAt) && alertAt.every(isAmount))) throw wrong("budget.alertAt", "a list of shares, such as [0.5, 0.8, 1]");
  if (onExceeded !== undefined && !EXCEEDED.includes(onExceeded)) throw wrong("budget.onExceeded", '"throw", "fallback" or "warn"');
  const exceeded = EXCEEDED.indexOf(onExceeded ?? "throw");
  return { usd, tokens, per: per && PERIODS.indexOf(per), tag, alertAt: alertsOf(budget), exceeded };
}

function spikesOf(spikes: SpikeOptions): object {
  if (typeof spikes?.onSpike !== "function") throw wrong("spikes.onSpike", "a function");
  const { factor = 25, cooldown = 3_600_000, atLeast = {} } = spikes;
  const options = { factor, cooldown, usd: 0.1, tokens: 100_000, call: 0.01, ...known(atLeast as unknown as Wire) };
  check("spikes", options, Object.keys(options));
  return options;
}

function wrong(option: string, expected: string): InputError {
  return new InputError("input", `${option}: expected ${expected}`, { option, expected });
}

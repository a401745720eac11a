/** Tokens, money and models: what is used, what it costs, what may be spent. Money is in USD. */

import type { CompletionUsage } from "./chat.js";

/** What a call cost, in USD. Amounts are exact to 10^-12 USD inside; what is not known is absent, never 0. */
export interface Cost {
  /** All of it: `input`, `output` and `cached`. */
  usd: number;
  /** For the prompt, without what the provider had in its cache. */
  input?: number;
  /** For the answer, reasoning included. */
  output?: number;
  /** For what of the prompt was in the provider's cache. */
  cached?: number;
  /** The part of `output` that was reasoning. */
  reasoning?: number;
  /** The service did not tell the tokens, or an endpoint is paid by the hour: this is about what it cost. */
  estimated: boolean;
  /**
   * Where it comes from: the service's own bill, the option `prices`, the router's catalogue, or several of
   * these.
   */
  source: "billed" | "prices" | "catalog" | "mixed";
}

/** What one call used: given to `onUsage`. */
export interface UsageRecord {
  /** Who answered: a provider's name, `"auto"` or `"endpoint"`. */
  provider?: string;
  /** The model that was asked for. */
  model?: string;
  /** The service's name for the request. */
  requestId?: string;
  task: "conversational" | "text-generation";
  /** How the call ended. */
  state: "complete" | "truncated" | "stalled" | "aborted" | "failed";
  /** When it began, in milliseconds since 1970. */
  startedAt: number;
  /** How long it took, in milliseconds. */
  duration: number;
  tags: Record<string, string>;
  /**
   * The tokens of all its requests, those included whose answer was not used (a lost race, an answer that broke
   * off). Absent when no service did any work. `estimated: true` when a service did not tell.
   */
  usage?: CompletionUsage & { estimated?: boolean };
  /** What they cost; absent when a price is not known. */
  cost?: Cost;
}

/** What a provider or an endpoint takes. What is left out fits any. */
export interface PriceEntry {
  /** A provider's name, or `"endpoint"`. */
  provider?: string | undefined;
  /** The model, under its name on the Hub or the provider's own. */
  model?: string | undefined;
  /** What the URL of the request begins with. */
  endpointUrl?: string | undefined;
  /** USD for a million tokens of the prompt. */
  input?: number | undefined;
  /** USD for a million tokens of the answer. */
  output?: number | undefined;
  /** USD for a million tokens of the prompt that the provider has in its cache; `input` by default. */
  cached?: number | undefined;
  /** USD for an hour: a call costs the time from its request to its end, whatever else runs meanwhile. */
  perHour?: number | undefined;
}

/** What may be spent: `usd` or `tokens`. */
export type Budget = BudgetTerms &
  (
    | {
        /** The limit in USD. Calls whose price nobody knows are sent while anything is left, and do not count. */
        usd: number;
        tokens?: undefined;
      }
    | {
        /** The limit in tokens of prompts and answers. */
        tokens: number;
        usd?: undefined;
      }
  );

/** What budgets in USD and in tokens have in common. */
export interface BudgetTerms {
  /**
   * How long what is spent counts: one call, or the hour, day or month of UTC.
   * @default as long as the client lives
   */
  per?: "call" | "hour" | "day" | "month" | undefined;
  /** Each value of this tag has the budget for itself; calls without the tag are not limited. */
  tag?: string | undefined;
  /**
   * The shares of the limit at which `onAlert` is called, each once in each hour, day or month.
   * @default [0.5, 0.8, 1]
   */
  alertAt?: readonly number[] | undefined;
  /** Told when a share of the limit is reached. */
  onAlert?: ((alert: BudgetAlert) => void) | undefined;
  /**
   * What becomes of a call that may need more than what is left: it fails with a `BudgetExceededError` before
   * anything is sent, goes to its next target of `fallbacks` (which may be cheaper), or is sent all the same.
   * @default "throw"
   */
  onExceeded?: "throw" | "fallback" | "warn" | undefined;
}

/** How a budget stands. */
export interface BudgetState {
  /** Its position in the option `budget`. */
  index: number;
  /** The value of its tag, when it has one. */
  value?: string;
  /** What `spent` and `limit` are in. */
  unit: "usd" | "tokens";
  spent: number;
  limit: number;
}

/** A share of a budget is reached. */
export interface BudgetAlert extends BudgetState {
  /** The budget, as it was given. */
  budget: Budget;
  /** The share: one of its `alertAt`. */
  reached: number;
}

/** When spending is out of the ordinary. */
export interface SpikeOptions {
  /** Told of it. */
  onSpike: (alert: SpikeAlert) => void;
  /**
   * How many times the usual: of what five minutes use on the average of the last day (and three times the
   * most of the last week; more while less than two days are known, and nothing in the first hour), and of what
   * the dearest twentieth of the last 256 calls cost at least.
   * @default 25
   */
  factor?: number | undefined;
  /**
   * After an alert there is none of its kind for so long, in milliseconds.
   * @default 3_600_000
   */
  cooldown?: number | undefined;
  /**
   * Less than this is not worth an alert: USD and tokens of five minutes, USD of one call.
   * @default { usd: 0.1, tokens: 100_000, call: 0.01 }
   */
  atLeast?: { usd?: number | undefined; tokens?: number; call?: number };
}

/** Spending that is out of the ordinary. */
export interface SpikeAlert {
  /** USD or tokens of the five minutes that run, or the USD of one call. */
  what: "usd" | "tokens" | "call";
  observed: number;
  /** What is usual. */
  usual: number;
}

/** Sums of what was used. */
export interface Totals {
  /** Requests that did some work: a call that is retried in mid-answer or raced has several. */
  requests: number;
  /** Of these, those whose price is not known: they are not in `usd`. */
  unpriced: number;
  /** Of these, those whose tokens the service did not tell, or not all. */
  estimated: number;
  promptTokens: number;
  completionTokens: number;
  /** Of `promptTokens`. */
  cachedTokens: number;
  /** Of `completionTokens`. */
  reasoningTokens: number;
  usd: number;
}

/** What a client's calls have used. Each list has at most 256 entries; what is beyond counts under `""`. */
export interface LedgerSummary {
  total: Totals;
  /** By model: its id is `key`. */
  models: (Totals & { key: string })[];
  /** By provider: its name is `key`. */
  providers: (Totals & { key: string })[];
  /** By tag: its name is `name`, its value `key`. */
  tags: (Totals & { name?: string; key: string })[];
  /** The last 62 hours with calls: `start` is in milliseconds since 1970. */
  hours: (Totals & { start: number })[];
  /** The last 62 days of UTC with calls. */
  days: (Totals & { start: number })[];
  /** The budgets that something was asked of; of one by tag, each value. */
  budgets: (BudgetState & { start: number })[];
}

/** The router's list of models, as `GET https://router.huggingface.co/v1/models` answers. */
export type Catalog = { data: readonly object[] };

/** A model that the router serves. What it does not tell is absent. */
export interface ModelInfo {
  /** Its id on the Hub. */
  id: string;
  /** When it was made, in seconds since 1970. */
  created?: number;
  ownedBy?: string;
  /** What it reads: `"text"`, `"image"`, … */
  inputModalities?: string[];
  outputModalities?: string[];
  /** Who serves it. */
  providers: ModelOffer[];
}

/** On what terms a provider serves a model. What the router does not tell is absent. */
export interface ModelOffer {
  provider: string;
  /** `"live"`, `"staging"` or `"error"`. */
  status: string;
  /** Tokens that prompt and answer may have together. */
  contextLength?: number;
  /** USD for a million tokens of the prompt, of the answer, and of what of the prompt the provider has in its cache. */
  price?: { input?: number; output?: number; cached?: number };
  isFree?: boolean;
  /** It takes tools. */
  tools?: boolean;
  /** It takes JSON schemas. */
  structuredOutput?: boolean;
  /** Milliseconds to the first token. */
  latency?: number;
  /** Tokens a second. */
  throughput?: number;
  isModelAuthor?: boolean;
}

/** Which models. What an offer does not tell, it does not promise: it does not pass a filter that asks for it. */
export interface ModelFilter {
  /** Text that the id contains, whatever its case. */
  search?: string | undefined;
  /** Offers of this provider. */
  provider?: string | undefined;
  /**
   * Offers in this state.
   * @default any
   */
  status?: string | undefined;
  /** Offers with at least so many tokens of context. */
  contextLength?: number | undefined;
  /** Offers that take tools (`true`), or do not. */
  tools?: boolean | undefined;
  /** Offers that take JSON schemas (`true`), or do not. */
  structuredOutput?: boolean | undefined;
  /** Models that read this: `"image"`. */
  inputModality?: string | undefined;
  /** Models that write this. */
  outputModality?: string | undefined;
  /** Offers that take at most so much: USD for a million tokens. */
  maxPrice?: { input?: number | undefined; output?: number };
  /** Offers with at least so many tokens a second. */
  throughput?: number | undefined;
  /** Offers with at most so many milliseconds to the first token. */
  latency?: number | undefined;
  /**
   * The cheapest first (a million tokens in and a million out together), or the one with the most context, the most
   * tokens a second, the soonest first token. Offers are sorted within their model, models by their best.
   */
  sort?: "price" | "contextLength" | "throughput" | "latency" | undefined;
  /** Ask the router, however fresh the list is that is known. */
  refresh?: boolean | undefined;
}

/**
 * `hf-inference-wasm/opentelemetry`: what calls use, as metrics under the names of OpenTelemetry's semantic conventions
 * for generative AI.
 */

import type { UsageRecord } from "./types/money.js";

/** What is used of a `Meter` of `@opentelemetry/api`. */
export interface MeterLike {
  createHistogram(name: string, options?: InstrumentOptions): { record(value: number, attributes?: Record<string, string>): void };
  createCounter(name: string, options?: InstrumentOptions): { add(value: number, attributes?: Record<string, string>): void };
}

/** What an instrument is made with. */
export interface InstrumentOptions {
  description?: string;
  unit?: string;
  advice?: { explicitBucketBoundaries?: number[] };
}

/** Powers of a number, as the conventions want their buckets. */
const powers = (first: number, factor: number, count: number): number[] => Array.from({ length: count }, (_, at) => first * factor ** at);

/**
 * Makes a listener for the option `onUsage` that records each call:
 * `gen_ai.client.token.usage` (`{token}`, by `gen_ai.token.type`), `gen_ai.client.operation.duration` (`s`, with `error.type`
 * of calls that did not complete), and `hf_inference.client.cost` (`USD`), for which the conventions have no name.
 * Their attributes are `gen_ai.operation.name`, `gen_ai.provider.name` and `gen_ai.request.model`.
 *
 * @param meter As `metrics.getMeter("my-app")` gives it.
 * @param options `estimated: true` also records tokens that no service told, which the conventions leave to you.
 *
 * @example
 * ```ts
 * const client = new InferenceClient({ accessToken, onUsage: usageMetrics(metrics.getMeter("my-app")) });
 * ```
 */
export function usageMetrics(meter: MeterLike, { estimated = false }: { estimated?: boolean } = {}): (record: UsageRecord) => void {
  const tokens = meter.createHistogram("gen_ai.client.token.usage", {
    description: "Number of input and output tokens used.",
    unit: "{token}",
    advice: { explicitBucketBoundaries: powers(1, 4, 14) },
  });
  const duration = meter.createHistogram("gen_ai.client.operation.duration", {
    description: "GenAI operation duration.",
    unit: "s",
    advice: { explicitBucketBoundaries: powers(0.01, 2, 14) },
  });
  const cost = meter.createCounter("hf_inference.client.cost", { description: "What calls cost, as far as it is known.", unit: "USD" });
  return ({ task, provider, model, state, usage, duration: milliseconds, cost: paid }) => {
    const attributes: Record<string, string> = {
      "gen_ai.operation.name": task === "conversational" ? "chat" : "text_completion",
      "gen_ai.provider.name": provider ?? "auto",
    };
    if (model !== undefined) attributes["gen_ai.request.model"] = model;
    if (usage && (estimated || !usage.estimated)) {
      tokens.record(usage.prompt_tokens, { ...attributes, "gen_ai.token.type": "input" });
      tokens.record(usage.completion_tokens, { ...attributes, "gen_ai.token.type": "output" });
    }
    if (paid) cost.add(paid.usd, attributes);
    duration.record(milliseconds / 1000, state === "complete" ? attributes : { ...attributes, "error.type": state });
  };
}

/** Money: options, what tells of it, the models. */

import {
  InferenceClient,
  isBudgetExceededError,
  type Budget,
  type BudgetAlert,
  type BudgetState,
  type ClientOptions,
  type Cost,
  type LedgerSummary,
  type ModelInfo,
  type UsageRecord,
} from "hf-inference-wasm";
import { usageMetrics } from "hf-inference-wasm/opentelemetry";
import { exactly } from "./exactly.js";

const daily: Budget = { usd: 5, per: "day", alertAt: [0.5, 1], onAlert: (alert) => exactly<BudgetAlert>()(alert), onExceeded: "fallback" };
const options: ClientOptions = {
  catalog: async () => ({ data: [{ id: "a/b" }] }),
  prices: [{ provider: "groq", model: "a/b", input: 0.1, output: 0.2, cached: 0.05 }, { endpointUrl: "https://e.example", perHour: 1.8 }],
  budget: [daily, { tokens: 1_000, tag: "user", onExceeded: undefined }],
  spikes: { onSpike: ({ what, observed, usual }) => void [what, observed - usual], factor: 10, atLeast: { usd: 1 } },
  tags: { feature: "search" },
  onUsage: (record) => exactly<UsageRecord>()(record),
};
const client = new InferenceClient(options);
const messages = [{ role: "user" as const, content: "How much?" }];

void client.chatCompletion({ messages }, { tags: { user: "ann" }, onUsage: usageMetrics({ createHistogram: () => ({ record() {} }), createCounter: () => ({ add() {} }) }) });
void new InferenceClient({ catalog: true, budget: { tokens: 5, per: "call" } });
// @ts-expect-error a budget is the client's
void client.chatCompletion({ messages }, { budget: { usd: 1 } });
// @ts-expect-error a limit is missing
void new InferenceClient({ budget: { per: "day" } });
// @ts-expect-error one limit, not two
void new InferenceClient({ budget: { usd: 1, tokens: 1 } });
// @ts-expect-error no such window
void new InferenceClient({ budget: { usd: 1, per: "week" } });
// @ts-expect-error nobody is told
void new InferenceClient({ spikes: { factor: 2 } });
// @ts-expect-error no such order
void client.models({ sort: "name" });

export async function read(): Promise<void> {
  exactly<Promise<ModelInfo[]>>()(client.models());
  const [model] = await client.models({ status: "live", tools: true, maxPrice: { output: 1 }, sort: "price", refresh: true });
  exactly<number | undefined>()(model?.providers[0]?.price?.input);
  exactly<boolean | undefined>()(model?.providers[0]?.structuredOutput);
  exactly<LedgerSummary>()(client.ledger.summary());
  try {
    const { cost, usage, trace } = await client.chat.stream({ messages }).final();
    exactly<Cost | undefined>()(cost);
    exactly<number | undefined>()(cost?.cached);
    exactly<boolean | undefined>()(usage?.estimated);
    exactly<number | undefined>()(trace.attempts[0]?.usd);
  } catch (error) {
    if (isBudgetExceededError(error)) {
      exactly<BudgetState>()(error.budget);
      exactly<number | undefined>()(error.retryAt);
      exactly<Cost | undefined>()(error.cost);
    }
  }
}

/** Options against failing services, and what tells of them. */

import {
  InferenceClient,
  isCircuitOpenError,
  isQueueFullError,
  isTimeoutError,
  summary,
  type ClientOptions,
  type Fallback,
  type InferenceError,
  type Trace,
} from "hf-inference-wasm";
import { exactly } from "./exactly.js";

const fallbacks: Fallback[] = [{ provider: "groq" }, { endpointUrl: "https://e.example", accessToken: async () => "k" }];
const options: ClientOptions = {
  retry: { limit: 3, statusCodes: [429], maxRetryAfter: 1, backoffLimit: 2, jitter: false, shouldRetry: (error) => error.retryable },
  fallbacks,
  midStream: "continue",
  hedge: { after: 500 },
  breaker: false,
  limits: { concurrency: 2, requestsPerMinute: 60, tokensPerMinute: 1e5, queue: 10 },
  priority: 1,
  wakeTimeout: 60_000,
  timeout: { queue: 1 },
  onAttempt: ({ attempt, provider }) => void [exactly<number>()(attempt), exactly<string>()(provider)],
  onRetry: ({ delay, error }) => void [exactly<number>()(delay), exactly<InferenceError>()(error)],
  onFallback: ({ from, to }) => void [from.provider, to.endpointUrl],
  onStateChange: ({ state }) => exactly<"closed" | "open" | "half-open">()(state),
};
const client = new InferenceClient({ ...options, snapshot: "{}" });
const messages = [{ role: "user" as const, content: "Why is the sky blue?" }];

exactly<Promise<string>>()(client.snapshot());
void client.chatCompletion({ messages }, { retry: false, fallbacks: "auto" });
void client.chatCompletion({ messages }, { retry: 1, fallbacks: { auto: "price" } });
// @ts-expect-error a snapshot is the client's
void client.chatCompletion({ messages }, { snapshot: "{}" });
// @ts-expect-error no such order
void client.chatCompletion({ messages }, { fallbacks: { auto: "size" } });
// @ts-expect-error no such way
void client.chatCompletion({ messages }, { midStream: "ignore" });
// @ts-expect-error a hedge needs to know when
void client.chatCompletion({ messages }, { hedge: { max: 1 } });

export async function read(): Promise<void> {
  const answer = client.chat.stream({ messages });
  try {
    for await (const event of answer.events) {
      if (event.type === "retry") exactly<InferenceError>()(event.error);
      if (event.type === "fallback") exactly<string>()(event.from.model);
    }
  } catch (error) {
    if (isCircuitOpenError(error)) exactly<number | undefined>()(error.retryAt);
    if (isQueueFullError(error)) exactly<boolean | undefined>()(error.usage?.estimated);
    if (isTimeoutError(error)) exactly<"queue" | "firstToken" | "stall" | "total">()(error.phase);
  }
  exactly<Trace>()(answer.trace);
  exactly<string>()(summary(answer.trace));
  exactly<string | undefined>()(answer.partial?.text);
}

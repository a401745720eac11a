/** Options of a route, and what tells of it. */

import { InferenceClient, type ClientOptions, type RouteAnswer, type RouteChoice, type RouteEstimate, type RouteOptions, type RoutePolicy } from "hf-inference-wasm";
import { estimateDifficulty } from "hf-inference-wasm/estimate";
import { exactly } from "./exactly.js";

const policy: RoutePolicy = async (request, estimate) => {
  exactly<RouteEstimate>()(estimate);
  if ("messages" in request && request.messages.length > 20) return "large";
  return estimate.features.some(({ name }) => name === "code") ? "large" : undefined;
};
const cascade: RouteOptions = {
  small: "openai/gpt-oss-20b",
  large: { model: "openai/gpt-oss-120b", provider: "groq", accessToken: async () => "gsk" },
  policy: "cascade",
  threshold: 0.5,
  accept(answer) {
    exactly<RouteAnswer>()(answer);
    exactly<unknown>()(answer.object);
    return answer.finishReason === "stop" && answer.toolCalls.length === 0 && answer.text.length > 20;
  },
  minLogprob: -0.5,
  shadow: false,
};

export const all: ClientOptions[] = [
  { route: { small: "a" } },
  { route: { small: { endpointUrl: "http://localhost:8080" }, policy } },
  { route: { small: "a", policy: () => undefined } },
  { route: { small: "a", policy() {} } },
  { route: cascade },
  { route: false },
  { route: { small: "a", policy: "estimate", shadow: true }, onRoute: (choice) => exactly<RouteChoice>()(choice) },
  // @ts-expect-error a small target is needed
  { route: { large: "a" } },
  // @ts-expect-error no such policy
  { route: { small: "a", policy: "cheapest" } },
  // @ts-expect-error no such target
  { route: { small: "a", policy: () => "medium" } },
  // @ts-expect-error a number
  { route: { small: "a", threshold: "high" } },
  // @ts-expect-error yes or no
  { route: { small: "a", policy: "cascade", accept: () => "yes" } },
  // @ts-expect-error no such member
  { route: { small: { url: "http://localhost" } } },
];

export async function read(client: InferenceClient): Promise<void> {
  const { trace } = await client.chat.stream({ messages: [] }, { route: cascade }).final();
  exactly<RouteChoice | undefined>()(trace.route);
  exactly<string | undefined>()(trace.route?.escalated);
  exactly<number | undefined>()(trace.route?.savedUsd);
  exactly<number>()(estimateDifficulty({ inputs: "Hello" }).score);
  // @ts-expect-error no such reason
  if (trace.route?.reason === "whim") return;
}

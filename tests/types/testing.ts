// `hf-inference-wasm/testing`: its examples compile, and mistakes do not.

import { InferenceClient } from "hf-inference-wasm";
import { faultyFetch, VirtualClock, type Clock, type Fault, type FaultyRequest } from "hf-inference-wasm/testing";
import { exactly } from "./exactly.js";

const clock = new VirtualClock();
const restore: () => void = clock.install();
const fetch = faultyFetch({
  clock,
  seed: 7,
  answer: "The sky is blue.",
  faults: [{ kind: "status", status: 429, retryAfter: 30 }, null, { kind: "reset", after: 2 }],
});
const client = new InferenceClient({ endpointUrl: "https://llm.example", fetch });
exactly<string>()((await clock.run(client.chat.stream({ messages: [] }).final())).text);
exactly<readonly FaultyRequest[]>()(fetch.requests);
restore();

faultyFetch();
faultyFetch({ faults: { kind: "stall", after: "request" } });
faultyFetch({ faults: { random: [{ rate: 0.2, fault: { kind: "network-error" } }] } });
faultyFetch({ faults: (request, attempt): Fault | null => (attempt > 1 && request.at > 0 ? { kind: "status", status: 503, body: "html" } : null) });
faultyFetch({ answer: ({ body }) => ({ text: ["a", "b"], reasoning: String(body), finishReason: "length" }) });
faultyFetch({ faults: { kind: "status", status: 503, body: { error: "Model too busy" } } });

const own: Clock = { now: () => 0, setTimeout: () => 1, clearTimeout: () => {} };
faultyFetch({ clock: own });

// @ts-expect-error There is no such fault.
faultyFetch({ faults: { kind: "explode" } });
// @ts-expect-error A refusal has a status.
faultyFetch({ faults: { kind: "status" } });
// @ts-expect-error There is no such shape.
faultyFetch({ faults: { kind: "error-event", shape: "xml" } });

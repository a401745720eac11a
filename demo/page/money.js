/** What this page may spend, and what it has. */

import { dollars } from "./figures.js";

/** A page that is left open must not cost more than this. */
export const BUDGET = { usd: 1 };

/** @type {import("hf-inference-wasm").Ledger | undefined} */
let ledger;

/** @param {import("hf-inference-wasm").InferenceClient} client */
export function keepBooks(client) {
  ledger = client.ledger;
}

/** What all answers have cost, of what they may; `undefined` while no price is known. */
export function spent() {
  const { requests, unpriced, usd } = ledger?.summary().total ?? { requests: 0, unpriced: 0, usd: 0 };
  return requests === unpriced ? undefined : `${dollars(usd)} of ${dollars(BUDGET.usd)}`;
}

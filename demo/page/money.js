/** What this page may spend, and what it has. */

import { dollars } from "./figures.js";

/** A page that is left open must not cost more than this; `?budget=0.0002` sets another limit, in USD. */
const asked = Number(new URLSearchParams(location.search).get("budget"));
export const BUDGET = { usd: asked > 0 ? asked : 1 };

/** @type {import("hf-inference-wasm").Ledger | undefined} */
let ledger;

/** @param {import("hf-inference-wasm").InferenceClient} client */
export function keepBooks(client) {
  ledger = client.ledger;
}

/** Shows what all answers have cost, of what they may; nothing while no price is known. */
export function showSpent() {
  const { requests, unpriced, usd } = ledger.summary().total;
  const line = document.getElementById("spent");
  line.hidden = requests === unpriced;
  line.textContent = `${dollars(usd)} of ${dollars(BUDGET.usd)} spent`;
  line.title = `${requests} request${requests === 1 ? "" : "s"} of this page${unpriced > 0 ? `, of which ${unpriced} without a known price` : ""}`;
}

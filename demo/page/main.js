import { indexedDbStore } from "/hf-inference-wasm/cache.js";
import { InferenceClient, init } from "/hf-inference-wasm/entries/web.js";

import { loadCatalogue } from "./catalogue.js";
import { startChat } from "./chat.js";
import { startGeneration } from "./generation.js";
import { BUDGET, keepBooks } from "./money.js";
import { keepSettingsOpenWhenWide } from "./settings.js";
import { startTabs } from "./tabs.js";

// The page's own server stands in for the router and for the Hub: it answers by itself, or passes on with a key we never see.
// The page shows each failure as it is, with a button to try again; an app would leave the retries to the client.
const client = new InferenceClient({ baseUrl: location.origin, hubUrl: location.origin, retry: false, breaker: false, budget: BUDGET });
keepBooks(client);
// Optional: the module would be loaded by the first call. A failure is not lost: that call tries again and reports it.
init().catch(() => {});

const catalogue = loadCatalogue();
startTabs();
keepSettingsOpenWhenWide();
startChat(client, catalogue, indexedDbStore({ name: "demo" }));
startGeneration(client, catalogue);

catalogue.then(
  ({ upstream }) => {
    const embedded = upstream.mode === "embedded";
    const label = document.getElementById("upstream");
    label.textContent = embedded ? "Embedded demo server" : upstream.name;
    label.title = embedded ? "No token is set, so the answers are composed by the demo's own server." : `Answers come from ${upstream.name}.`;
    label.hidden = false;
  },
  () => {}, // Each tab says so where its models would be.
);

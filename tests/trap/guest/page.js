// Runs inside a page.
import { lastMemory } from "./memory.js";
import { runChecks } from "./checks.js";

const parameters = new URLSearchParams(location.search);
const [service, questions] = ["service", "questions"].map((name) => parameters.get(name));

const surprises = [];
addEventListener("error", ({ message }) => surprises.push(`error: ${message}`));
addEventListener("unhandledrejection", ({ reason }) => surprises.push(`unhandledrejection: ${reason?.stack ?? reason}`));

const send = (outcome) => fetch("/report", { method: "POST", body: JSON.stringify(outcome) });
const library = await import("/node_modules/hf-inference-wasm/dist/entries/web.js");
await runChecks({ library, lastMemory, service, questions, name: "chromium", collectGarbage: globalThis.gc, surprises }, send);
await send({ end: true });

// Runs inside a page. With ?worker=1 it only starts the worker that runs the checks.
import { run, send } from "./web.js";

const parameters = new URLSearchParams(location.search);

addEventListener("error", ({ message }) => send({ fatal: message }));

if (parameters.get("worker") === "1") {
  const worker = new Worker(`worker.js${location.search}`, { type: "module" });
  worker.addEventListener("error", ({ message }) => send({ fatal: `worker: ${message}` }));
} else {
  await run(parameters);
}

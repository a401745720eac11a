// Runs inside a page, and tells the host one value at a time.
import { runTable } from "./guest.js";
import { rows } from "./table.js";

const parameters = new URLSearchParams(location.search);
const send = (value) => fetch("/report", { method: "POST", body: JSON.stringify(value) });

addEventListener("error", ({ message }) => send({ fatal: message }));
try {
  const library = await import(parameters.get("library"));
  const testing = await import(new URL("../testing.js", new URL(parameters.get("library"), location.href)));
  await runTable({ rows, library, testing, server: parameters.get("server"), report: (result) => send({ result }) });
  await send({ end: true });
} catch (error) {
  await send({ fatal: String(error?.stack ?? error) });
}

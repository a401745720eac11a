import { checks, runChecks } from "../conformance/index.js";

/** Tells the host, one value at a time and in order. */
export async function send(value) {
  await fetch("/report", { method: "POST", body: JSON.stringify(value) });
}

export async function run(parameters) {
  try {
    const library = await import(parameters.get("library"));
    await send({ version: navigator.userAgent, entry: parameters.get("library") });
    await runChecks({
      checks,
      library,
      server: parameters.get("server"),
      only: parameters.get("only") ?? "",
      // Browsers open six connections to a host at most; the host's own questions need one.
      environment: { name: parameters.get("name"), page: true, connections: 4 },
      report: (outcome) => send({ outcome }),
    });
    await send({ end: true });
  } catch (error) {
    await send({ fatal: String(error?.stack ?? error) });
  }
}

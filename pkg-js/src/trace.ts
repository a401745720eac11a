/** A trace in one line, for a log. */

import type { Trace } from "./errors.js";

/**
 * A trace as one line: `complete in 1840 ms: groq refused 429, retry after 512 ms; groq complete (first token 230 ms)`.
 */
export function summary(trace: Trace): string {
  const { attempts, state, cache, affinity, route } = trace;
  const steps = attempts.map(({ provider, status, outcome, verdict, delay, sent, firstToken, hedge }) => {
    const words = [hedge ? "hedge" : "", provider, outcome, status !== undefined && status !== 200 ? status : ""];
    const then = verdict && verdict !== "fail" ? `, ${verdict}${delay === undefined ? "" : ` after ${delay} ms`}` : "";
    const first = firstToken === undefined ? "" : ` (first token ${firstToken - (sent ?? 0)} ms)`;
    return words.filter((word) => word !== "").join(" ") + first + then;
  });
  if (route) {
    const { chosen, reason, escalated, shadow } = route;
    steps.unshift(`${chosen} ${shadow ? "would be " : ""}chosen (${reason}${escalated ? `; then large: ${escalated}` : ""})`);
  }
  if (cache?.hit) steps.push(cache.joined ? "shared with a call in flight" : `cached ${cache.age} ms ago`);
  if (affinity === "kept") steps.unshift("to who answered last");
  const end = attempts.at(-1)?.ended;
  return `${state}${end === undefined ? "" : ` in ${end} ms`}${steps.length > 0 ? `: ${steps.join("; ")}` : ""}`;
}

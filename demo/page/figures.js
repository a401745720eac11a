/** Who gave one answer, how fast, its tokens and cost, what the cache did, and how many requests it took. */

import { element } from "./dom.js";

export class Meter {
  #sent = performance.now();
  #first = 0;
  #last = 0;
  #letters = 0;

  /** @param {string} text */
  received(text) {
    this.#last = performance.now();
    this.#first ||= this.#last;
    this.#letters += text.length;
  }

  get firstToken() {
    return this.#first ? this.#first - this.#sent : undefined;
  }

  /** Tokens per second between the first and the last; undefined when too short to mean something. @param {number | undefined} tokens */
  speed(tokens) {
    const count = tokens ?? this.#letters / 4;
    const seconds = (this.#last - this.#first) / 1000;
    return seconds >= 0.05 && count > 1 ? (count - 1) / seconds : undefined;
  }
}

/** @param {number} milliseconds */
const time = (milliseconds) => (milliseconds < 995 ? `${Math.max(1, Math.round(milliseconds))} ms` : `${(milliseconds / 1000).toFixed(2)} s`);

const ENDINGS = { stop: "complete", length: "token limit", tool_calls: "asks for a tool", content_filter: "cut by a content filter" };

/** Prices are tiny: two digits that say something. @param {number} usd */
export const dollars = (usd) => `$${usd === 0 ? "0" : usd.toLocaleString("en", { maximumSignificantDigits: 2, maximumFractionDigits: 12 })}`;

/** What the cache did. @param {{ hit: boolean, joined?: boolean, age?: number, savedUsd?: number }} cache */
function recalled({ hit, joined, age, savedUsd }) {
  if (!hit) return "miss";
  const seconds = Math.round(age / 1_000);
  const parts = [joined ? "shared" : "hit", joined ? "" : seconds < 120 ? `${seconds} s old` : `${Math.round(seconds / 60)} min old`];
  if (savedUsd !== undefined) parts.push(`saved ${dollars(savedUsd)}`);
  return parts.filter((part) => part !== "").join(", ");
}

/**
 * @param {HTMLElement} list  a <dl>
 * @param {{ meter: Meter, usage?: any, provider?: string, ending?: string, cost?: any, trace?: any }} answer
 */
export function showFigures(list, { meter, usage, provider, ending, cost, trace }) {
  const completion = usage?.completion_tokens;
  const speed = meter.speed(completion);
  const about = completion === undefined || usage.estimated ? "≈ " : "";
  const replayed = trace?.cache?.hit === true;
  const rows = [
    ["Provider", provider],
    ["First token", meter.firstToken === undefined ? undefined : time(meter.firstToken)],
    ["Speed", speed === undefined ? undefined : `${about}${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`],
    ["Tokens", usage ? `${usage.estimated ? "≈ " : ""}${usage.prompt_tokens ?? "?"} in, ${completion ?? "?"} out` : undefined],
    ["Cost", cost ? `${cost.estimated ? "≈ " : ""}${dollars(cost.usd)}` : replayed ? "nothing" : undefined],
    ["Cache", trace?.cache && recalled(trace.cache)],
    ["Attempts", trace && trace.state !== "open" ? String(trace.attempts.filter(({ sent }) => sent !== undefined).length) : undefined],
    ["End", ending && (ENDINGS[ending] ?? ending)],
  ];
  list.replaceChildren(
    ...rows.filter(([, value]) => value).map(([name, value]) => element("div", "", [element("dt", "", name), element("dd", "", value)])),
  );
}

/**
 * Which of a small and a large target answers: by the estimate, by the caller's own function, or by what speaks against
 * a small target's answer. Loaded by the first call that has `route`.
 */

// Types only, but for what nobody else loads: what it needs of the rest is given to it. A bundler that found more
// would cut what every page loads into more files.
import { estimateDifficulty } from "./estimate.js";
import type { InputError } from "./errors.js";
import type { CallOptions, Fallback } from "./options.js";
import type { PreparedSchema, prepareSchema } from "./schema.js";
import type { ChatFinal } from "./stream.js";
import type { readObject } from "./structured.js";
import type { RouteAnswer, RouteOptions, RoutePolicy } from "./types/route.js";

/** What is needed of the rest. */
export interface Tools {
  InputError: typeof InputError;
  prepareSchema: typeof prepareSchema;
  readObject: typeof readObject;
}

type Body = Readonly<Record<string, unknown>>;

/** A call's route. */
export interface Routing {
  /** What the core is to know of it. */
  core: { route: string; fallbacks?: object[] };
  /** The targets that are tried before the call's fallbacks. */
  targets: Fallback[];
  /** Answers the core: to nothing a choice, as JSON; to an answer on trial what speaks against it, or `true`. */
  ask(question: string): Promise<string>;
}

const THRESHOLD = 0.2;
const PARTS = ["model", "provider", "endpointUrl"] as const;

/**
 * Checks a call's route.
 *
 * @param body The request, without its options.
 * @param schema What its answer is to be.
 */
export function prepare({ route, fallbacks }: CallOptions, body: Body, schema: unknown, tools: Tools): Routing {
  const wrong = (option: string, expected: string): InputError =>
    new tools.InputError("input", `${option}: expected ${expected}`, { option, expected });
  const check = (name: keyof RouteOptions, fits: (value: unknown) => boolean, expected: string): void => {
    const value = given[name];
    if (value !== undefined && !fits(value)) throw wrong(`route.${name}`, expected);
  };
  const given = route as RouteOptions;
  if (typeof given !== "object") throw wrong("route", "an object { small, large?, policy?, threshold?, accept?, minLogprob?, shadow? }, or false");
  const targetOf = (name: "small" | "large", value: unknown): Fallback => {
    if (typeof value === "string" && value !== "") return { model: value };
    if (typeof value !== "object" || value === null) throw wrong(`route.${name}`, "a model's id, or { model?, provider?, endpointUrl?, accessToken? }");
    for (const part of PARTS) {
      const text = (value as Fallback)[part];
      if (text !== undefined && text !== null && (typeof text !== "string" || text === "")) throw wrong(`route.${name}.${part}`, "a string that is not empty");
    }
    return value;
  };
  const targets = [targetOf("small", given.small), targetOf("large", given.large ?? {})];
  const { policy = "estimate", accept, minLogprob, shadow = false } = given;
  const tries = policy === "cascade";
  check("policy", (value) => value === "estimate" || value === "cascade" || typeof value === "function", '"estimate", "cascade" or a function');
  check("threshold", (value) => typeof value === "number" && value >= 0 && value <= 1, "a number from 0 to 1");
  check("accept", (value) => typeof value === "function" && tries, 'a function, with policy: "cascade"');
  check("minLogprob", (value) => typeof value === "number" && value <= 0 && tries, 'a number, 0 or less, with policy: "cascade"');
  check("shadow", (value) => typeof value === "boolean", "true or false");

  const format = (body["response_format"] as { type?: unknown } | null | undefined)?.type;
  const asJson = schema !== undefined || format === "json_object" || format === "json_schema";
  const order = fallbacks === "auto" ? "throughput" : (fallbacks as { auto?: string } | undefined)?.auto;
  const automatic = ["price", "throughput", "latency"].indexOf(order!) + 1;
  // What are no fallbacks the core refuses.
  const fits = fallbacks === undefined || fallbacks === null || automatic > 0 || Array.isArray(fallbacks);
  const core = fits && { fallbacks: [...targets, ...(Array.isArray(fallbacks) ? fallbacks : [])] };
  const is = (tries ? 1 : 0) + (accept || asJson ? 2 : 0) + (shadow ? 4 : 0) + 8 * automatic;
  let choice: Promise<string> | undefined;
  return {
    targets: shadow ? [] : targets,
    core: { ...core, route: JSON.stringify({ is, minLogprob, accept: accept && String(accept) }) },
    // A call and its flight have one choice.
    ask: (question) => (question === "" ? (choice ??= choose(policy, given.threshold, body, schema)) : judge(JSON.parse(question) as Told, asJson, schema, accept, tools)),
  };
}

async function choose(policy: NonNullable<RouteOptions["policy"]>, given: number | undefined, body: Body, schema: unknown): Promise<string> {
  const threshold = given ?? (policy === "cascade" ? Infinity : THRESHOLD);
  const estimate = estimateDifficulty(schema === undefined ? body : { ...body, schema });
  let large = estimate.score >= threshold;
  let reason = "estimate";
  if (typeof policy === "function") {
    try {
      const said = await policy(body as unknown as Parameters<RoutePolicy>[0], estimate);
      if (said !== undefined) reason = "function";
      if (said === "small" || said === "large") large = said === "large";
      else if (said !== undefined) throw new TypeError(`route.policy gave ${String(said)}: expected "small", "large" or undefined`);
    } catch (thrown) {
      // A bug of the caller's is to be seen, and harms no call.
      queueMicrotask(() => {
        throw thrown;
      });
      return '{"large":true,"reason":"function failed"}';
    }
  } else if (policy === "cascade" && !large) reason = "cascade";
  return JSON.stringify({ large, reason, ...(threshold <= 1 && { estimate: { ...estimate, threshold } }) });
}

/** An answer on trial, as the core writes it: a chat's, or a text's. */
type Told = Omit<RouteAnswer, keyof RouteAnswer["choices"][number]> & { output?: { generated_text: string; details?: { finish_reason?: string } } };

async function judge(told: Told, asJson: boolean, schema: unknown, accept: RouteOptions["accept"], { prepareSchema, readObject }: Tools): Promise<string> {
  const { output, ...rest } = told;
  const reason = output?.details?.finish_reason ?? null;
  const text: RouteAnswer["choices"][number] = { index: 0, text: output?.generated_text ?? "", reasoning: "", toolCalls: [], finishReason: reason === "length" ? "length" : reason ? "stop" : "other", rawFinishReason: reason };
  const choices: RouteAnswer["choices"] = output ? [text] : rest.choices;
  const { index: _, ...first } = choices[0]!;
  const answer: RouteAnswer = { ...rest, ...first, choices };
  // Who calls tools does not answer yet.
  if (asJson && !(answer.toolCalls.length > 0 && answer.text.trim() === "")) {
    try {
      answer.object = readObject(answer as unknown as ChatFinal);
    } catch {
      return "json";
    }
    try {
      if (schema !== undefined) answer.object = await (prepareSchema(schema) as PreparedSchema).validate(answer.object);
    } catch {
      return "schema";
    }
  }
  try {
    return !accept || (await accept(answer)) ? "true" : "accept";
  } catch {
    // Validators throw: it is their way to say no, and no reason to end a process.
    return "accept failed";
  }
}

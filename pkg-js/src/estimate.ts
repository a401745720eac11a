/** How hard a request is, as far as its form tells. */

import type { RouteEstimate, RouteFeature } from "./types/route.js";

export type { RouteEstimate, RouteFeature } from "./types/route.js";

/** How much of a message is read, at its beginning and at its end, and how many messages are counted. */
const HEAD = 6_000;
const TAIL = 2_000;
const MESSAGES = 200;

/** How much each feature adds at most. */
const WEIGHTS: Readonly<Record<RouteFeature, number>> = {
  length: 0.25,
  code: 0.2,
  maths: 0.25,
  numbers: 0.1,
  parts: 0.2,
  clauses: 0.15,
  reasoning: 0.25,
  tools: 0.15,
  structured: 0.05,
  turns: 0.1,
  context: 0.15,
  attachments: 0.15,
  effort: 0.3,
};

/** One character, or about a syllable, each: scripts without spaces between words. */
const DENSE = /[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/g;
const WORDS = /[\p{L}\p{M}\p{N}]+/gu;
const CODE = /```|[{};]\s*$|=>|[=!]==?|::|->|&&|\|\||\w\(\)|<\/?\w+>|\b(?:def|class|function|const|return|import|SELECT|FROM|WHERE|async|struct|void|null|None|regex|SQL|API|JSON|Python|JavaScript|TypeScript|Rust|Java|C\+\+|Haskell|Kubernetes|Docker)\b/gm;
const MATHS = /[∑∏∫√≤≥≠≈∞∂∇∀∃∈∉⊂⊆∪∩±×÷πθλσμ²³ⁿ]|\\[a-zA-Z]{2,}|\b[a-zA-Z]\([a-z]\)|\d\s?[-+*/^=%]\s?\d|\w\s?\^\s?[\w({]|\b\d?[a-z]\s?[=+*<>]\s?\d/g;
const NUMBERS = /\p{N}+(?:[.,]\p{N}+)*/gu;
const ITEMS = /^[ \t]*(?:[-*•]|\p{N}{1,2}[.)、]|\(?[a-z]\))[ \t]*\S/gmu;
const QUESTIONS = /[?？؟;](?=\s|$|[^\w])/g;
const CLAUSES = /[,;:，、；：،؛]/g;
/** Beginnings of words, since most languages bend them. */
const REASONING = new RegExp(
  [
    "\\b(?:prov(?:e|ing)|proof|deriv|dedu[ck]|step.by.step|reason(?:ing)?\\b|trade-?off|pros and cons|critique|justif|infer\\b|diagnos|debug|refactor|implement|architect|algorithm|complexity|theorem|probabilit|optimi[sz]|evaluat|assess|strateg|root cause|why (?:do|does|did|is|are|would)|how many ways|what if)",
    "\\b(?:compar|contrast|anal[iy][sz]|design|simul)",
    "\\b(?:beweis|herleit|leite|begründ|erkläre,? warum|schritt für schritt|vergleich|bewert|entw[iue]rf|wäge|abwäg|wahrscheinlichk)",
    "\\b(?:démontr|prouve|étape par étape|évalu|conçoi|concev|expliqu\\w* pourquoi)",
    "\\b(?:dem(?:ue|o)str|paso a paso|evalú|diseñ|dimostr|passo (?:a|dopo) passo|confront|valut|ottimizz|progett|demonstr|avali|otimiz)",
    "\\b(?:bewijs|vergelijk|ontwerp|stap voor stap|udowodnij|porównaj|zaprojektuj|krok po kroku|kanıtla|karşılaştır|tasarla|adım adım)",
    "докаж|доказ|вывед|пошаг|сравн|анализ|оцен|оптимиз|спроектир|обосну|вероятност|почему",
    "证明|推导|逐步|比较|分析|评估|优化|设计|论证|概率|算法|为什么|证|導出|段階的|証明|比較|評価|最適化|設計|アルゴリズム|確率|なぜ",
    "증명|유도하|단계별|비교|분석|평가|최적화|설계|확률|알고리즘|أثبت|برهن|قارن|حلل|صمم|خطوة|सिद्ध|तुलना|विश्लेषण|चरण|डिज़ाइन|พิสูจน์|เปรียบเทียบ|วิเคราะห์",
  ].join("|"),
  "gi",
);

/**
 * How hard a request looks, from its form more than from its words: no model is asked, and nothing leaves this machine.
 * Of the last user message (or `inputs`) it reads 8,000 characters, of all others their lengths.
 *
 * @param request A chat or text-generation request, as it is given to the client.
 */
export function estimateDifficulty(request: object): RouteEstimate {
  const { messages, inputs, tools, response_format: format, schema, reasoning_effort: effort } = request as Readonly<Record<string, unknown>>;
  const all = (Array.isArray(messages) ? messages.slice(-MESSAGES) : [{ role: "user", content: inputs }]) as (Message | null)[];
  const at = all.findLastIndex((message) => message?.role === "user");
  const text = excerpt(all[at]?.content);
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const dense = count(DENSE);
  const words = (dense === 0 ? text : text.replace(DENSE, " ")).match(WORDS)?.length ?? 0;
  // A text that is cut here has more.
  const tokens = Math.max(words * 1.3 + dense * 0.8, (lengthOf(all[at]?.content) - text.length) / 4);
  const others = all.reduce((sum, message, position) => sum + (position === at ? 0 : lengthOf(message?.content)), 0);
  const attached = all.some((message) => Array.isArray(message?.content) && message.content.some((part: Part | null) => part?.type !== "text"));
  const offered = Array.isArray(tools) ? tools.length : 0;
  const asked = schema !== undefined || (format as { type?: unknown } | undefined)?.type === "json_schema";
  const raised = { none: -1, minimal: -1, low: -1, high: 1, xhigh: 1 }[String(effort)] ?? 0;
  const share = (value: number): number => Math.min(1, Math.max(0, value));
  const log = (value: number, one: number, doublings: number): number => share(Math.log2(1 + value / one) / doublings);
  const found: Record<RouteFeature, [value: number, share: number]> = {
    length: [Math.round(tokens), log(tokens, 20, 5)],
    code: of(count(CODE), 5),
    maths: of(count(MATHS), 3),
    numbers: of(count(NUMBERS), 5),
    parts: of(count(ITEMS) + Math.max(0, count(QUESTIONS) - 1), 4),
    clauses: of(count(CLAUSES), 6),
    reasoning: of(count(REASONING), 2),
    tools: [offered, offered === 0 ? 0 : share(0.5 + offered / 16)],
    structured: [Number(asked), Number(asked)],
    turns: of(all.length - 1, 12),
    context: [others, log(others, 2_000, 5)],
    attachments: [Number(attached), Number(attached)],
    effort: [raised, raised],
  };
  const features = (Object.keys(found) as RouteFeature[])
    .map((name) => ({ name, value: found[name][0], adds: round(found[name][1] * WEIGHTS[name]) }))
    .filter(({ adds }) => adds !== 0);
  return { score: round(share(features.reduce((sum, { adds }) => sum + adds, 0))), features };
}

interface Message {
  role?: unknown;
  content?: unknown;
}

interface Part {
  type?: unknown;
  text?: unknown;
}

/** How many there are, and how near that is to the most that counts. */
function of(count: number, most: number): [number, number] {
  return [count, Math.min(1, count / most)];
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function textsOf(content: unknown): string[] {
  if (typeof content === "string") return [content];
  if (!Array.isArray(content)) return [];
  return (content.slice(0, MESSAGES) as (Part | null)[]).map((part) => part?.text).filter((text) => typeof text === "string");
}

function lengthOf(content: unknown): number {
  return textsOf(content).reduce((sum, { length }) => sum + length, 0);
}

/** The beginning and the end of a message. */
function excerpt(content: unknown): string {
  const texts = textsOf(content);
  const cut = texts.map((text) => (text.length <= HEAD + TAIL ? text : `${text.slice(0, HEAD)}\n${text.slice(-TAIL)}`)).join("\n");
  return cut.length <= HEAD + TAIL ? cut : `${cut.slice(0, HEAD)}\n${cut.slice(-TAIL)}`;
}

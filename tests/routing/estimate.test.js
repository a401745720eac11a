/** The estimate of how hard a request is: how often it is right, what it looks at, and what it costs. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { entryOf, stage } from "./support.js";

const { estimateDifficulty } = await import(pathToFileURL(entryOf("./estimate")));
const labelled = async (name) => JSON.parse(await readFile(new URL(name, import.meta.url), "utf8"));
const ask = (content, more) => ({ messages: [{ role: "user", content }], ...more });
const scoreOf = (request) => estimateDifficulty(request).score;
const THRESHOLD = 0.2;

/** How many it tells rightly, all features or all but one. */
function right(prompts, without) {
  const score = ({ features }) => features.reduce((sum, { name, adds }) => (name === without ? sum : sum + adds), 0);
  return prompts.filter(({ text, hard }) => (score(estimateDifficulty(ask(text))) >= THRESHOLD) === hard).length;
}

test("it tells easy from hard in 64 labelled requests of twelve languages, and README says how often", async (t) => {
  const prompts = await labelled("prompts.json");
  assert.equal(prompts.filter(({ hard }) => hard).length, prompts.length / 2);
  const all = right(prompts);
  const easy = prompts.filter(({ hard }) => !hard);
  const wordless = right(prompts, "reasoning");
  t.diagnostic(`right: ${all} of ${prompts.length}; without the words that ask for reasoning: ${wordless}; easy ones sent to the large target: ${easy.length - right(easy)}`);
  assert.ok(all >= 58, `${all}`);
  assert.ok(wordless >= 48, `structure beats keywords: ${wordless}`);
  assert.equal(right(easy), easy.length);
  const awkward = await labelled("awkward.json");
  const fooled = right(awkward);
  t.diagnostic(`of ${awkward.length} that were chosen to mislead it: ${fooled}`);
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const told = `${all} of ${prompts.length}; ${wordless} without the words that ask for reasoning; ${fooled} of ${awkward.length} that were chosen to mislead it`;
  assert.ok(readme.includes(told), `README does not say "${told}"`);
});

test("it is the threshold of a call", async () => {
  const prompts = await labelled("prompts.json");
  for (const { text } of prompts.filter((_, position) => position % 8 === 0)) {
    const { client, hosts } = stage({}, {});
    const { trace } = await client.chat.stream(ask(text)).final();
    const chosen = scoreOf(ask(text)) >= THRESHOLD ? "large" : "small";
    assert.deepEqual([hosts(), trace.route.chosen, trace.route.estimate.threshold], [chosen, chosen, THRESHOLD]);
  }
});

test("it explains itself: the score is the sum of what the features add", () => {
  const { score, features } = estimateDifficulty(ask("Prove that 2 + 2 = 4, step by step.", { tools: [{}], reasoning_effort: "high" }));
  assert.equal(score, Math.min(1, Math.round(1000 * features.reduce((sum, { adds }) => sum + adds, 0)) / 1000));
  assert.deepEqual(features.map(({ name }) => name), ["length", "maths", "numbers", "clauses", "reasoning", "tools", "effort"]);
  assert.deepEqual(features.find(({ name }) => name === "reasoning"), { name: "reasoning", value: 2, adds: 0.25 });
});

test("each feature raises the score, and a wish for little effort lowers it", () => {
  const plain = "Hello there, my friend";
  const base = scoreOf(ask(plain));
  const image = { type: "image_url", image_url: { url: "data:," } };
  const harder = {
    length: ask(`${plain} ${"and so on ".repeat(60)}`),
    code: ask(`${plain}\n\`\`\`js\nconst a = () => {};\n\`\`\``),
    maths: ask(`${plain} ∫ x² dx`),
    numbers: ask(`${plain} 1 2 3`),
    parts: ask(`${plain}\n- one\n- two\n- three`),
    clauses: ask(`${plain}, a, b, c`),
    reasoning: ask(`${plain} analyse`),
    tools: ask(plain, { tools: [{ type: "function", function: { name: "f" } }] }),
    structured: ask(plain, { response_format: { type: "json_schema", json_schema: { name: "a", schema: {} } } }),
    turns: { messages: [...Array(6).fill({ role: "assistant", content: "" }), ...ask(plain).messages] },
    context: { messages: [{ role: "system", content: "x".repeat(20_000) }, ...ask(plain).messages] },
    attachments: ask([{ type: "text", text: plain }, image]),
    effort: ask(plain, { reasoning_effort: "high" }),
  };
  for (const [name, request] of Object.entries(harder)) {
    const found = estimateDifficulty(request);
    assert.ok(found.score > base, `${name}: ${found.score} is not above ${base}`);
    assert.ok(found.features.some((feature) => feature.name === name && feature.adds > 0), `${name}: ${JSON.stringify(found)}`);
  }
  assert.equal(scoreOf(ask("Prove it.", { reasoning_effort: "low" })), 0);
  assert.equal(scoreOf(ask(plain)), scoreOf(ask([{ type: "text", text: plain }])), "a list of parts is read as a text");
  assert.equal(scoreOf({ inputs: plain }), base, "so are the inputs of a text generation");
});

test("it looks at the last user message, and takes whatever it is given", () => {
  const hard = "Prove, step by step, that ∫ x² dx = x³/3 + C.";
  const later = { messages: [{ role: "user", content: hard }, { role: "assistant", content: "Done." }, { role: "user", content: "Thanks!" }] };
  assert.ok(scoreOf(later) < THRESHOLD);
  assert.ok(scoreOf({ messages: [...ask(hard).messages, { role: "tool", content: "4", tool_call_id: "1" }] }) >= THRESHOLD, "a tool's answer is no question");
  for (const odd of [{}, { messages: [] }, { messages: [null, {}, { role: "user" }, { role: "user", content: 5 }] }, { messages: "x" }, { inputs: null }, ask([null, {}, { type: "text" }])]) {
    const { score } = estimateDifficulty(odd);
    assert.ok(score >= 0 && score <= 1, JSON.stringify(odd));
  }
});

test("it reads a bounded part of a text, and never more than once for each pattern", () => {
  // What lies between the first 6,000 and the last 2,000 characters changes nothing.
  const around = (middle) => ask(`${"a ".repeat(3_000)}${middle}${"b ".repeat(1_000)}`);
  const middles = ["c ".repeat(50_000), "∫ x² {;} ".repeat(11_111) + "c"];
  assert.deepEqual(...middles.map((middle) => estimateDifficulty(around(middle)).features.filter(({ name }) => name !== "length")));
  // Texts that make patterns run back and forth: a pattern that is not linear would take hours.
  for (const piece of [" ", "{ ", "{", "1", "1.", "a", "a^", "-", "\n- ", "\\", "expliqu", "\t\n", "((", ";;", "？", "é", "़", "😀"]) {
    for (const size of [100, 10_000_000]) {
      const { score } = estimateDifficulty(ask(piece.repeat(size)));
      assert.ok(score >= 0 && score <= 1);
    }
  }
  const many = Array.from({ length: 200_000 }, () => ({ type: "text", text: "word ".repeat(10) }));
  assert.ok(scoreOf(ask(many)) > 0);
  assert.ok(scoreOf({ messages: Array(200_000).fill({ role: "user", content: "Hi" }) }) < 0.5);
});

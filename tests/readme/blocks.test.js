import assert from "node:assert/strict";
import { test } from "node:test";
import { findBlocks } from "./blocks.js";

const markdown = (...lines) => lines.join("\n").replaceAll("'''", "```");

test("a marked block, and what it must print", () => {
  const { blocks, problems } = findBlocks(
    markdown("# Title", "<!-- runs: node; with: client, messages; answers: 429 -->", "'''ts", "a;", "", "b;", "'''", "", "'''text", "out", "'''"),
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(blocks, [
    {
      line: 4,
      language: "ts",
      code: "a;\n\nb;\n",
      runs: "node",
      given: ["client", "messages"],
      answers: "429",
      body: undefined,
      output: "out\n",
    },
  ]);
});

test("text that does not follow at once belongs to no block", () => {
  const { blocks } = findBlocks(markdown("<!-- runs: node -->", "'''js", "a", "'''", "Prose.", "'''text", "out", "'''"));
  assert.equal(blocks[0].output, undefined);
});

test("what a worker is sent comes last and may hold anything", () => {
  const { blocks } = findBlocks(markdown("<!-- runs: workerd; body: {\"a\":\"b; c: d\"} -->", "'''js", "a", "'''"));
  assert.equal(blocks[0].body, '{"a":"b; c: d"}');
});

test("a block that is only checked for its types", () => {
  const { blocks, problems } = findBlocks(markdown("<!-- types -->", "'''ts", "a", "'''"));
  assert.deepEqual(problems, []);
  assert.equal(blocks[0].runs, undefined);
});

test("shell, JSON and the like need no mark, and fences may nest", () => {
  const { blocks, problems } = findBlocks(
    markdown("'''sh", "make demo", "'''", "'''json", "{}", "'''", "''''md", "'''ts", "a", "'''", "''''"),
  );
  assert.deepEqual({ blocks, problems }, { blocks: [], problems: [] });
});

for (const [title, lines] of [
  ["TypeScript without a mark", ["'''ts", "a", "'''"]],
  ["JavaScript without a mark", ["'''js", "a", "'''"]],
  ["a mark without a block", ["<!-- runs: node -->", "Prose."]],
  ["a mark at the end", ["<!-- runs: node -->"]],
  ["two marks", ["<!-- types -->", "<!-- runs: node -->", "'''ts", "a", "'''"]],
  ["an unknown runtime", ["<!-- runs: moon -->"]],
  ["an unknown word", ["<!-- runs: node; twice: yes -->"]],
  ["a language that the runtime does not take", ["<!-- runs: browser -->", "'''sh", "a", "'''"]],
  ["types of JavaScript", ["<!-- types -->", "'''js", "a", "'''"]],
]) {
  test(`is a problem: ${title}`, () => {
    assert.equal(findBlocks(markdown(...lines)).problems.length, 1);
  });
}

/**
 * Runs the examples of README.md as they are printed, against the packed tarball, and checks the
 * types of those in TypeScript.
 *
 * An HTML comment before a block says what to do with it:
 *
 *   <!-- runs: node -->      run it in Node with HF_TOKEN set (also: browser, workerd, sh)
 *   <!-- types -->           only check its types
 *
 * Every block in JavaScript or TypeScript must have one. More can be said after a semicolon:
 *
 *   with: client, messages   the block takes these from the text around it (see `givens`)
 *   answers: 429             the services answer with this status (400, 401, 402, 429, 503), `cut`
 *                            their streams short, or are `offline`
 *   body: {"prompt":"Hi"}    what the worker is sent by POST, otherwise it gets a GET; comes last
 *
 * A block that runs must print something. When a ```text block follows it, it must print just that.
 */

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createConsumer, installedPackage, repository } from "../packaging/support/consumer.js";
import { findBlocks } from "./blocks.js";
import { closeBrowser, runInBrowser, runInNode, runInShell, runInWorkerd } from "./runtimes.js";

const readme = process.argv[2] ?? join(repository, "README.md");

const runners = { node: runInNode, browser: runInBrowser, workerd: runInWorkerd, sh: runInShell };

/** What a block may take from the text around it. One line each, so that line numbers stay right. */
const givens = {
  client:
    'import { InferenceClient as GivenClient } from "hf-inference-wasm"; const client = new GivenClient({ accessToken: process.env.HF_TOKEN });',
  model: 'const model = "openai/gpt-oss-120b";',
  messages: 'const messages = [{ role: "user", content: "Why is the sky blue?" }];',
  controller: "const controller = new AbortController();",
};

const libraries = {
  node: { lib: ["ES2022"], types: ["node"] },
  browser: { lib: ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"], types: [] },
  workerd: { lib: ["ES2022", "WebWorker", "WebWorker.AsyncIterable"], types: [] },
  types: { lib: ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"], types: ["node"] },
};

function program(block) {
  const given = block.given.map((name) => {
    if (!(name in givens)) throw new Error(`line ${block.line}: nothing called "${name}" is given`);
    return givens[name];
  });
  return given.join(" ") + (given.length > 0 ? " " : "") + block.code;
}

async function checkTypes(kind, blocks, directory) {
  const files = [];
  for (const block of blocks) {
    // A block without imports is a module all the same, hence .mts.
    const file = `README.${block.line}.mts`;
    await writeFile(join(directory, file), block.program);
    files.push(file);
  }
  const config = `tsconfig.${kind}.json`;
  const compilerOptions = {
    ...libraries[kind],
    noEmit: true,
    strict: true,
    target: "es2022",
    module: "nodenext",
    moduleDetection: "force",
  };
  await writeFile(join(directory, config), JSON.stringify({ compilerOptions, files }));
  const typescript = await installedPackage("typescript");
  const { bin } = JSON.parse(await readFile(join(typescript, "package.json"), "utf8"));
  return new Promise((resolve) => {
    const args = [join(typescript, bin.tsc), "--pretty", "false", "-p", config];
    execFile(process.execPath, args, { cwd: directory }, (error, stdout, stderr) => {
      if (!error) return resolve([]);
      // From the line in the block to the line in the README.
      const output = `${stdout}${stderr}`.trim();
      const inReadme = (_, first, line) => `line ${Number(first) + Number(line) - 1}`;
      resolve([output.replace(/README\.(\d+)\.mts\((\d+),\d+\)/g, inReadme)]);
    });
  });
}

const { blocks, problems } = findBlocks(await readFile(readme, "utf8"));
if (!blocks.some((block) => block.runs)) problems.push("no block of the README is marked to run");

const consumer = await createConsumer({ packages: ["@types/node"] });
try {
  for (const block of blocks) block.program = program(block);

  for (const kind of Object.keys(libraries)) {
    const typed = blocks.filter((block) => block.language === "ts" && (block.runs ?? "types") === kind);
    if (typed.length === 0) continue;
    const found = await checkTypes(kind, typed, consumer.directory);
    problems.push(...found);
    console.log(`${found.length ? "FAILED" : "ok"}: types of ${typed.length} blocks (${kind})`);
  }

  for (const block of blocks) {
    if (!block.runs) continue;
    const title = `line ${block.line}: ${block.language} in ${block.runs}`;
    try {
      const output = await runners[block.runs](block, { directory: consumer.directory });
      if (output.trim() === "") throw new Error("it printed nothing");
      if (block.output !== undefined && output.trim() !== block.output.trim()) {
        throw new Error(`it printed\n${output.trim()}\nbut the README says\n${block.output.trim()}`);
      }
      console.log(`ok: ${title}${block.output === undefined ? "" : ", printed what follows it"}`);
    } catch (error) {
      console.log(`FAILED: ${title}`);
      problems.push(`${title}: ${error.message}`);
    }
  }
} finally {
  await closeBrowser();
  await consumer.remove();
}

if (problems.length > 0) {
  for (const problem of problems) console.error(`README.md: ${problem}`);
  process.exitCode = 1;
}

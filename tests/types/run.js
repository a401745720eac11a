/**
 * Compiles the files beside this one, as a user's project would, against the declarations in the
 * packed tarball. Prints what was checked; fails if anything does not compile, or compiles although
 * it should not.
 */

import { execFile } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createConsumer, installedPackage } from "../packaging/support/consumer.js";

const source = fileURLToPath(new URL("./", import.meta.url));
const browser = { lib: ["ES2022", "DOM", "DOM.Iterable"], types: [] };
const own = ["overloads.ts", "responses.ts", "mistakes.ts", "resilience.ts", "cache.ts", "money.ts", "batch.ts", "route.ts"];

const checks = [
  ...["node16", "nodenext", "bundler"].map((moduleResolution) => ({
    title: `overloads, answers and mistakes, moduleResolution ${moduleResolution}`,
    files: own,
    options: { ...browser, module: moduleResolution === "bundler" ? "esnext" : moduleResolution, moduleResolution },
  })),
  {
    title: "overloads, answers and mistakes, without exactOptionalPropertyTypes and noUncheckedIndexedAccess",
    files: own,
    options: { ...browser, exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false },
  },
  {
    title: "requests of openai and @huggingface/inference",
    files: ["requests.ts"],
    options: { lib: ["ES2022", "DOM", "DOM.Iterable"], types: ["node"] },
  },
  {
    title: "requests of openai and @huggingface/inference, without exactOptionalPropertyTypes",
    files: ["requests.ts"],
    options: { lib: ["ES2022", "DOM", "DOM.Iterable"], types: ["node"], exactOptionalPropertyTypes: false },
  },
  ...["nodenext", "bundler"].map((moduleResolution) => ({
    title: `structured answers with zod, valibot, arktype and JSON Schema, moduleResolution ${moduleResolution}`,
    files: ["schemas.ts"],
    // ArkType's own declarations name Node's.
    options: { ...browser, types: ["node"], module: moduleResolution === "bundler" ? "esnext" : moduleResolution, moduleResolution },
  })),
  {
    title: "without the DOM library, with Node's types",
    files: ["without-dom.ts", "testing.ts"],
    options: { lib: ["ES2022"], types: ["node"] },
  },
  {
    title: "without the DOM library, with a consumer's own declaration of fetch",
    files: ["without-dom.ts", "testing.ts", "own-globals.d.ts"],
    options: { lib: ["ES2022"], types: [] },
  },
];

const strict = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  skipLibCheck: false,
  target: "es2022",
  module: "nodenext",
};

async function compilers() {
  const found = [];
  for (const name of ["typescript", "typescript5"]) {
    const folder = await installedPackage(name);
    const { version, bin } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    found.push({ version, script: join(folder, bin.tsc) });
  }
  return found;
}

function compile(script, directory, config) {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, "--pretty", "false", "-p", config], { cwd: directory }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: `${stdout}${stderr}`.trim() });
    });
  });
}

const consumer = await createConsumer({
  packages: [
    "@huggingface/inference",
    "@huggingface/tasks",
    "@types/node",
    "@valibot/to-json-schema",
    "arktype",
    "openai",
    "valibot",
    "zod",
  ],
});
let failed = 0;
try {
  for (const file of new Set(["exactly.ts", ...checks.flatMap((check) => check.files)])) {
    await copyFile(join(source, file), join(consumer.directory, file));
  }
  for (const { version, script } of await compilers()) {
    for (const [index, { title, files, options }] of checks.entries()) {
      const config = `tsconfig.${index}.json`;
      await writeFile(
        join(consumer.directory, config),
        JSON.stringify({ compilerOptions: { ...strict, ...options }, files }, null, 2),
      );
      const { ok, output } = await compile(script, consumer.directory, config);
      console.log(`${ok ? "ok" : "FAILED"}: TypeScript ${version}: ${title}`);
      if (!ok) {
        failed += 1;
        console.log(output.replace(/^/gm, "    "));
      }
    }
  }
} finally {
  await consumer.remove();
}

if (failed > 0) {
  console.error(`${failed} of the type checks failed.`);
  process.exitCode = 1;
}

/** What is in the tarball, and how it is found there. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, isAbsolute, join, posix, relative, sep } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { publint } from "publint";
import { createConsumer, installedPackage, packageName, repository, tarball } from "./support/consumer.js";

const run = promisify(execFile);

/** Each has its script, and the others' are in files that these share. */
const script = (name) => [`dist/${name}.js`, `dist/${name}.js.map`];
const declarations = (name) => `dist/${name}.d.ts`;
const conditional = ["edge-light", "inline", "node", "web", "workerd"].map((name) => `entries/${name}`);
const separate = ["cache", "estimate", "opentelemetry", "testing"];
const modules = ["accounts", "batch", "client", "errors", "exchange", "growing", "index", "instance", "json-schema", "options", "recall", "route", "schema", "stream", "structured", "trace"];

/** The name of a file that several scripts load, or that is loaded later, without what tells its content. */
const shared = (file) => /^dist\/(\w+)-[0-9A-Z]{8}\.js$/.exec(file)?.[1];

/** There is no source to map to, or most of it is another package's. */
const generated = ["dist/json-schema.js", "dist/module-base64.js"];

const entries = {
  workerd: "dist/entries/workerd.js",
  "edge-light": "dist/entries/edge-light.js",
  node: "dist/entries/node.js",
  deno: "dist/entries/node.js",
  bun: "dist/entries/node.js",
};

const files = [
  "LICENSE",
  "README.md",
  "package.json",
  "dist/hf_inference_wasm_bg.wasm",
  ...generated,
  "dist/json-schema.LICENSE.txt",
  ...[...conditional, ...separate].flatMap(script),
  ...[...conditional, ...separate, ...modules].map(declarations),
  // These hold types only: nothing is left of them at run time.
  "dist/types/chat.d.ts",
  "dist/types/generation.d.ts",
  "dist/types/money.d.ts",
  "dist/types/route.d.ts",
  "dist/types/schema.d.ts",
].sort();

describe("the packed package", () => {
  let consumer;
  let root;
  let manifest;
  let packed;

  before(async () => {
    consumer = await createConsumer();
    root = join(consumer.directory, "node_modules", packageName);
    manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const found = await readdir(root, { recursive: true, withFileTypes: true });
    packed = found
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join("/"))
      .sort();
  });

  after(() => consumer?.remove());

  const read = (file) => readFile(join(root, file), "utf8");
  const javascript = () => packed.filter((file) => file.endsWith(".js"));

  test("holds exactly the expected files", () => {
    const named = packed.filter((file) => shared(file.replace(/\.map$/, "")) === undefined);
    assert.deepEqual(named, files);
  });

  test("is one file for what every user loads, what that shares with parts which load later, and those parts", () => {
    assert.deepEqual(packed.map(shared).filter((name) => name !== undefined).sort(), ["accounts", "batch", "chunk", "chunk", "chunk", "chunk", "recall", "route"]);
  });

  test("holds only plain files below package/, readable by all", async () => {
    const { stdout } = await run("tar", ["-tvzf", tarball]);
    for (const line of stdout.trim().split("\n")) {
      assert.match(line, /^[-d]rw.r-.r-/, line);
      assert.match(line, / package\//, line);
    }
  });

  test("holds one .wasm", () => {
    assert.deepEqual(
      packed.filter((file) => file.endsWith(".wasm")),
      ["dist/hf_inference_wasm_bg.wasm"],
    );
  });

  test("has a licence that is the repository's", async () => {
    assert.equal(await read("LICENSE"), await readFile(join(repository, "LICENSE"), "utf8"));
    assert.ok(manifest.license, "package.json names the licence");
  });

  test("has the licence of the validator that is built into it, and names its author in it", async () => {
    const licence = await read("dist/json-schema.LICENSE.txt");
    assert.match(licence, /^Copyright \(c\) 2020 Jeremy Danyow$/m);
    assert.match(licence, /^Permission is hereby granted, free of charge/m);
    assert.match(await read("dist/json-schema.js"), /^\/\*! .*Copyright \(c\) 2020 Jeremy Danyow.*json-schema\.LICENSE\.txt/);
  });

  test("imports nothing but its own files and Node's", async () => {
    for (const file of javascript()) {
      const content = await read(file);
      for (const [, specifier] of content.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)) {
        assert.match(specifier, /^(\.|node:)/, file);
      }
    }
  });

  test("has the repository's README", async () => {
    const readme = await read("README.md");
    assert.match(readme, /^# /m);
    assert.equal(readme, await readFile(join(repository, "README.md"), "utf8"));
  });

  test("has the version of Cargo.toml", async () => {
    const cargo = await readFile(join(repository, "Cargo.toml"), "utf8");
    const [, version] = /^\[package\][^[]*?^version\s*=\s*"([^"]+)"/ms.exec(cargo) ?? [];
    assert.ok(version, "Cargo.toml has a version");
    assert.equal(manifest.version, version);
  });

  test("has no dependencies and runs nothing when installed", () => {
    for (const field of ["dependencies", "optionalDependencies", "peerDependencies", "bundleDependencies"]) {
      assert.equal(manifest[field], undefined, field);
    }
    for (const script of ["preinstall", "install", "postinstall", "prepare"]) {
      assert.equal(manifest.scripts?.[script], undefined, script);
    }
  });

  test("is an ES module for Node 20 and later", () => {
    assert.equal(manifest.type, "module");
    assert.match(manifest.engines.node, /^>=\s*20/);
  });

  test("names the types first", () => {
    assert.equal(Object.keys(manifest.exports["."])[0], "types");
    assert.equal(Object.keys(manifest.exports["./inline"])[0], "types");
    assert.equal(Object.keys(manifest.exports["./cache"])[0], "types");
    assert.equal(Object.keys(manifest.exports["./testing"])[0], "types");
    assert.equal(Object.keys(manifest.exports["."]).at(-1), "default");
  });

  describe("resolves to", () => {
    // Each condition alone, by a resolver that adds none of its own.
    async function resolved(specifier, conditions) {
      const result = await build({
        absWorkingDir: consumer.directory,
        stdin: { contents: `export * from ${JSON.stringify(specifier)};`, resolveDir: consumer.directory },
        bundle: true,
        write: false,
        metafile: true,
        format: "esm",
        platform: "neutral",
        external: ["node:*"],
        loader: { ".wasm": "file" },
        outdir: consumer.directory,
        conditions,
        logLevel: "silent",
      });
      const imports = result.metafile.inputs["<stdin>"].imports;
      assert.equal(imports.length, 1);
      return relative(root, join(consumer.directory, imports[0].path)).split(sep).join("/");
    }

    for (const [condition, file] of Object.entries(entries)) {
      test(`${file} under "${condition}"`, async () => {
        assert.equal(await resolved(packageName, [condition]), file);
      });
    }

    test('dist/entries/workerd.js under "workerd" and "node" together', async () => {
      assert.equal(await resolved(packageName, ["node", "browser", "worker", "workerd"]), "dist/entries/workerd.js");
    });

    test("dist/entries/web.js otherwise", async () => {
      assert.equal(await resolved(packageName, []), "dist/entries/web.js");
      assert.equal(await resolved(packageName, ["browser", "import", "module"]), "dist/entries/web.js");
    });

    test("dist/entries/inline.js as ./inline, everywhere", async () => {
      for (const conditions of [[], ["node"], ["browser"]]) {
        assert.equal(await resolved(`${packageName}/inline`, conditions), "dist/entries/inline.js");
      }
    });
  });

  test("every exported path exists", async () => {
    const targets = (value) => (typeof value === "string" ? [value] : Object.values(value).flatMap(targets));
    for (const target of targets(manifest.exports)) {
      assert.ok(packed.includes(posix.normalize(target)), target);
    }
  });

  describe("in Node", () => {
    const node = (code) =>
      run(process.execPath, ["--input-type=module", "--eval", code], { cwd: consumer.directory });

    test("imports, with the same names from both entries", async () => {
      const { stdout } = await node(`
        import * as main from "${packageName}";
        import * as inline from "${packageName}/inline";
        console.log(JSON.stringify([Object.keys(main), Object.keys(inline)]));
      `);
      const [main, inline] = JSON.parse(stdout);
      assert.deepEqual(inline, main);
      for (const name of ["InferenceClient", "InferenceError", "init", "isRateLimitError"]) {
        assert.ok(main.includes(name), name);
      }
    });

    test("gives its package.json", async () => {
      const { stdout } = await node(`
        import { createRequire } from "node:module";
        console.log(createRequire(import.meta.url)("${packageName}/package.json").version);
      `);
      assert.equal(stdout.trim(), manifest.version);
    });

    test("gives its raw .wasm, which init() takes", async () => {
      const { stdout } = await node(`
        import { readFile } from "node:fs/promises";
        import { init } from "${packageName}";
        const bytes = await readFile(new URL(import.meta.resolve("${packageName}/hf-inference-wasm.wasm")));
        await WebAssembly.compile(bytes);
        await init(bytes);
        console.log("ready");
      `);
      assert.equal(stdout.trim(), "ready");
    });

    test("keeps its other files to itself", async () => {
      await assert.rejects(node(`await import("${packageName}/dist/index.js")`), /ERR_PACKAGE_PATH_NOT_EXPORTED/);
    });
  });

  test("says which files do something when imported: the entries, which know where the .wasm is", () => {
    assert.deepEqual(manifest.sideEffects, ["./dist/entries/*.js"]);
  });

  test("leaves the client out of a bundle that does not use it", async () => {
    const bundle = async (contents) => {
      const result = await build({
        stdin: { contents, resolveDir: consumer.directory },
        bundle: true,
        write: false,
        format: "esm",
        external: ["node:*"],
        minify: true,
        logLevel: "silent",
      });
      return result.outputFiles[0].text;
    };
    const used = await bundle(`export { InferenceClient } from "${packageName}";`);
    const unused = await bundle(`import { InferenceClient } from "${packageName}";`);
    assert.ok(used.includes("chatCompletionStream"));
    assert.ok(!unused.includes("chatCompletionStream"));
  });

  test("has stores for a cache that load nothing of the rest, and of which a bundle has those it uses", async () => {
    const bundle = async (contents) => {
      const stdin = { contents, resolveDir: consumer.directory };
      const result = await build({ stdin, bundle: true, write: false, format: "esm", metafile: true, minify: true, logLevel: "silent" });
      return [result.outputFiles[0].text, Object.keys(result.metafile.inputs).map((name) => posix.basename(name))];
    };
    const [text, inputs] = await bundle(`export { indexedDbStore } from "${packageName}/cache";`);
    assert.deepEqual(inputs.sort(), ["<stdin>", "cache.js"]);
    assert.ok(text.includes("indexedDB") && !text.includes("caches"), text);
    const main = await build({
      stdin: { contents: `export { InferenceClient } from "${packageName}";`, resolveDir: consumer.directory },
      bundle: true,
      splitting: true,
      outdir: consumer.directory,
      write: false,
      format: "esm",
      external: ["node:*"],
      logLevel: "silent",
    });
    const first = main.outputFiles.find(({ path }) => path.endsWith("stdin.js")).text;
    assert.ok(!first.includes("event: failed"), "what cache needs is loaded by the first call that has it");
    assert.ok(main.outputFiles.some(({ text }) => text.includes("event: failed")));
  });

  test("has a source map with its sources for every file written in TypeScript", async () => {
    for (const file of javascript().filter((name) => !generated.includes(name))) {
      const [, reference] = /^\/\/# sourceMappingURL=(.*)$/m.exec(await read(file)) ?? [];
      assert.equal(reference, posix.basename(`${file}.map`), file);
      const map = JSON.parse(await read(`${file}.map`));
      // What only hands on what another file has, has no code to map.
      if ((await read(file)).replace(/^(import|export) \{[^}]*\}( from "[^"]+")?;$|^\/\/.*$/gm, "").trim() === "") continue;
      assert.ok(map.mappings.length > 0, file);
      assert.ok(map.sources.length > 0, file);
      for (const [index, source] of map.sources.entries()) {
        assert.ok(!isAbsolute(source) && !source.includes(":"), `${file}: ${source}`);
        const path = posix.join(posix.dirname(file), map.sourceRoot ?? "", source);
        assert.ok(!path.startsWith(".."), `${file}: ${source} is outside the package`);
        assert.equal(typeof map.sourcesContent?.[index], "string", `${file}: ${source} is not embedded`);
      }
    }
  });

  test("has no map that nobody refers to", () => {
    for (const file of packed.filter((name) => name.endsWith(".map"))) {
      assert.ok(packed.includes(file.slice(0, -".map".length)), file);
    }
  });

  test("evaluates no text as code", async () => {
    for (const file of javascript()) {
      assert.doesNotMatch(await read(file), /\beval\s*\(|\bFunction\s*\(/, file);
    }
  });

  test("names no path of a machine and no package registry", async () => {
    const { stdout: registry } = await run("npm", ["config", "get", "registry"], { cwd: consumer.directory });
    const forbidden = [repository, homedir(), tmpdir(), new URL(registry.trim()).host].filter((text) => text.length > 1);
    const absolute = /(?<![\w.)/])\/(?:home|root|Users|tmp|private|opt|mnt|build|github)\/[\w.-]+/;
    for (const file of packed) {
      const content = await readFile(join(root, file), "latin1");
      for (const text of forbidden) {
        // "/tmp" and the like may be part of a longer word.
        const at = content.indexOf(text.endsWith("/") ? text : `${text}/`);
        assert.equal(at, -1, `${file} has ${text}: ${content.slice(at, at + 80)}`);
      }
      assert.doesNotMatch(content, absolute, file);
      assert.ok(!content.includes(".cargo/registry"), `${file} names Cargo's folder`);
    }
  });

  test("satisfies publint", async () => {
    const content = await readFile(tarball);
    const { messages } = await publint({
      pack: { tarball: content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength) },
      strict: true,
    });
    assert.deepEqual(messages, []);
  });

  test("satisfies attw", async () => {
    const folder = await installedPackage("@arethetypeswrong/cli");
    const { bin } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const script = join(folder, typeof bin === "string" ? bin : bin.attw);
    const result = run(process.execPath, [
      script, tarball, "--profile", "esm-only", "--format", "ascii", "--no-emoji", "--no-color",
      // The raw .wasm is data: it has no types.
      "--exclude-entrypoints", "./hf-inference-wasm.wasm",
    ]);
    const { stdout } = await result.catch((error) => assert.fail(error.stdout || error.message));
    assert.equal(stdout.match(/^node16 \(from ESM\): OK \(ESM\)$/gm)?.length, 6, stdout);
    assert.equal(stdout.match(/^bundler: OK ?$/gm)?.length, 6, stdout);
  });
});

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import { packageName } from "../../packaging/support/consumer.js";

/**
 * A worker and the files of the installed package, as the modules of miniflare, without a bundler.
 *
 * @param {string} directory the project that has the package installed
 * @param {URL[]} files the worker's own modules, the main one first
 */
export async function workerModules(directory, ...files) {
  const modules = [];
  for (const file of files) modules.push({ type: "ESModule", path: file.pathname.replace(/^.*\//, ""), contents: await readFile(file, "utf8") });
  const root = join(directory, "node_modules", packageName);
  for (const name of await readdir(join(root, "dist"), { recursive: true })) {
    const path = `dist/${name}`;
    if (name.endsWith(".wasm")) modules.push({ type: "CompiledWasm", path, contents: await readFile(join(root, path)) });
    if (name.endsWith(".js")) modules.push({ type: "ESModule", path, contents: await readFile(join(root, path), "utf8") });
  }
  return modules;
}

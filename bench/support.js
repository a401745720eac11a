/** What the measurements share. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import { installPackage } from "../tests/runtimes/install-package.js";

/** The packed package, installed as any user's project would have it. */
export async function importPackage() {
  const { folder } = await installPackage();
  const consumer = createRequire(`${folder}/package.json`);
  return import(pathToFileURL(consumer.resolve("hf-inference-wasm")).href);
}

/** The CPU time that `run` takes in this process, in milliseconds. */
export async function cpuMilliseconds(run) {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The middle of `values`. */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

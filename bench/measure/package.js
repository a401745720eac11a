/** The packed package, installed as any user's project would have it. */
import { cp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import { installPackage } from "../../tests/runtimes/install-package.js";

export const ourFolder = fileURLToPath(new URL("../node_modules/hf-inference-wasm/", import.meta.url));
export const wasmFile = `${ourFolder}dist/hf_inference_wasm_bg.wasm`;

/** Puts it beside the peers. A copy of what npm installed: a build in the meantime changes nothing under a run. */
export async function installOurs() {
  const { packageFolder, manifest } = await installPackage();
  await rm(ourFolder, { recursive: true, force: true });
  await cp(packageFolder, ourFolder, { recursive: true });
  return manifest.version;
}

/** @returns {[string, string][]} the peers with their versions, as installed */
export function peerVersions() {
  const require = createRequire(import.meta.url);
  const { dependencies } = require("../package.json");
  const lock = require("../node_modules/.package-lock.json").packages;
  return Object.keys(dependencies).map((name) => [name, lock[`node_modules/${name}`].version]);
}

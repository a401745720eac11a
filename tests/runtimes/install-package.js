import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tarball = join(root, "target/package/hf-inference-wasm.tgz");
const name = "hf-inference-wasm";

/**
 * Makes target/consumer/ a project that depends on the packed package, as any user's would, with a copy of the checks
 * inside, so that they import the package by its public name.
 * @returns {Promise<{ folder: string, manifest: any, packageFolder: string }>}
 */
export async function installPackage() {
  const folder = join(root, "target/consumer");
  const packageFolder = join(folder, "node_modules", name);
  const stamp = join(folder, "tarball.sha256");
  const digest = createHash("sha256").update(await packed()).digest("hex");

  if ((await readFile(stamp, "utf8").catch(() => "")) !== digest) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const project = { name: "consumer", private: true, type: "module", dependencies: { [name]: `file:${tarball}` } };
    await writeFile(join(folder, "package.json"), JSON.stringify(project, null, 2));
    // Offline: the package has no dependencies, and this proves it.
    await promisify(execFile)("npm", ["install", "--offline", "--no-package-lock", "--no-audit", "--no-fund"], { cwd: folder });
    await writeFile(stamp, digest);
  }

  for (const part of ["runtimes", "server"]) {
    await rm(join(folder, "tests", part), { recursive: true, force: true });
    await cp(join(root, "tests", part), join(folder, "tests", part), { recursive: true });
  }
  const manifest = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8"));
  return { folder, manifest, packageFolder };
}

async function packed() {
  try {
    return await readFile(tarball);
  } catch (error) {
    throw new Error(`${tarball} is missing. "make package" builds it.`, { cause: error });
  }
}

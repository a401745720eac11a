/**
 * A project that has the packed tarball installed, as a user would have it: never the sources.
 */

import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const repository = fileURLToPath(new URL("../../../", import.meta.url));
export const packageName = "hf-inference-wasm";

/** The tarball under test; `PACKAGE_TARBALL` names another one. */
export const tarball =
  process.env.PACKAGE_TARBALL ?? join(repository, "target", "package", `${packageName}.tgz`);

const moduleFolders = [
  join(repository, "tests", "node_modules"),
  join(repository, "tests", "packaging", "node_modules"),
];

async function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function requireTarball() {
  if (!(await exists(tarball))) throw new Error(`${tarball} is missing. Run "make package" first.`);
}

/**
 * Where a development dependency of the tests is installed.
 *
 * @param {string} name
 */
export async function installedPackage(name) {
  for (const folder of moduleFolders) {
    const path = join(folder, name);
    if (await exists(path)) return path;
  }
  throw new Error(`${name} is not installed. Run "npm ci" in tests/ and in tests/packaging/.`);
}

/**
 * Unpacks the tarball into a new folder.
 *
 * @param {string} folder
 */
export async function unpack(folder) {
  await requireTarball();
  await mkdir(folder, { recursive: true });
  await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", folder]);
}

/**
 * Makes a project with the tarball and the given packages in its node_modules.
 *
 * The package has no dependencies (a test holds it to that), so unpacking it is all that an
 * installation does.
 *
 * @param {{ packages?: string[] }} [options]
 */
export async function createConsumer({ packages = [] } = {}) {
  await requireTarball();
  // The real path, because bundlers report real paths and macOS's temporary folder is a link.
  const directory = await realpath(await mkdtemp(join(tmpdir(), "hf-inference-wasm-consumer-")));
  await writeFile(join(directory, "package.json"), '{ "private": true, "type": "module" }\n');
  await unpack(join(directory, "node_modules", packageName));
  for (const name of packages) {
    const link = join(directory, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(await installedPackage(name), link, "dir");
  }
  return {
    directory,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

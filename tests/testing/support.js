import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";

import { createConsumer, packageName } from "../packaging/support/consumer.js";

/** The packed package, in a project of its own until the tests of this file are over. */
export async function usePackage() {
  const { directory, remove } = await createConsumer();
  after(remove);
  const packageFolder = join(directory, "node_modules", packageName);
  const manifest = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8"));
  const entryOf = (name) => join(packageFolder, manifest.exports[name].node ?? manifest.exports[name].default);
  return {
    directory,
    packageFolder,
    manifest,
    entryOf,
    library: await import(pathToFileURL(entryOf("."))),
    testing: await import(pathToFileURL(entryOf("./testing"))),
  };
}

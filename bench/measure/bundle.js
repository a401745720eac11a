/** What bundlers make of a client. */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { esbuild } from "./tools.js";

export const benchFolder = fileURLToPath(new URL("..", import.meta.url));

/**
 * @param {string} contents the source of the entry
 * @param {string} [folder] where it lies, as it were
 * @returns {Promise<{ files: Map<string, Uint8Array>, first: string[] }>} the files by name, and the names of those that the entry
 * needs before it can run; the others are loaded when they are asked for. The entry is `main.js`.
 */
export async function bundle(contents, folder = benchFolder) {
  const { outputFiles, metafile } = await esbuild.build({
    stdin: { contents, resolveDir: folder, sourcefile: "main.js" },
    absWorkingDir: folder,
    outdir: folder,
    entryNames: "[name]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    platform: "browser",
    target: "es2022",
    format: "esm",
    minify: true,
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "error",
  });
  const entry = Object.keys(metafile.outputs).find((name) => metafile.outputs[name].entryPoint?.endsWith("main.js"));
  const files = new Map(outputFiles.map(({ path, contents: bytes }) => [path === join(folder, entry) ? "main.js" : basename(path), bytes]));
  const first = new Set();
  const add = (name) => {
    if (first.has(name)) return;
    first.add(name);
    for (const { path, kind, external } of metafile.outputs[name].imports) if (kind === "import-statement" && !external) add(path);
  };
  add(entry);
  return { files, first: [...first].map((name) => (name === entry ? "main.js" : basename(name))) };
}

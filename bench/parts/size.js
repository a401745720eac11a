/** What a client costs a page. */
import { readFile } from "node:fs/promises";

import { clients, names, withReference } from "../clients.js";
import { bundle } from "../measure/bundle.js";
import { wasmFile } from "../measure/package.js";
import { weighAll } from "../measure/weigh.js";

export const title = "Size";

export const method = [
  "What a browser downloads before a chat can begin: esbuild makes one bundle of each client (`--bundle --splitting --minify --platform=browser --format=esm --target=es2022`), of a module that exports what a streaming chat needs and nothing else. Ours is the JavaScript of the `web` entry and the WebAssembly module, each compressed as the file that it is.",
  "Files that a client loads later, if at all, count for nobody; \"later\" has them. `eventsource-parser` is a parser and no client: it is there to show the floor.",
];

const bytes = (key, head = key) => ({ head: `${head}, bytes`, value: (sample) => sample[key], digits: 0 });

export async function run() {
  const rows = [];
  for (const name of withReference) {
    const client = clients.get(name);
    const { files, first } = await bundle(client.exports);
    const now = first.map((file) => files.get(file));
    const later = [...files].filter(([file]) => !first.includes(file)).map(([, content]) => content);
    if (client.ours) now.push(await readFile(wasmFile));
    rows.push({ name: client.ours ? "hf-inference-wasm (JS + wasm)" : name, ours: client.ours, samples: [{ ...weighAll(now), later: weighAll(later).gzip }] });
    if (client.ours) {
      const [javaScript, wasm] = [weighAll(now.slice(0, -1)), weighAll(now.slice(-1))];
      rows.push({ name: "of it, JavaScript", part: true, samples: [{ ...javaScript, later: 0 }] }, { name: "of it, wasm", part: true, samples: [{ ...wasm, later: 0 }] });
    }
  }
  return [
    {
      title: "Bundle for a browser",
      key: "size",
      reference: names.huggingFace,
      exact: true,
      columns: [bytes("gzip"), bytes("raw", "minified"), bytes("brotli"), { head: "later, gzip", value: (sample) => sample.later, digits: 0 }],
      rows,
    },
  ];
}

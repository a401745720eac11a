#!/usr/bin/env bash
# Packs pkg-js into target/package/hf-inference-wasm.tgz, and nothing that was not built for it.
set -euo pipefail
cd "$(dirname "$0")/.."

stage=target/package/stage
rm -rf target/package
mkdir -p "$stage"
cp -r pkg-js/dist "$stage/dist"
cp README.md LICENSE "$stage/"
# What only the build needs stays here.
node --input-type=module -e '
  import { readFileSync, writeFileSync } from "node:fs";
  const { devDependencies, ...manifest } = JSON.parse(readFileSync("pkg-js/package.json", "utf8"));
  writeFileSync("target/package/stage/package.json", JSON.stringify(manifest, null, 2) + "\n");
'
(cd "$stage" && npm pack --silent --pack-destination .. >/dev/null)
mv target/package/hf-inference-wasm-*.tgz target/package/hf-inference-wasm.tgz
rm -rf "$stage"
printf 'packed target/package/hf-inference-wasm.tgz (%s bytes)\n' "$(stat -c %s target/package/hf-inference-wasm.tgz)"

#!/usr/bin/env bash
# Packs pkg-js into target/package/hf-inference-wasm.tgz, and nothing that was not built for it.
# DIST and PACKAGE name other folders: of what was built, and for the tarball.
set -euo pipefail
cd "$(dirname "$0")/.."

package=${PACKAGE:-target/package}
stage=$package/stage
rm -rf "$package"
mkdir -p "$stage"
cp -r "${DIST:-pkg-js/dist}" "$stage/dist"
cp README.md LICENSE "$stage/"
# What only the build needs stays here.
node --input-type=module -e '
  import { readFileSync, writeFileSync } from "node:fs";
  const [stage] = process.argv.slice(1);
  const { devDependencies, ...manifest } = JSON.parse(readFileSync("pkg-js/package.json", "utf8"));
  writeFileSync(`${stage}/package.json`, JSON.stringify(manifest, null, 2) + "\n");
' "$stage"
(cd "$stage" && npm pack --silent --pack-destination .. >/dev/null)
mv "$package"/hf-inference-wasm-*.tgz "$package/hf-inference-wasm.tgz"
rm -rf "$stage"
printf 'packed %s (%s bytes)\n' "$package/hf-inference-wasm.tgz" "$(stat -c %s "$package/hf-inference-wasm.tgz")"

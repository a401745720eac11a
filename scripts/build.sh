#!/usr/bin/env bash
# Builds the package: Rust → WebAssembly → glue → optimised module → pkg-js/dist.
# Needs what scripts/setup.sh installs; `make build` calls both.
# Builds for tests (scripts/build-trap.sh) have a folder of their own and features of the crate: DIST, TARGET, FEATURES.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

# tsc finds the glue's types in target/glue, which are the same in every build.
target=${TARGET:-target}
dist=${DIST:-pkg-js/dist}
wasm=$target/wasm32-unknown-unknown/release/hf_inference_wasm.wasm
glue=$target/glue

# No path of the machine that built it ends up in the module.
remap="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$PWD=. --remap-path-prefix=$(rustc --print sysroot)=rust"
# `rustc --crate-type cdylib`: as long as the tests' library is built along, Cargo leaves out the optimisation at link time.
compile() {
  "$1" rustc --lib --crate-type cdylib --locked --release --target wasm32-unknown-unknown --target-dir "$target" \
    --features "${FEATURES:-}" "${@:2}"
}

say "core → WebAssembly"
if [ -f target/setup/debian-rust ]; then
  # Stable Rust had no WebAssembly target to give: Debian's compiler builds its own standard library.
  RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTFLAGS=$remap CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld \
    compile /usr/bin/cargo -Z build-std=std,panic_abort
elif [ -f target/setup/ready-made-std ]; then
  RUSTFLAGS=$remap compile cargo
else
  # A panic is a trap: nobody would hear what it says. The words and their formatting are 4 KB gzip of the module.
  # LLVM's switches make 2 KB less of it: no second variable for a loop's addresses, no code in two places in order to
  # load once, no copying of structs word by word. A toolchain that has dropped one does without.
  switches=()
  for switch in -disable-lsr -enable-load-pre=false -max-store-memcpy=2 -max-store-memset=2; do
    ! rustc "-Cllvm-args=$switch" --print cfg >/dev/null 2>&1 || switches+=("-Cllvm-args=$switch")
  done
  RUSTC_BOOTSTRAP=1 RUSTFLAGS="$remap -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none" \
    compile cargo -Z build-std=std,panic_abort -Z build-std-features=optimize_for_size -- "${switches[@]}"
fi

say "glue"
cargo build --locked --quiet --manifest-path scripts/bindgen/Cargo.toml --target-dir target/bindgen
rm -rf "$glue"
target/bindgen/debug/bindgen "$wasm" "$glue"
node scripts/guard-glue.js "$glue"

say "optimised module"
# Compressed, a function called once is smaller apart than inlined, and what is computed twice smaller than one local more.
# Of the lowest KB of the memory it may assume that nothing reaches it by an overflow: it is the far end of the stack.
# The features are named: with --all-features it emits code that Node 20 refuses.
pkg-js/node_modules/.bin/wasm-opt --flatten --rereloop -Oz -Oz --one-caller-inline-max-function-size=20 \
  --skip-pass=local-cse --low-memory-unused --strip-debug --strip-producers --minify-imports-and-exports-and-modules \
  --enable-bulk-memory --enable-bulk-memory-opt --enable-reference-types --enable-sign-ext \
  --enable-nontrapping-float-to-int --enable-mutable-globals --enable-multivalue \
  "$glue/hf_inference_wasm_bg.wasm" -o "$glue/optimised.wasm" >"$glue/names.json"

say "TypeScript → $dist"
scripts=$target/scripts
rm -rf "$dist" "$scripts"
pkg-js/node_modules/.bin/tsc -p pkg-js --outDir "$scripts"
node scripts/shorten-names.js "$glue/names.json" "$glue/hf_inference_wasm.js" "$scripts/hf_inference_wasm.js"
# One file for what every user loads, and one for each part that only some do: twelve files take Node twice
# as long, and a page without a bundler as many turns as they are deep.
out=$(realpath -m "$dist")
esbuild=$PWD/pkg-js/node_modules/.bin/esbuild
(
  cd "$scripts"
  "$esbuild" entries/*.js cache.js estimate.js opentelemetry.js testing.js --outdir="$out" --outbase=. --chunk-names='[name]-[hash]' \
    --bundle --splitting --format=esm --platform=neutral --target=es2022 --sourcemap --log-level=warning \
    --external:'node:*' --external:'*.wasm' --external:'*.wasm?module' --external:'*/json-schema.js' --external:'*/module-base64.js'
  find . -name '*.d.ts' -exec cp --parents {} "$out/" \;
)
# The glue has no source but itself.
sed -i 's#"[^"]*/hf_inference_wasm\.js"#"hf_inference_wasm.js"#' "$dist"/*.map
# The validator of JSON Schemas goes into the file that uses it, so that the package has no dependencies.
# Without `self` it takes no page's address for the base of references: that of a worker made of a blob is none.
NODE_PATH=$PWD/pkg-js/node_modules "$esbuild" "$scripts/json-schema.js" --outfile="$dist/json-schema.js" \
  --bundle --minify --format=esm --target=es2022 --define:self=undefined --log-level=warning \
  --banner:js="/*! Contains @cfworker/json-schema, MIT licence, Copyright (c) 2020 Jeremy Danyow: see json-schema.LICENSE.txt */"
cp pkg-js/json-schema.LICENSE.txt "$dist/"
cp "$glue/optimised.wasm" "$dist/hf_inference_wasm_bg.wasm"
node --input-type=module -e '
  import { readFileSync, writeFileSync } from "node:fs";
  const [dist] = process.argv.slice(1);
  const base64 = readFileSync(`${dist}/hf_inference_wasm_bg.wasm`).toString("base64");
  writeFileSync(`${dist}/module-base64.js`, `export const base64 = "${base64}";\n`);
' "$dist"
[ "$dist" != pkg-js/dist ] || node scripts/size.js --quick

#!/usr/bin/env bash
# Formatting, clippy on both targets, and the rules of the house that no compiler checks.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "formatting"
cargo fmt --check
cargo fmt --check --manifest-path tests/fuzz/Cargo.toml

say "clippy"
cargo clippy --locked --quiet --all-targets -- -D warnings
if [ ! -f target/setup/debian-rust ]; then
  cargo clippy --locked --quiet --target wasm32-unknown-unknown -- -D warnings
fi

say "rules of the house"
broken=0
rule() { # what is wrong, lines that show it
  [ -z "$2" ] && return
  printf '%s\n%s\n' "$1" "$2" >&2
  broken=1
}

rule "The core knows no JavaScript:" \
  "$(grep -rnE 'wasm_bindgen|web_sys|js_sys|gloo' src/core || true)"
rule "Only the boundary binds to JavaScript:" \
  "$(grep -rln '#\[wasm_bindgen' src | grep -v '^src/web/' || true)"

# Rooms know the wire and the ground floor (ports, error, secret), never the engine or each other.
for room in cache provider resilience usage wire; do
  others=$(ls -d src/core/*/ | xargs -n1 basename | grep -vx -e "$room" -e wire | paste -sd'|')
  rule "$room reaches into another room:" \
    "$(grep -rnE "(crate::core|super::super)::($others)\b" "src/core/$room" || true)"
done

rule "A path of a machine or a registry's address in the repository:" \
  "$(git grep -nIE '/(root|home)/[a-z]|registry\.npmjs|index\.crates\.io' -- \
    ':!*.lock' ':!scripts/lint.sh' ':!tests/packaging' || true)"

crate=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
package=$(node -p 'require("./pkg-js/package.json").version')
[ "$crate" = "$package" ] || rule "The versions differ:" "Cargo.toml $crate, package.json $package"

bindgen=$(sed -n 's/^wasm-bindgen = "=\(.*\)"/\1/p' Cargo.toml)
helper=$(sed -n 's/^wasm-bindgen-cli-support = "=\(.*\)"/\1/p' scripts/bindgen/Cargo.toml)
[ "$bindgen" = "$helper" ] || rule "The glue generator's version differs:" "wasm-bindgen $bindgen, helper $helper"

exit "$broken"

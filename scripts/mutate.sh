#!/usr/bin/env bash
# Shows that the simulation can fail: plants one bug after the other (tests/simulation/mutations) in a copy of the
# crate, and demands that the simulation finds each. `scripts/mutate.sh gate-ignored …` plants only those.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
calls=${CALLS:-150000}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/tests"
cp -r Cargo.toml Cargo.lock rust-toolchain.toml README.md src "$copy/"
cp -r tests/common tests/core tests/simulation "$copy/tests/"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/mutations}

cd "$copy"
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for patch in tests/simulation/mutations/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

simulate() { CALLS=$calls timeout 600 cargo test --locked --quiet --profile simulation --test simulation every_run >"$copy/log" 2>&1; }

if ! simulate; then
  tail -n 20 "$copy/log"
  echo 'the simulation fails without any bug planted'
  exit 1
fi
missed=0
for name in "${names[@]}"; do
  patch=tests/simulation/mutations/$name.patch
  patch --quiet --strip=1 <"$patch"
  if simulate; then
    echo "MISSED  $name"
    missed=$((missed + 1))
  elif grep -q '^seed [0-9]*: ' "$copy/log"; then
    echo "found   $name: $(grep -m1 '^seed [0-9]*: ' "$copy/log" | cut -c1-110)"
  else
    tail -n 20 "$copy/log"
    echo "BROKEN  $name does not run"
    missed=$((missed + 1))
  fi
  patch --quiet --strip=1 --reverse <"$patch"
done
[ "$missed" -eq 0 ]

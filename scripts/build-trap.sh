#!/usr/bin/env bash
# Builds and packs the package with a core that traps on demand, for tests/trap: target/trap/package/hf-inference-wasm.tgz.
# It never comes near pkg-js/dist or target/package.
set -euo pipefail
cd "$(dirname "$0")/.."

export TARGET=target/trap DIST=target/trap/dist PACKAGE=target/trap/package FEATURES=forced-trap
scripts/build.sh
scripts/package.sh

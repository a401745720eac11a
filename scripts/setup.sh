#!/usr/bin/env bash
# Installs what the build needs, and nothing on the system: the WebAssembly target of Rust, the sources of its
# standard library and the package's own npm tools. Idempotent: a second run only looks.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

mkdir -p target/setup

command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs"
command -v node >/dev/null || die "Node is missing: install version 20 or later"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' ||
  die "Node $(node --version) is too old: 20 or later is needed"

has_target() {
  [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ]
}

if has_target; then
  rm -f target/setup/debian-rust
elif [ ! -f target/setup/debian-rust ]; then
  say "Rust's WebAssembly target"
  rustup target add wasm32-unknown-unknown || true
  if ! has_target; then
    # Debian has the compiler together with the sources of the standard library, which it then builds.
    say "not to be had; falling back on Debian's rustc-web"
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
      die "run: rustup target add wasm32-unknown-unknown"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      rustc-web cargo-web rust-web-src rust-web-llvm lld
    touch target/setup/debian-rust
  fi
fi

# With the sources of its standard library, stable Rust can build it so that a panic is a trap and nothing else
# (scripts/build.sh). Without them the module is some 5 KB larger, and no different otherwise.
if [ ! -f target/setup/debian-rust ] && [ ! -f target/setup/ready-made-std ] &&
  [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
  say "the sources of Rust's standard library"
  rustup component add rust-src || { say "not to be had: the module will be larger"; touch target/setup/ready-made-std; }
fi

if ! cmp -s pkg-js/package-lock.json target/setup/pkg-js.lock || [ ! -d pkg-js/node_modules ]; then
  say "npm tools of the build"
  npm ci --prefix pkg-js --no-fund --no-audit
  cp pkg-js/package-lock.json target/setup/pkg-js.lock
fi

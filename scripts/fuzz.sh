#!/usr/bin/env bash
# Fuzzes the core: `scripts/fuzz.sh [target] [seconds]`, by default every target for a minute each.
# What libFuzzer says is in tests/fuzz/corpus/<target>.log, an input that fails in tests/fuzz/artifacts/.
# A small one of each finding is kept in tests/fuzz/seeds/<target>/, which every run begins with.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${2:-60}
tools=$PWD/target/tools
fuzz=tests/fuzz

say() { printf '\n== %s\n' "$*"; }

if ! [ -x "$tools/bin/cargo-fuzz" ]; then
  say "cargo-fuzz"
  cargo install cargo-fuzz --locked --quiet --root "$tools"
fi

# The core has no unsafe code: a sanitizer of memory would only cost half of the speed.
options=(--fuzz-dir "$fuzz" --sanitizer none)
if cargo +nightly --version >/dev/null 2>&1; then
  export RUSTUP_TOOLCHAIN=nightly
else
  # Stable Rust takes the flags of coverage too, when told to.
  export RUSTC_BOOTSTRAP=1
fi

known=$("$tools/bin/cargo-fuzz" list --fuzz-dir "$fuzz")
targets=${1:-$known}
for target in $targets; do
  grep -qx -e "$target" <<<"$known" || {
    printf 'no target %s; there are:\n%s\n' "$target" "$known" >&2
    exit 2
  }
done

say "corpus"
cargo run --locked --quiet --manifest-path "$fuzz/Cargo.toml" --example seed -- "$fuzz/corpus" tests/fixtures

dictionary() {
  case $1 in
    json | partial) echo json ;;
    chat | generation) echo stream ;;
    *) echo "$1" ;;
  esac
}

# Long enough for what the text can be, short enough for thousands of runs a second.
longest() {
  case $1 in
    json) echo 512 ;;
    partial) echo 256 ;;
    *) echo 2048 ;;
  esac
}

summary=()
failed=0
for target in $targets; do
  say "$target, $seconds s"
  "$tools/bin/cargo-fuzz" build "${options[@]}" "$target"
  log=$fuzz/corpus/$target.log
  mkdir -p "$fuzz/seeds/$target"
  outcome=ok
  started=$SECONDS
  "$tools/bin/cargo-fuzz" run "${options[@]}" "$target" "$fuzz/corpus/$target" "$fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -max_len="$(longest "$target")" -timeout=10 -rss_limit_mb=2048 \
    -dict="$fuzz/dictionaries/$(dictionary "$target").dict" -print_final_stats=1 >"$log" 2>&1 || outcome=FAILED
  took=$((SECONDS - started))
  if [ "$outcome" != ok ]; then
    failed=1
    grep -aE -A 4 -m 1 'panicked|ERROR: ' "$log" || tail -20 "$log"
    grep -aoE 'Test unit written to .*' "$log" || true
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -aoE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -1 || true)
  summary+=("$(printf '%-12s %10s executions in %5s s   %s   %s' "$target" "${executions:-?}" "$took" "$coverage" "$outcome")")
done

say "summary"
printf '%s\n' "${summary[@]}"
exit "$failed"

#!/usr/bin/env bash
# Everything that is tested against the packed package. Runs all parts, then says which failed.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
part() { # name, command…
  local name=$1 started=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
  printf -- '-- %s: %s s\n' "$name" $((SECONDS - started))
}

part "size against size-budget.json" node scripts/size.js --check
part "a consumer's project with the packed package" \
  node --input-type=module -e 'await (await import("./tests/runtimes/install-package.js")).installPackage()'
part "types" node tests/types/run.js
part "structured answers" node --test tests/schema/*.test.js
part "packaging" node --test --test-concurrency=1 tests/packaging/*.test.js tests/packaging/*/*.test.js
part "demo" node --test --test-concurrency=1 tests/demo/*.test.js
part "fixtures" node --test tests/wire/*.test.js
part "testing" node --test tests/testing/*.test.js
part "cache" node --test --test-concurrency=2 tests/cache/*.test.js
part "money" node --test tests/money/*.test.js
part "routing" node --test --test-concurrency=2 tests/routing/*.test.js
part "faults" node --test tests/faults/*.test.js
part "real sockets" node --test --test-concurrency=2 tests/sockets/*.test.js tests/sockets/workerd/*.test.js
part "forced trap: the package with a core that traps" scripts/build-trap.sh
part "forced trap" env PACKAGE_TARBALL=target/trap/package/hf-inference-wasm.tgz node --test tests/trap/*.test.js
part "a real llama.cpp server" node --test tests/llama/llama.test.js
part "scenario server" node --test tests/server/*.test.js
part "runtimes" node tests/runtimes/run.js
part "README" node tests/readme/run.js
part "README's harness" node --test tests/readme/*.test.js

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed:\n'
  printf '  %s\n' "${failed[@]}"
  exit 1
fi

#!/bin/sh
# Gets what the measurements need and this machine lacks: what the tests have (Chromium, esbuild, workerd), and
# Node 24 and the peers, in bench/. Safe to run again: it does only what is still to be done.
set -eu
cd "$(dirname "$0")/.."

scripts/setup-tests.sh

# A copy of the lock file tells which one node_modules was installed from.
stamp=target/setup/bench.lock
if [ -d bench/node_modules/openai ] && cmp -s bench/package-lock.json "$stamp"; then
    echo "npm packages of bench/: up to date"
else
    echo "npm packages of bench/: installing"
    rm -f "$stamp"
    # The peers are installed by whatever Node there is, and run by the one that comes with them.
    (cd bench && npm ci --loglevel=error)
    mkdir -p target/setup
    cp bench/package-lock.json "$stamp"
fi

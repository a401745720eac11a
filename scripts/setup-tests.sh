#!/bin/sh
# Gets what the tests need and this machine lacks: npm packages, browsers, a llama.cpp server.
# Safe to run again: it does only what is still to be done, and says what that is.
set -eu
cd "$(dirname "$0")/.."

# folder
install_npm_packages() {
    # A copy of the lock file tells which one node_modules was installed from.
    stamp=target/setup/$(echo "$1" | tr / -).lock
    if [ -d "$1/node_modules" ] && cmp -s "$1/package-lock.json" "$stamp"; then
        echo "npm packages of $1/: up to date"
        return
    fi
    echo "npm packages of $1/: installing"
    rm -f "$stamp"
    (cd "$1" && npm ci)
    mkdir -p "$(dirname "$stamp")"
    cp "$1/package-lock.json" "$stamp"
}

is_debian() {
    [ -r /etc/os-release ] && (. /etc/os-release && [ "$ID" = debian ])
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "$@"
}

install_system_packages() {
    packages=$(node tests/runtimes/executables.js --debian | tr '\n' ' ')
    if ! "${PYTHON:-python3}" -c 'import venv, ensurepip' 2>/dev/null; then
        packages="$packages python3 python3-venv"
    fi
    if [ -z "$packages" ]; then
        echo "browsers and Python: all there"
        return
    fi
    if [ "$(id -u)" = 0 ] && is_debian; then
        echo "installing the Debian packages $packages"
        apt-get update --quiet
        # A mirror that fails once often answers the second time. The list is split into words on purpose.
        # shellcheck disable=SC2086
        apt_install $packages || apt_install $packages
    fi
    missing=$(node tests/runtimes/executables.js)
    if [ -n "$missing" ]; then
        echo "These programs are missing, and only root on Debian gets them installed by this script:" >&2
        echo "$missing" >&2
        exit 1
    fi
}

install_npm_packages tests
install_npm_packages tests/packaging
install_system_packages
tests/llama/setup.sh

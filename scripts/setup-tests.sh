#!/bin/sh
# Gets what the tests need and this machine lacks: the npm packages of tests/ and the browsers.
# Safe to run again: it does only what is still to be done, and says what that is.
set -eu
cd "$(dirname "$0")/.."

install_npm_packages() {
    # A copy of the lock file tells which one node_modules was installed from.
    stamp=target/setup-tests/package-lock.json
    if [ -d tests/node_modules ] && cmp -s tests/package-lock.json "$stamp"; then
        echo "npm packages of tests/: up to date"
        return
    fi
    echo "npm packages of tests/: installing"
    rm -f "$stamp"
    (cd tests && npm ci)
    mkdir -p "$(dirname "$stamp")"
    cp tests/package-lock.json "$stamp"
}

is_debian() {
    [ -r /etc/os-release ] && (. /etc/os-release && [ "$ID" = debian ])
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

install_browsers() {
    packages=$(node tests/runtimes/executables.js --debian | tr '\n' ' ')
    if [ -z "$packages" ]; then
        echo "browsers: all there"
        return
    fi
    if [ "$(id -u)" = 0 ] && is_debian; then
        echo "browsers: installing the Debian packages $packages"
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

install_npm_packages
install_browsers

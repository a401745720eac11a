#!/bin/sh
# Installs llama.cpp's server into a virtual environment of its own: target/llama/venv.
# Does nothing when that is already done. PYTHON names another interpreter than python3.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$here/../.." && pwd)/target/llama/venv
requirements=$here/requirements.txt
python=${PYTHON:-python3}

fail() {
	printf 'llama: %s\n' "$@" >&2
	exit 1
}

# What is installed is known by a copy of the requirements, put there when the installation is complete.
if cmp -s "$requirements" "$venv/requirements.txt" && "$venv/bin/python" -c 'import xllamacpp, gguf' 2>/dev/null; then
	echo "llama: already installed in target/llama/venv"
	exit 0
fi

command -v "$python" >/dev/null || fail "$python is missing. It takes Python 3.10 or newer; on Debian: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
	fail "$("$python" --version) is too old: it takes 3.10 or newer. PYTHON=/path/to/python names another one."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
	fail "$("$python" --version) comes without venv or pip. On Debian: apt-get install python3-venv"

echo "llama: making target/llama/venv with $("$python" --version)"
rm -rf "$venv"
"$python" -m venv "$venv"

echo "llama: installing tests/llama/requirements.txt from PyPI"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement "$requirements" ||
	fail "pip failed, see above. Only ready-made packages are taken, nothing is compiled."
"$venv/bin/python" -c 'import xllamacpp, gguf' || fail "installed, but it does not start; see above"

cp "$requirements" "$venv/requirements.txt"
echo "llama: installed in target/llama/venv"

#!/bin/sh
# Make .venv with Python 3.11 or newer, and install the locked files given as arguments.
set -eu
newest() {
    for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$name"
            return
        fi
    done
    echo "Candor needs Python 3.11 or newer." >&2
    exit 1
}
if [ ! -x .venv/bin/python ]; then
    python=$(newest)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv
    fi
    "$python" -m venv .venv || { echo "No virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 1; }
fi
for file in "$@"; do
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$file"
done

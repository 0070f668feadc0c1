#!/bin/sh
# Find a Chromium for the browser tests, or install one: Debian's when root, else Playwright's own.
# The headless shell is the quick one; a whole browser does as well.
set -eu
command -v chromium-headless-shell >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq chromium-headless-shell fonts-noto-cjk fonts-noto-color-emoji >/dev/null && exit 0
fi
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
.venv/bin/python -m playwright install --only-shell chromium

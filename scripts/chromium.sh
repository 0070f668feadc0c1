#!/bin/sh
# Find a Chromium for the browser tests, or install one: Debian's when root, else Playwright's own.
set -eu
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq chromium fonts-noto-cjk fonts-noto-color-emoji >/dev/null
else
    .venv/bin/python -m playwright install chromium
fi

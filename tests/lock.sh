#!/usr/bin/env bash
# Writes the lock files: the exact versions and hashes of all npm and pip packages of this repository.
#
#     lock.sh FOLDER
#
# installs `uv` in FOLDER. The requirements are in package.json, or in a file that ends with `.in`.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$1/uv/bin/uv
[ -x "$uv" ] || { python3 -m venv "$1/uv"; "$1/uv/bin/pip" install --quiet --disable-pip-version-check uv; }

# lock OUTPUT INPUTS…
lock() {
  local output=$1
  shift
  "$uv" pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes --no-header "$@" -o "$output"
}
lock host/python/requirements-dev.txt host/python/requirements-dev.in host/python/pyproject.toml
lock tests/languages/python/requirements.txt tests/languages/python/requirements.in
lock tests/clients/requirements.txt tests/clients/requirements.in
lock tests/mcp/requirements.txt tests/mcp/requirements.in

for folder in host/node tests/languages/node tests/page tests/clients tests/mcp; do
  # Resolved in an empty folder: installed packages would exclude those of other systems.
  work=$(mktemp -d)
  cp "$folder/package.json" "$work/"
  npm install --prefix "$work" --package-lock-only --no-audit --no-fund --loglevel=error
  cp "$work/package-lock.json" "$folder/"
  rm -r "$work"
done

#!/usr/bin/env bash
# Installs the client libraries of the live tests, unless they are installed already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if ! cmp -s "$here/requirements.txt" "$folder/python/installed.txt"; then
  python3 -m venv --clear "$folder/python"
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
  # pip does not mark the package's program as one.
  chmod +x "$folder"/python/lib/python*/site-packages/wasmtime_cli/wasmtime
  cp "$here/requirements.txt" "$folder/python/installed.txt"
fi
if ! cmp -s "$here/package-lock.json" "$folder/node/installed.json"; then
  mkdir -p "$folder/node"
  cp "$here/package.json" "$here/package-lock.json" "$folder/node/"
  npm ci --no-audit --no-fund --loglevel=error --prefix "$folder/node"
  cp "$here/package-lock.json" "$folder/node/installed.json"
fi

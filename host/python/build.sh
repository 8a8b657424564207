#!/usr/bin/env bash
# Builds the wheel and the sdist in a copy under target/, so that the source tree stays free of generated files.
#
#     build.sh PYTHON COMPONENTS WORK
#
# PYTHON is the interpreter of an environment with `build` and `hatchling`, COMPONENTS a folder written by
# `archon-pool components`, and WORK the working folder. The result is in WORK/dist.
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: build.sh PYTHON COMPONENTS WORK" >&2
  exit 2
fi
python=$1 components=$2 work=$3
here=$(cd "$(dirname "$0")" && pwd)

rm -rf "$work/package" "$work/dist"
mkdir -p "$work/package"
cp -r "$here/." "$work/package/"
find "$work/package" -name __pycache__ -prune -exec rm -rf {} +
cp "$here/../../LICENSE-MIT" "$here/../../LICENSE-APACHE" "$work/package/"

cp "$here/../cli/server.json" "$work/package/src/archon_pool/"

lent=$work/package/src/archon_pool/components
mkdir -p "$lent"
for file in pool-manager.wasm pool-analyser.wasm guard.json; do
  cp "$components/$file" "$lent/"
done

"$python" -m build --no-isolation --outdir "$work/dist" "$work/package"

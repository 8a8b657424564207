#!/usr/bin/env bash
# Runs the components in Node and in Python, and compares the reports byte for byte.
#
#     compare.sh TARGET-FOLDER
#
# expects the components in TARGET/languages/components, and the scripts' packages in TARGET/node and TARGET/python.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target=$1
out=$target/languages
snapshot=$here/../fixtures/snapshot.json

# The packages include Node if the system's own is too old.
PATH=$target/node/node_modules/.bin:$PATH
# Node resolves a script's packages only from the script's folder.
cp "$here/node/smoke.mjs" "$target/node/"
node "$target/node/smoke.mjs" "$out/components" "$snapshot" "$out/transpiled" > "$out/node.json"
"$target/python/bin/python" "$here/python/smoke.py" "$out/components" "$snapshot" > "$out/python.json"
cmp "$out/node.json" "$out/python.json"
echo "languages: the reports of Node and Python are the same $(wc -c < "$out/node.json") bytes"

#!/usr/bin/env bash
# Runs real clients of the Model Context Protocol against `archon-pool mcp` and a private server with a planted leak.
#
#     run.sh TARGET-FOLDER
#
# expects the programs in TARGET/debug, and the packages in TARGET/mcp.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$1" && pwd)

# The packages include Node if the system's own is too old.
PATH=$target/mcp/node_modules/.bin:$PATH
# Node resolves a script's packages only from the script's folder.
cp "$here"/*.mjs "$target/mcp/"
export ARCHON_POOL_PROGRAM=$target/debug/archon-pool ARCHON_LEAKING_SERVER=$target/debug/leaking-server
"$target/mcp/python/bin/python" -B "$here/client.py"
node --test --test-reporter=spec "$target/mcp/client.test.mjs" "$target/mcp/inspector.test.mjs"

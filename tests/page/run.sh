#!/usr/bin/env bash
# Opens pages that the program writes or serves in Chromium, and checks them.
#
#     run.sh TARGET-FOLDER
#
# expects the program, and the one that serves live pages, in TARGET/debug and the packages in TARGET/page. Screenshots and
# PDFs stay in TARGET/page/shown.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target=$1

# The packages include Node if the system's own is too old.
PATH=$target/page/node_modules/.bin:$PATH
# Node resolves a script's packages only from the script's folder.
cp "$here"/*.mjs "$target/page/"
export ARCHON_POOL_PROGRAM=$target/debug/archon-pool ARCHON_LIVE_PAGE=$target/debug/live-page ARCHON_SOURCE=$here/../.. ARCHON_SHOWN=$target/page/shown
node --test --test-reporter=spec "$target/page/page.test.mjs" "$target/page/live.test.mjs"
echo "page: checked; screenshots in $ARCHON_SHOWN"

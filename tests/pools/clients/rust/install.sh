#!/usr/bin/env bash
# Builds the program in a target folder of its own, unless that was done already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
sources=$(cat "$here/Cargo.toml" "$here/Cargo.lock" "$here"/src/*.rs | sha256sum)
if [ "$sources" != "$(cat "$folder/compiled.txt" 2> /dev/null || true)" ]; then
  # The linter that our own builds run under does not concern this program.
  env -u RUSTC_WORKSPACE_WRAPPER -u ARCHON_COMPONENT_LINTER CARGO_TARGET_DIR="$folder/target" \
    cargo build --quiet --locked --manifest-path "$here/Cargo.toml"
  echo "$sources" > "$folder/compiled.txt"
fi

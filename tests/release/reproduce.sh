#!/usr/bin/env bash
# Builds the components once more, from a clone in another folder, and compares them with those of a release.
#
#     reproduce.sh FOLDER-WITH-COMPONENTS WORK-FOLDER
#
# Only the components: the whole program would take as long again.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

components=$(cd "$1" && pwd) work=$2
rm -rf "$work"
git clone --quiet --no-hardlinks "$root" "$work/clone"
cd "$work/clone"
# Another target folder, and another home of the dependencies: neither may be in the components.
home=${CARGO_HOME:-$HOME/.cargo}
mkdir -p "$work/home"
for part in registry config.toml; do
  [ ! -e "$home/$part" ] || ln -s "$home/$part" "$work/home/$part"
done
env -u RUSTC_WORKSPACE_WRAPPER -u ARCHON_COMPONENT_LINTER CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target" \
  nice -n 19 cargo build --quiet --locked --release -p archon-pool-components
for file in "$components"/pool-*.wasm; do
  name=$(basename "$file")
  built=$(find "$work/target/release/build" -path "*/out/$name" -print -quit)
  cmp "$file" "$built" || {
    echo "release: $name differs between two builds" >&2
    exit 1
  }
  echo "reproduced: $(sha256sum "$built" | cut -d' ' -f1)  $name"
done
rm -rf "$work"

#!/usr/bin/env bash
# run.sh TARGET|all SECONDS: fuzzes for that long; with 0 it only replays the kept inputs.
# run.sh TARGET keep: adds to the kept inputs those of earlier runs that reach more, the smallest first.
#
# Inputs that are found stay in target/fuzz/corpus, crashes in target/fuzz/crashes. The first build takes minutes: our
# own crates are compiled a second time, and the components with them; the dependencies are not.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=(json_door row_decoding policy_parser component_loader)
wanted=${1:?a target, or all}
seconds=${2:?how many seconds, or keep}
[ "$wanted" = all ] || targets=("$wanted")

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export RUSTC_WORKSPACE_WRAPPER=$PWD/tests/fuzz/instrument.sh
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
# The same selection as everywhere, so that no dependency is built twice.
cargo build --quiet --workspace --all-features --locked "${bins[@]}"

work=$CARGO_TARGET_DIR/fuzz
# Compiled components of fuzzed bytes do not belong into the user's cache.
export XDG_CACHE_HOME=$work/cache

for target in "${targets[@]}"; do
  kept=tests/fuzz/corpus/$target
  found=$work/corpus/$target
  crashes=$work/crashes/$target
  mkdir -p "$found" "$crashes"
  limits=(-max_len=4096 -timeout=20 -rss_limit_mb=4096 -artifact_prefix="$crashes/")
  [ ! -e "tests/fuzz/words/$target" ] || limits+=(-dict="tests/fuzz/words/$target")
  run=("$CARGO_TARGET_DIR/debug/$target" "${limits[@]}" -print_final_stats=1)
  case $seconds in
    keep) "$CARGO_TARGET_DIR/debug/$target" "${limits[@]}" -merge=1 "$kept" "$found" ;;
    0) "${run[@]}" -runs=0 "$kept" 2> "$work/$target.log" || { cat "$work/$target.log" >&2; exit 1; } ;;
    *) "${run[@]}" -max_total_time="$seconds" "$found" "$kept" ;;
  esac
  echo "fuzz: $target is done"
done

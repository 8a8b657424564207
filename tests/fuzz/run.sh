#!/usr/bin/env bash
# run.sh TARGET|all SECONDS: fuzzes for this time.
# run.sh TARGET|all replay: runs the seeds in corpus/ and all stored inputs of found/, once each.
# run.sh TARGET|all keep: packs the inputs of earlier runs into found/, minimised to the same coverage.
#
# Runs continue with the corpus of earlier ones in target/fuzz/corpus, into which found/ is unpacked. Crashing inputs
# are stored in target/fuzz/crashes: after the fix, they become seeds. The first build takes minutes, because the
# workspace's crates are compiled again with instrumentation; dependencies are not instrumented.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=(json_door row_decoding policy_parser component_loader cassette)
wanted=${1:?a target, or all}
what=${2:?how many seconds, replay or keep}
[ "$wanted" = all ] || targets=("$wanted")

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
# The same selection as in the Makefile, so that no dependency is built twice. Only fuzzing needs instrumentation: a
# replay uses the regular build.
if [ "$what" = replay ]; then
  cargo build --quiet --workspace --all-features --locked
else
  export RUSTC_WORKSPACE_WRAPPER=$PWD/tests/fuzz/instrument.sh
  cargo build --quiet --workspace --all-features --locked "${bins[@]}"
fi

work=$CARGO_TARGET_DIR/fuzz
# Keeps compiled components of fuzzed bytes out of the user's cache.
export XDG_CACHE_HOME=$work/cache

for target in "${targets[@]}"; do
  seeds=tests/fuzz/corpus/$target
  packed=tests/fuzz/found/$target.tar.gz
  corpus=$work/corpus/$target
  mkdir -p "$corpus" "$work/crashes/$target"
  run=("$CARGO_TARGET_DIR/debug/$target" -max_len=4096 -timeout=20 -rss_limit_mb=4096)
  run+=(-artifact_prefix="$work/crashes/$target/")
  [ ! -e "tests/fuzz/words/$target" ] || run+=(-dict="tests/fuzz/words/$target")
  [ ! -e "$packed" ] || tar -xzf "$packed" --skip-old-files -C "$corpus"
  case $what in
    keep)
      least=$(mktemp -d)
      "${run[@]}" -set_cover_merge=1 "$least" "$corpus" 2> "$work/$target.log"
      mkdir -p tests/fuzz/found
      # Makes the archive reproducible.
      tar -cf - --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$least" . | gzip -9n > "$packed"
      rm -r "$least"
      ;;
    replay)
      find "$seeds" "$corpus" -type f -print0 | xargs -0 "${run[@]}" 2> "$work/$target.log" || {
        tail -n 40 "$work/$target.log" >&2
        exit 1
      }
      ;;
    *) "${run[@]}" -max_total_time="$what" -print_final_stats=1 "$corpus" "$seeds" ;;
  esac
  echo "fuzz: $target is done"
done

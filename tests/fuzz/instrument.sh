#!/bin/sh
# Wraps rustc for the workspace's crates (RUSTC_WORKSPACE_WRAPPER) and adds libFuzzer's coverage instrumentation.
# Build scripts run without libFuzzer and would not link; dependencies, wasmtime among them, stay uninstrumented.
for argument in "$@"; do
  case $argument in
    build_script_build | --print | --print=* | -vV) exec "$@" ;;
  esac
done
exec "$@" -Ccodegen-units=1 -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares

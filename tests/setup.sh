#!/usr/bin/env bash
# Checks for what the build and the tests need. What is missing it installs where it may (a Rust
# target; Debian packages as root), and otherwise names.
set -euo pipefail

missing=()

# need COMMAND PACKAGES: what runs when it is there, and the Debian packages that bring it.
need() {
  local check=$1
  shift
  if eval "$check" > /dev/null 2>&1; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "setup: installing $*" >&2
    [ -n "${updated:-}" ] || apt-get update -qq
    updated=yes
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null || true
    if eval "$check" > /dev/null 2>&1; then return; fi
  fi
  missing+=("apt-get install $*")
}

# The same search as tests/src/binaries.rs: any version from 13 on will do.
postgres() {
  local folder version
  for folder in "${ARCHON_PG_BIN:-}" /usr/lib/postgresql/*/bin "$(pg_config --bindir 2> /dev/null || true)"; do
    if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then
      version=$("$folder/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
      if [ "$version" -ge 13 ]; then return; fi
    fi
  done
  return 1
}

if ! command -v cargo > /dev/null; then
  missing+=("Rust 1.95 or newer, by rustup")
elif ! [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
  rustup target add wasm32-unknown-unknown || missing+=("rustup target add wasm32-unknown-unknown")
fi
need postgres postgresql
need 'command -v setpriv' util-linux
# jco, which loads components in Node, needs version 20.
need 'command -v npm && node -e "process.exit(process.versions.node.split(\".\")[0] >= 20 ? 0 : 1)"' nodejs npm
need 'python3 -c "import ensurepip, sys; assert sys.version_info >= (3, 9)"' python3 python3-venv

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: this is missing and could not be installed:" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

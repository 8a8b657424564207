#!/usr/bin/env bash
# Checks the requirements of a goal, which is `build`, `demo`, `test` or `lint`. Installs missing ones if possible
# (Rust's own parts; Debian packages as root or by a `sudo` without a password), and otherwise prints them.
set -euo pipefail

goal=${1:?build, demo, test or lint}
missing=()

# privileged COMMAND…: runs a command as root, if possible.
privileged() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get > /dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2> /dev/null; }
}

# need COMMAND PACKAGES: installs Debian packages unless the check COMMAND succeeds.
need() {
  local check=$1
  shift
  if eval "$check" > /dev/null 2>&1; then return; fi
  if may_install; then
    echo "setup: installing $*" >&2
    [ -n "${updated:-}" ] || privileged apt-get update -qq || true
    updated=yes
    privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null || true
    if eval "$check" > /dev/null 2>&1; then return; fi
  fi
  missing+=("apt-get install $*")
}

# need_rust COMMAND RUSTUP-ARGUMENTS: runs rustup unless the check COMMAND succeeds.
need_rust() {
  local check=$1
  shift
  if eval "$check" > /dev/null 2>&1; then return; fi
  rustup "$@" || missing+=("rustup $*")
}

# Same search as in tests/support/binaries.rs: any version from 13 on is accepted.
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

# Debian starts a server on port 5432 with the package by default, which the tests do not need.
need_postgres() {
  local settings=/etc/postgresql-common/createcluster.d quiet
  quiet=$settings/archon-pool-setup.conf
  if ! postgres && may_install; then
    privileged mkdir -p "$settings"
    echo 'create_main_cluster = false' | privileged tee "$quiet" > /dev/null
  fi
  need postgres postgresql
  if [ -e "$quiet" ]; then privileged rm "$quiet"; fi
}

# need_stopped COMMAND PACKAGES: like `need`, for packages whose servers Debian would start. Only this file prevents it.
need_stopped() {
  local rule=/usr/sbin/policy-rc.d
  if eval "$1" > /dev/null 2>&1 || [ -e "$rule" ] || ! may_install; then
    need "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | privileged tee "$rule" > /dev/null
  privileged chmod +x "$rule"
  need "$@"
  privileged rm "$rule"
}

# Rust links with the system's C compiler, and `ring` is partly written in C.
need 'echo "int main(void) { return 0; }" | cc -x c -o /dev/null -' gcc libc6-dev
# libFuzzer is written in C++ and part of the workspace; the demo does not build it.
if [ "$goal" != demo ]; then
  need 'echo "#include <vector>" | c++ -x c++ -std=c++17 -c -o /dev/null -' g++
fi
if command -v cargo > /dev/null; then
  need_rust '[ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]' target add wasm32-unknown-unknown
else
  missing+=("Rust 1.95 or newer, by https://rustup.rs")
fi
case $goal in
  build) ;;
  demo | test)
    need_postgres
    need 'command -v setpriv' util-linux
    ;;
  lint)
    need_rust 'cargo fmt --version && cargo clippy --version' component add rustfmt clippy
    need 'python3 --version' python3
    ;;
  *)
    echo "setup: there is no goal $goal" >&2
    exit 2
    ;;
esac
if [ "$goal" = test ]; then
  need_stopped '[ -n "${ARCHON_PGBOUNCER:-}" ] || [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer' pgbouncer
  # `serve` is tested with the programs that read its metrics, and with promtool.
  need_stopped 'command -v prometheus && command -v promtool && command -v prometheus-alertmanager' prometheus prometheus-alertmanager
  # The OCI image layout is copied to a registry and back.
  need_stopped 'command -v docker-registry && command -v skopeo' docker-registry skopeo
  need 'openssl version' openssl
  # Completion scripts and manual pages are read by what will read them.
  need 'zsh --version && fish --version && command -v mandoc' zsh fish mandoc
  # Verifies the unit file; no service is started.
  need 'command -v systemd-analyze' systemd
  # `top` is tested on a real terminal.
  need 'tmux -V' tmux
  need '[ -x "${ARCHON_CHROMIUM:-/usr/bin/chromium}" ]' chromium fonts-dejavu-core
  # Any version of Node: if it is too old for jco, the Makefile installs another one with npm.
  need 'npm --version && node --version' nodejs npm
  need 'python3 -c "import ensurepip, sys; assert sys.version_info >= (3, 9)"' python3 python3-venv
fi

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: this is missing and could not be installed:" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

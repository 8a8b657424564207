#!/usr/bin/env bash
# Installs Debian packages, as root or by a `sudo` without a password.
#
#     apt.sh PACKAGE…
set -euo pipefail

privileged() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

echo "pools: installing $*" >&2
privileged apt-get update -qq || true
privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null

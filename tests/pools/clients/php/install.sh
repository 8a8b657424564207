#!/usr/bin/env bash
# Installs Debian's PHP with its PostgreSQL drivers, unless they are installed already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

complete() {
  command -v php > /dev/null && php -r 'exit(extension_loaded("pdo_pgsql") && extension_loaded("pgsql") && extension_loaded("pcntl") ? 0 : 1);'
}

complete || "$here/../apt.sh" php-cli php-pgsql
complete
mkdir -p "$1"

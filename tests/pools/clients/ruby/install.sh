#!/usr/bin/env bash
# Installs Debian's packages of Ruby's libraries, unless they are installed already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

complete() {
  command -v ruby > /dev/null && ruby -e 'require "pg"; require "connection_pool"; require "active_record"' 2> /dev/null
}

complete || "$here/../apt.sh" ruby ruby-pg ruby-connection-pool ruby-activerecord
complete
mkdir -p "$1"

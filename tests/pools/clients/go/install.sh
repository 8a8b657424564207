#!/usr/bin/env bash
# Installs Debian's packages of pgx and lib/pq and builds the program, unless that was done already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
libraries=/usr/share/gocode/src/github.com

complete() {
  command -v go > /dev/null && [ -d "$libraries/jackc/pgx/v4/pgxpool" ] && [ -d "$libraries/lib/pq" ]
}

complete || "$here/../apt.sh" golang-go golang-github-jackc-pgx-v4-dev golang-github-lib-pq-dev
complete

mkdir -p "$1"
folder=$(cd "$1" && pwd)
sources=$(cat "$here"/*.go | sha256sum)
if [ "$sources" != "$(cat "$folder/compiled.txt" 2> /dev/null || true)" ]; then
  # Debian's libraries are a GOPATH; without modules nothing is downloaded.
  (cd "$here" && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$folder/cache" GOFLAGS=-p=1 \
    go build -o "$folder/pool-client" .)
  echo "$sources" > "$folder/compiled.txt"
fi

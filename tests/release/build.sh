#!/usr/bin/env bash
# Builds a release: the program, the components as files and as an OCI image layout, and the npm and the Python package,
# with SHA-256 digests and, with a key, signatures.
#
#     build.sh TARGET-FOLDER [KEY.pem]
#
# The result is in TARGET-FOLDER/dist. The components are built a second time, in another folder, and must be the same.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(cd "$1" && pwd) key=${2:+$(realpath "$2")}
dist=$target/dist
# The same time in all that is written.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
rm -rf "$dist"
mkdir -p "$dist"

program=$target/release/archon-pool
"$program" components "$dist" --oci "$dist/oci" ${key:+--key "$key"}
"$program" components --wit > "$dist/connection-pool.wit"
cp "$program" host/cli/server.json "$target"/packages/* "$dist/"
chmod 644 "$dist"/*.*
chmod -R a+rX "$dist/oci"
# One archive, whose bytes depend on nothing but the layout.
tar --create --file "$dist/oci.tar" --directory "$dist/oci" --sort=name --owner=0 --group=0 --numeric-owner \
  --mode='u+rw,go+r' --mtime="@$SOURCE_DATE_EPOCH" .
rm -r "$dist/oci"

tests/release/reproduce.sh "$dist" "$target/reproduced"

cd "$dist"
for file in *; do
  case $file in
    *.sha256 | *.sig | SHA256SUMS) ;;
    *) sha256sum "$file" ;;
  esac
done > SHA256SUMS
# For what the program does not sign itself: openssl pkeyutl -verify -rawin -pubin -inkey PUB.pem -in SHA256SUMS
# -sigfile SHA256SUMS.sig
if [ -n "$key" ]; then openssl pkeyutl -sign -rawin -inkey "$key" -in SHA256SUMS -out SHA256SUMS.sig; fi
cat SHA256SUMS

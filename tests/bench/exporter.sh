#!/usr/bin/env bash
# Unpacks Debian's postgres_exporter into a folder, unless it is unpacked already.
#
#     exporter.sh FOLDER
#
# It is not installed: the package would start a service.
set -euo pipefail

folder=${1:?a folder}
program=usr/bin/prometheus-postgres-exporter

if [ -x "$folder/$program" ]; then exit; fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The user of apt's own may not write here.
(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus-postgres-exporter)
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$folder" "./$program"

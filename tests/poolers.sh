#!/usr/bin/env bash
# Unpacks the poolers of Debian 13 and their libraries into a folder, unless they are unpacked already.
#
#     poolers.sh FOLDER
#
# Nothing is installed: apt uses separate lists, and each program is started by the dynamic loader beside it
# (tests/support/poolers.rs). The archive is the one that the machine's own apt uses.
set -euo pipefail

folder=${1:?a folder}
suite=trixie
poolers=(pgbouncer pgpool2 pgagroal)

if [ -e "$folder/complete" ]; then exit; fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

mirror=$(apt-get indextargets --format '$(REPO_URI)' 2> /dev/null | grep -m1 -E '/debian/?$' || true)
if [ -z "$mirror" ]; then
  echo "poolers: apt on this machine has no Debian archive, from which PgBouncer 1.24, Pgpool-II and pgagroal come" >&2
  exit 1
fi

mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"
cat > "$work/apt.conf" << END
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "$work/state";
Dir::State::Status "/dev/null";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
END
export APT_CONFIG=$work/apt.conf
apt-get update -qq

# depends PACKAGE…: prints the libraries that the packages depend on.
depends() {
  local more=(--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances)
  apt-cache depends "$@" "${more[@]}" | sed -nE 's/^ +\|?Depends: ((lib|zlib)[^ ]*)$/\1/p' | sort -u
}
mapfile -t libraries < <(depends "${poolers[@]}")
mapfile -t libraries < <(depends --recurse "${libraries[@]}")
mapfile -t libraries < <(printf '%s\n' "${libraries[@]}" $(depends "${poolers[@]}") | sort -u)
(cd "$work/debs" && apt-get download -qq "${poolers[@]}" "${libraries[@]}")
for package in "$work"/debs/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work" --wildcards --no-wildcards-match-slash \
    './usr/sbin/pg*' './usr/bin/pgagroal' './usr/lib/*-linux-*/*.so*' './lib/*-linux-*/*.so*' 2> /dev/null || true
done
[ ! -d "$work/lib" ] || cp -a "$work"/lib/. "$work/usr/lib/"
for program in sbin/pgbouncer sbin/pgpool bin/pgagroal; do [ -x "$work/usr/$program" ]; done

rm -rf "$folder/bin" "$folder/lib"
mkdir "$folder/bin"
mv "$work/usr/sbin/pgbouncer" "$work/usr/sbin/pgpool" "$work/usr/bin/pgagroal" "$folder/bin/"
mv "$work"/usr/lib/*-linux-* "$folder/lib"
chmod -R a+rX "$folder"
touch "$folder/complete"

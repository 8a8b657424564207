#!/usr/bin/env bash
# Checks all dependencies: licences, bans, sources and advisories of the crates (deny.toml), and signatures and
# advisories of the npm and PyPI packages. Hashes are checked at every installation.
#
#     audit.sh TARGET-FOLDER
#
# Advisories need databases that are not reachable from every network: OFFLINE=1 skips them and the signatures.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$1/tools
deny=0.20.2
if [ "$("$tools/bin/cargo-deny" --version 2> /dev/null)" != "cargo-deny $deny" ]; then
  CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --debug --root "$tools" "cargo-deny@$deny"
  rm -r "$tools/build"
fi
"$tools/bin/cargo-deny" check bans licenses sources
if [ -n "${OFFLINE:-}" ]; then
  echo "audit: advisories and signatures are left out: OFFLINE is set"
  exit
fi

failed=()
"$tools/bin/cargo-deny" check advisories || failed+=("cargo deny check advisories")

for folder in host/node tests/languages/node tests/clients; do
  # npm checks the signatures of installed packages only.
  work=$(mktemp -d)
  cp "$folder/package.json" "$folder/package-lock.json" "$work/"
  npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error
  (cd "$work" && npm audit) || failed+=("npm audit of $folder")
  (cd "$work" && npm audit signatures) || failed+=("npm audit signatures of $folder")
  rm -r "$work"
done

[ -x "$tools/pip-audit/bin/pip-audit" ] || {
  python3 -m venv "$tools/pip-audit"
  "$tools/pip-audit/bin/pip" install --quiet --disable-pip-version-check pip-audit
}
for list in host/python/requirements-dev.txt tests/languages/python/requirements.txt tests/clients/requirements.txt; do
  "$tools/pip-audit/bin/pip-audit" --strict --require-hashes --disable-pip --requirement "$list" || failed+=("pip-audit of $list")
done

if [ ${#failed[@]} -gt 0 ]; then
  printf 'audit: failed, or its database was not reached: %s\n' "${failed[@]}" >&2
  exit 1
fi

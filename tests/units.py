#!/usr/bin/env python3
"""Finds crates that Cargo would compile twice for the program: for the program and for a build script.

wasmtime is a dependency of both, and compiling it twice takes minutes. Cargo compiles a crate once for both if features
and profile are equal; host/core/Cargo.toml and the profiles see to that. Takes the arguments of `cargo build`.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict

# The option is for Cargo's own developers; the graph is that of a stable build.
command = ["cargo", "build", "-Zunstable-options", "--unit-graph", *sys.argv[1:]]
graph = subprocess.run(
    command, env={**os.environ, "RUSTC_BOOTSTRAP": "1"}, stdout=subprocess.PIPE, text=True, check=True
).stdout
units = json.loads(graph)["units"]

libraries = defaultdict(list)
for unit in units:
    if unit["mode"] == "build" and "custom-build" not in unit["target"]["kind"]:
        libraries[unit["pkg_id"], unit["target"]["name"]].append(unit)

twice = {library: found for library, found in libraries.items() if len(found) > 1}
for (package, _), found in sorted(twice.items()):
    first, *others = found
    differences = [key for key in ("features", "profile", "platform") if any(other[key] != first[key] for other in others)]
    features = sorted({feature for other in others for feature in set(first["features"]) ^ set(other["features"])})
    print(f"{package}: {', '.join(differences) or 'a dependency'} {' '.join(features)}", file=sys.stderr)
if twice:
    sys.exit(f"{len(twice)} crates are compiled twice: align their features in host/core/Cargo.toml")

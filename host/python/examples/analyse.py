"""The smallest integration: a snapshot in, a report out, and no host code at all.

    python analyse.py pool-analyser.wasm snapshot.json > report.json

The analyser imports nothing, so it needs of a runtime only that it loads components: `pip install wasmtime`.
"""

import sys
from pathlib import Path

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker

analyser, snapshot = sys.argv[1:]
engine = Engine()
store = Store(engine)
instance = Linker(engine).instantiate(store, Component.from_file(engine, analyser))
interface = instance.get_export_index(store, "archon:connection-pool/analysis@1.0.0")
analyse = instance.get_func(store, instance.get_export_index(store, "analyse-json", interface))

answer = analyse(store, f'{{"snapshot": {Path(snapshot).read_text("utf-8")}}}')
if not isinstance(answer, str):
    sys.exit(answer.message)
sys.stdout.write(answer)

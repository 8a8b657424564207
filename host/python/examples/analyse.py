"""The smallest integration: a snapshot in, a report out, and no host code at all.

    python analyse.py pool-analyser.wasm snapshot.json > report.json

The analyser imports nothing, so it needs of a runtime only that it loads components: `pip install wasmtime`.
"""

import json
import re
import sys
from pathlib import Path

from wasmtime import Engine, Store
from wasmtime.component import F64, Component, Linker, ListType, OptionType, Record, RecordType


def lift(ty, value):
    """JSON as what a WIT type asks for: fields keep their WIT names, an absent option is None, an absent list empty."""
    if isinstance(ty, OptionType):
        return None if value is None else lift(ty.payload, value)
    if isinstance(ty, ListType):
        element = ty.element
        return [lift(element, item) for item in value or ()]
    if isinstance(ty, RecordType):
        record = Record()
        for name, field in ty.fields:
            setattr(record, name, lift(field, value.get(re.sub("-(.)", lambda it: it[1].upper(), name))))
        return record
    return float(value) if isinstance(ty, F64) else value


def lower(value):
    """A report as JSON."""
    if isinstance(value, Record):
        return {re.sub("-(.)", lambda it: it[1].upper(), name): lower(it) for name, it in vars(value).items()}
    return [lower(item) for item in value] if isinstance(value, list) else value


analyser, snapshot = sys.argv[1:]
engine = Engine()
store = Store(engine)
instance = Linker(engine).instantiate(store, Component.from_file(engine, analyser))
interface = instance.get_export_index(store, "archon:connection-pool/analysis@1.0.0")
analyse = instance.get_func(store, instance.get_export_index(store, "analyse", interface))

of, options, _carry = (ty for _, ty in analyse.type(store).params)
answer = analyse(store, lift(of, json.loads(Path(snapshot).read_text("utf-8"))), lift(options, {}), None)
if answer.tag == "err":
    sys.exit(answer.payload.message)
json.dump(lower(answer.payload), sys.stdout, ensure_ascii=False)

"""Writes the contract's TypedDicts from the JSON Schemas that a component describes itself with.

python generate_contract.py pool-manager.wasm > src/archon_pool/contract.py
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker

_WIDTH = 118
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_NAMES = {"Request": "SkillInput", "Output": "SkillOutput", "RawOptions": "Options", "Target": "ActionTarget"}

Schema = Any


def describe(component: Path) -> dict[str, Any]:
    """What a component says about itself; `describe` needs no import."""
    engine = Engine()
    loaded, linker, store = Component.from_file(engine, str(component)), Linker(engine), Store(engine)
    linker.define_unknown_imports_as_traps(loaded)
    instance = linker.instantiate(store, loaded)
    skill = instance.get_export_index(store, "archon:connection-pool/skill@1.0.0")
    assert skill is not None
    index = instance.get_export_index(store, "describe", skill)
    assert index is not None
    function = instance.get_func(store, index)
    assert function is not None
    described: dict[str, Any] = json.loads(function(store))
    return described


def module(described: dict[str, Any]) -> str:
    """The text of `contract.py`."""
    records: dict[str, Schema] = {}
    for document in (described["input"], described["output"]):
        records |= {_NAMES.get(name, name): schema for name, schema in document.get("$defs", {}).items()}
        records[_NAMES[document["title"]]] = document
    head = (
        '"""The contract\'s records, generated from `describe` by generate_contract.py. Do not edit."""\n\n'
        "from __future__ import annotations\n\n"
        "from typing import Any, Optional, TypedDict\n"
    )
    return head + "".join(_record(name, schema) for name, schema in sorted(records.items(), key=_order))


def _order(record: tuple[str, Schema]) -> tuple[bool, str]:
    # What a caller begins with comes last, as it is made of the others.
    return record[0].startswith("Skill"), record[0]


def _record(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    fields = schema["properties"]
    there = {field: fields[field] for field in fields if field in required}
    perhaps = {field: fields[field] for field in fields if field not in required}
    if there and perhaps:
        # NotRequired is not in Python 3.9.
        base = f"_{name}"
        return _class(base, "TypedDict", there, f"Required fields of {name}.") + _class(
            name, f"{base}, total=False", perhaps, schema.get("description", "")
        )
    bases = "TypedDict" if there else "TypedDict, total=False"
    return _class(name, bases, fields, schema.get("description", ""))


def _class(name: str, bases: str, fields: Schema, doc: str) -> str:
    lines = [f"\n\nclass {name}({bases}):", *_doc(doc)]
    for field, schema in fields.items():
        lines += ["", f"    {field}: {_type(schema)}", *_doc(schema.get("description", ""))]
    return "\n".join(lines) + "\n"


def _doc(text: str) -> list[str]:
    said = textwrap.wrap(" ".join(text.split()), _WIDTH - 10)
    if len(said) < 2:
        return [f'    """{line}"""' for line in said]
    return [f'    """{said[0]}', *(f"    {line}" for line in said[1:-1]), f'    {said[-1]}"""']


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name: str = schema["$ref"].rpartition("/")[2]
        return _NAMES.get(name, name)
    if "anyOf" in schema:
        return _union([_type(each) for each in schema["anyOf"]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union([_type({**schema, "type": each}) for each in kind])
    if kind == "array":
        return f"list[{_type(schema['items'])}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values) if values else 'Any'}]"
    return str(_SCALARS.get(kind, "Any"))


def _union(types: list[str]) -> str:
    (only,) = [each for each in types if each != "None"]
    return f"Optional[{only}]"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: generate_contract.py pool-manager.wasm")
    sys.stdout.write(module(describe(Path(sys.argv[1]))))

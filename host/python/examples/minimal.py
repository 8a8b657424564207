"""A whole host: the observer reads a live server, and can neither end a session nor resize a pool.

python minimal.py pool-observer.wasm postgres://operator@db.example.com/shop
"""

import sys
from itertools import accumulate

import psycopg
from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant

FILE, URL = sys.argv[1:]
OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=15s -c lock_timeout=2s -c search_path=pg_catalog"
CASES = {bool: "booleans", int: "int64s", float: "float64s", str: "texts"}


def record(**fields):
    return type("Made", (Record,), {name.replace("_", "-"): value for name, value in fields.items()})()


def answer(statement):
    try:
        found = psycopg.RawCursor(session).execute(statement.sql, [it.payload for it in statement.params], binary=True)
    except psycopg.Error as error:
        return Variant("err", record(kind="query-failed", message=str(error), sqlstate=error.sqlstate, retryable=False))
    columns = list(map(column, found.description, zip(*found)))  # None without rows, as is allowed.
    return Variant("ok", record(columns=columns, count=found.rowcount, truncated=False))


def column(about, values):
    kind = next((type(it) for it in values if it is not None), None)
    case = "timestamps" if kind and about.type_code == 1184 else CASES.get(kind, "all-null")
    nulls = bytes(it is None for it in values) if kind and None in values else b""
    cells = [kind() if it is None else it for it in values] if kind else None
    if case == "timestamps":  # Python's own datetime knows neither infinity nor the year 10000.
        cells = [it + 946_684_800_000_000 for it in cells]
    elif case == "texts":  # One text, and where each of its parts ends in UTF-8.
        cells = record(ends=list(accumulate(len(it.encode()) for it in cells)), text="".join(cells))
    cells = Variant(case, bytes(cells) if case == "booleans" else cells)
    return record(name=about.name, type_oid=about.type_code, nulls=nulls, cells=cells)


def refuse(*_):
    return record(kind="no-pooler", message="this host has neither probes nor a pooler", sqlstate=None, retryable=False)


def lent(function):  # A borrowed handle ends when it is looked at.
    return lambda context, *args: function(*[it.to_host(context) if isinstance(it, ResourceAny) else it for it in args])


store = Store(engine := Engine())
session = psycopg.connect(URL, autocommit=True, prepare_threshold=None, application_name="archon-pool", options=OPTIONS)
session.adapters.register_loader("timestamptz", psycopg.types.numeric.Int8BinaryLoader)
IMPORTS = {
    "credentials": {"lookup": lambda _name: ResourceHost.own(1, 1), "[method]credential.name": lambda _it: "url"},
    "database": {
        "[static]session.open": lambda _using: ResourceHost.own(1, 2),
        "[method]session.access-path": lambda _it: "direct",
        "[method]session.notes": lambda _it: [],
        "[method]session.query": lambda _it, batch: [answer(statement) for statement in batch],
        "probe": refuse,
    },
    "pooler": dict.fromkeys(["[static]console.open", "[method]console.kind", "[method]console.show"], refuse),
}
with (linker := Linker(engine)).root() as root:
    root.add_instance("archon:connection-pool/types@1.0.0").close()
    for n, (interface, functions) in enumerate(IMPORTS.items()):
        with root.add_instance(f"archon:connection-pool/{interface}@1.0.0") as instance:
            instance.add_resource(["credential", "session", "console"][n], ResourceType.host(n + 1), lambda *_: None)
            for name, function in functions.items():
                instance.add_func(name, lent(function))
component = linker.instantiate(store, Component.from_file(engine, FILE))
skill = component.get_export_index(store, "archon:connection-pool/skill@1.0.0")
print(component.get_func(store, component.get_export_index(store, "run", skill))(store, '{"action":"detect-leaks"}'))

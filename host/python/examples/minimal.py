"""A whole host: the observer reads a live server, and can neither end a session nor resize a pool.

python minimal.py pool-observer.wasm postgres://operator@db.example.com/shop
"""

import sys

import psycopg
from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant

FILE, URL = sys.argv[1:]
OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=15s -c lock_timeout=2s -c search_path=pg_catalog"
CASES = {type(None): "null", bool: "boolean", int: "int64", float: "float64", str: "text", bytes: "bytes"}


class Micros(psycopg.adapt.Loader):
    format = psycopg.pq.Format.BINARY

    def load(self, data):  # Python's own datetime knows neither infinity nor the year 10000.
        return Variant("timestamp", int.from_bytes(data, "big", signed=True) + 946_684_800_000_000)


def record(**fields):
    made = Record()
    made.__dict__.update({name.replace("_", "-"): value for name, value in fields.items()})
    return made


def answer(statement):
    try:
        rows = psycopg.RawCursor(session).execute(statement.sql, [it.payload for it in statement.params], binary=True)
    except psycopg.Error as error:
        return Variant("err", record(kind="query-failed", message=str(error), sqlstate=error.sqlstate, retryable=False))
    values = [[it if isinstance(it, Variant) else Variant(CASES[type(it)], it) for it in row] for row in rows]
    columns = [record(name=column.name, type_oid=column.type_code) for column in rows.description]
    return Variant("ok", record(columns=columns, rows=values, truncated=False))


def refuse(*_):
    return record(kind="no-pooler", message="this host has neither probes nor a pooler", sqlstate=None, retryable=False)


def lent(function):  # A borrowed handle ends when it is looked at.
    return lambda context, *args: function(*[it.to_host(context) if isinstance(it, ResourceAny) else it for it in args])


store = Store(engine := Engine())
session = psycopg.connect(URL, autocommit=True, prepare_threshold=None, application_name="archon-pool", options=OPTIONS)
session.adapters.register_loader("timestamptz", Micros)
IMPORTS = {
    "types": {},
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
linker = Linker(engine)
with linker.root() as root:
    for number, (interface, functions) in enumerate(IMPORTS.items()):
        with root.add_instance(f"archon:connection-pool/{interface}@1.0.0") as instance:
            if number:
                resource = {1: "credential", 2: "session", 3: "console"}[number]
                instance.add_resource(resource, ResourceType.host(number), lambda _context, _rep: None)
            for name, function in functions.items():
                instance.add_func(name, lent(function))
component = linker.instantiate(store, Component.from_file(engine, FILE))
skill = component.get_export_index(store, "archon:connection-pool/skill@1.0.0")
run = component.get_func(store, component.get_export_index(store, "run", skill))
print(run(store, '{"action":"detect-leaks"}'))

"""Loads the components in Python, through the `wasmtime` package.

    python smoke.py FOLDER-OF-COMPONENTS SNAPSHOT.json

Prints the report of `analyse` as canonical JSON, for comparison with what other runtimes print.
"""

import json
import re
import sys
from decimal import Decimal
from pathlib import Path

from wasmtime import Engine, Store
from wasmtime.component import F64, Component, Linker, ListType, OptionType, Record, RecordType, ResourceType

PACKAGE = "archon:connection-pool"
ACTIONS = ["monitor", "detect-leaks", "health-check", "auto-scale", "kill-idle", "full-analysis"]


def main(components: Path, snapshot_file: Path) -> None:
    report = analyser(components / "pool-analyser.wasm", json.loads(snapshot_file.read_text("utf-8")))
    manager(components / "pool-manager.wasm")
    sys.stdout.write(canonical(report) + "\n")
    print("python: 2 passed, 0 failed", file=sys.stderr)


def analyser(file: Path, snapshot: dict) -> dict:
    """The analyser needs nothing from its host: it links with an empty linker."""
    store = Store(Engine())
    component = Component.from_file(store.engine, str(file))
    instance = Linker(store.engine).instantiate(store, component)
    analyse = function(store, instance, "analysis", "analyse")

    def call(options: dict):
        types = [ty for _, ty in analyse.type(store).params]
        return analyse(store, *(lift(ty, value) for ty, value in zip(types, (snapshot, options, None))))

    # Both cases of `analyse`'s result are records, so this runtime wraps them with the case's name.
    answer = call(options={})
    assert answer.tag == "ok", answer.payload
    report = lower(answer.payload)

    assert report["action"] == "full-analysis"
    clients = [it for it in snapshot["backends"] if it["backendType"] == "client backend" and not it["own"]]
    assert report["poolStats"]["connections"]["total"] == len(clients)
    assert report["leakDetection"]["detected"], "the planted leak was not found"
    suspects = {it["application"] for it in report["leakDetection"]["suspectedConnections"]}
    assert suspects == {"checkout-service", "invoice-worker"}, suspects
    assert canonical(lower(call({}).payload)) == canonical(report), "the same twice"

    refusal = call({"idleTimeoutMs": 1})
    assert refusal.tag == "err" and "idleTimeoutMs" in refusal.payload.message
    return report


def manager(file: Path) -> None:
    """The manager imports every interface; these stubs implement none, and `describe` needs none."""
    store = Store(Engine())
    linker = Linker(store.engine)
    lent = []

    def refuse(what: str):
        def stub(store, *arguments):
            lent.append(what)
            # Borrowed handles end with the call, and this runtime requires the callee to drop them.
            for argument in arguments:
                if hasattr(argument, "drop"):
                    argument.drop(store)
            fault = {"kind": "no-power", "message": f"{what} is a stub", "sqlstate": None, "retryable": False}
            # Only `resize` and `reconnect` have a record in both cases, for which this runtime requires
            # Variant("err", …).
            return record(fault)

        return stub

    # One resource type each, distinguished by number.
    credential, session, console = (ResourceType.host(number) for number in (1, 2, 3))
    with linker.root() as root:

        def interface(name: str, resources: dict, functions: dict) -> None:
            with root.add_instance(f"{PACKAGE}/{name}@1.0.0") as instance:
                for resource, ty in resources.items():
                    instance.add_resource(resource, ty, lambda _store, _rep: None)
                for export, what in functions.items():
                    instance.add_func(export, refuse(what))

        interface("types", {}, {})
        interface(
            "credentials",
            {"credential": credential},
            {"[method]credential.name": "credential.name", "lookup": "credentials.lookup"},
        )
        interface(
            "database",
            {"session": session},
            {
                "[static]session.open": "session.open",
                "[method]session.access-path": "session.access-path",
                "[method]session.notes": "session.notes",
                "[method]session.query": "session.query",
                "probe": "database.probe",
            },
        )
        interface(
            "pooler",
            {"console": console},
            {
                "[static]console.open": "console.open",
                "[method]console.kind": "console.kind",
                "[method]console.show": "console.show",
            },
        )
        interface("backends", {}, {"deliver": "backends.deliver"})
        interface("scaling", {}, {"resize": "scaling.resize", "reconnect": "scaling.reconnect"})

    instance = linker.instantiate(store, Component.from_file(store.engine, str(file)))
    describe = function(store, instance, "skill", "describe")
    run = function(store, instance, "skill", "run")

    description = describe(store)
    json.loads(description)
    for action in ACTIONS:
        assert f'"{action}"' in description, f"describe does not name {action}"
    assert not lent, f"describe used {lent}"

    # The JSON functions report invalid input and a host's refusal the same way: never by a trap.
    assert json.loads(run(store, "no JSON at all"))["success"] is False
    refused = json.loads(run(store, '{"action":"monitor"}'))
    assert (refused["success"], refused["error"]["kind"], lent) == (False, "no-power", ["credentials.lookup"])


def function(store: Store, instance, interface: str, name: str):
    outer = instance.get_export_index(store, f"{PACKAGE}/{interface}@1.0.0")
    assert outer is not None, f"{interface} is not exported"
    return instance.get_func(store, instance.get_export_index(store, name, outer))


def camel(name: str) -> str:
    return re.sub("-(.)", lambda match: match[1].upper(), name)


def record(fields: dict) -> Record:
    """A record's fields keep their WIT names, hyphens included, as attributes."""
    made = Record()
    made.__dict__.update(fields)
    return made


def lift(ty, value):
    """JSON in, what the WIT type asks for out; an absent option is None."""
    if isinstance(ty, OptionType):
        return None if value is None else lift(ty.payload, value)
    if isinstance(ty, ListType):
        element = ty.element
        return [lift(element, item) for item in value]
    if isinstance(ty, RecordType):
        return record({name: lift(field, value.get(camel(name))) for name, field in ty.fields})
    # Python's JSON distinguishes 1 from 1.0, and this runtime accepts only the latter for a float.
    return float(value) if isinstance(ty, F64) else value


def lower(value):
    """A report as plain JSON."""
    if isinstance(value, Record):
        return {camel(name): lower(field) for name, field in value.__dict__.items()}
    if isinstance(value, list):
        return [lower(item) for item in value]
    return value


def canonical(value) -> str:
    """Sorted keys, no spaces, numbers as ECMAScript writes them (RFC 8785)."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return ecmascript(value)
    return json.dumps(value, ensure_ascii=False)


def ecmascript(number: float) -> str:
    """Both languages find the same shortest digits; only where they put the point differs."""
    if number == int(number) and abs(number) < 1e21:
        return str(int(number))
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        text = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + text
    else:
        mantissa = text[0] + (f".{text[1:]}" if text[1:] else "")
        text = f"{mantissa}e{point - 1:+d}"
    return "-" * sign + text


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: smoke.py FOLDER-OF-COMPONENTS SNAPSHOT.json")
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Encoding of cassette lines, as specified in `tests/conformance/FORMAT.md`, version 1."""

from __future__ import annotations

import hashlib
import math
from decimal import Decimal
from typing import Any, TypeVar

from ..faults import Fault
from ..row_set import from_rows, rows_of, types_of
from ..wire import (
    Name,
    Order,
    Outcome,
    Probed,
    ProbeTiming,
    ReconnectOutcome,
    Rows,
    SizeOutcome,
    Statement,
    Timestamp,
    Value,
)

Json = Any
T = TypeVar("T")

VERSION = 1


def encode_value(value: Value) -> Json:
    """Encodes an SQL value."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": _float_text(value)}
    if isinstance(value, bytes):
        return {"b": value.hex()}
    return {"t": str(value.micros)}


def decode_value(json: Json) -> Value:
    """Decodes an SQL value."""
    if json is None or isinstance(json, (bool, str)):
        return json
    ((kind, text),) = json.items()
    if kind == "i":
        return _whole(text, -(2**63), 2**63)
    if kind == "f":
        return float(text)
    if kind == "b":
        return bytes.fromhex(text)
    if kind == "t":
        return Timestamp(_whole(text, -(2**63), 2**63))
    raise ValueError(f"a value of the kind '{kind}' is unknown")


def _whole(text: Json, least: int, beyond: int) -> int:
    """Parses a whole number within a type's range; longer texts are refused."""
    number = int(str(text)[:21])
    if not least <= number < beyond or len(str(text)) > 20:
        raise ValueError("a number is out of its range")
    return number


def _of(kind: type[T], json: Json) -> T:
    """Checks that a JSON value has the given type, and returns it."""
    if type(json) is not kind:
        raise ValueError(f"a {kind.__name__} is wanted")
    return json


def _float_text(value: float) -> str:
    """Returns the shortest digits that represent the same number, with an exponent instead of many zeros."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    digits = Decimal(repr(value)).normalize()
    if 1e-6 <= abs(value) < 1e21:
        return format(digits, "f")
    sign, figures, exponent = digits.as_tuple()
    assert isinstance(exponent, int)
    first, *rest = map(str, figures)
    mantissa = first if not rest else f"{first}.{''.join(rest)}"
    return f"{'-' * sign}{mantissa}e{exponent + len(rest)}"


def encode_rows(answer: Rows) -> Json:
    """Encodes rows, or the fault returned instead."""
    if isinstance(answer, Fault):
        return {"err": answer.to_json()}
    rows = [[encode_value(value) for value in row] for row in rows_of(answer)]
    columns = [[column.name, column.type_oid] for column in answer.columns]
    return {"ok": {"columns": columns, "rows": rows, "truncated": answer.truncated}}


def decode_rows(json: Json) -> Rows:
    """Decodes rows, or the fault returned instead."""
    if "err" in json:
        return Fault.from_json(json["err"])
    ok = json["ok"]
    rows = [[decode_value(value) for value in row] for row in ok["rows"]]
    columns = [(_of(str, name), _whole(oid, 0, 2**32)) for name, oid in ok["columns"]]
    return from_rows(columns, rows, truncated=_of(bool, ok["truncated"]))


def check_rows(json: Json) -> None:
    """Raises if rows do not fit their columns, without decoding them."""
    if "err" not in json:
        rows = [_of(list, row) for row in _of(list, json["ok"]["rows"])]
        types_of(len(json["ok"]["columns"]), rows, lambda it: tuple(it) if isinstance(it, dict) else type(it))


def encode_probed(answer: Probed) -> Json:
    """Encodes a timing, or the fault returned instead."""
    if isinstance(answer, Fault):
        return {"err": answer.to_json()}
    return {"ok": {"connectUs": str(answer.connect_us), "roundTripUs": str(answer.round_trip_us)}}


def decode_probed(json: Json) -> Probed:
    """Decodes a timing, or the fault returned instead."""
    if "err" in json:
        return Fault.from_json(json["err"])
    timing = json["ok"]
    return ProbeTiming(_whole(timing["connectUs"], 0, 2**64), _whole(timing["roundTripUs"], 0, 2**64))


def encode_outcome(outcome: Outcome) -> Json:
    """Encodes the outcome of an order."""
    if outcome.fault is not None:
        return {outcome.case: outcome.fault.to_json()}
    return outcome.case if outcome.why is None else {outcome.case: outcome.why}


def decode_outcome(json: Json) -> Outcome:
    """Decodes the outcome of an order."""
    if json in ("signalled", "gone", "changed", "survived"):
        return Outcome(json)
    if "denied" in json:
        return Outcome("denied", _of(str, json["denied"]))
    return Outcome("failed", fault=Fault.from_json(json["failed"]))


def statement_of(statement: Statement) -> Json:
    """Encodes a statement, with the digest of its text."""
    return {
        "sql": hashlib.sha256(statement.sql.encode()).hexdigest(),
        "params": [encode_value(value) for value in statement.params],
        "maxRows": statement.max_rows,
    }


def order_of(order: Order) -> Json:
    """Encodes an order."""
    return {
        "pid": order.pid,
        "backendStart": str(order.backend_start),
        "signal": order.signal,
        "state": order.state,
        "stateChange": str(order.state_change),
        "reason": order.reason,
    }


def resize_of(console: int, pool: Name, size: int, reason: str, dry_run: bool) -> Json:
    """Encodes the arguments of a resize."""
    return {"console": console, "pool": pool, "size": size, "reason": reason, "dryRun": dry_run}


def reconnect_of(console: int, database: str, reason: str, dry_run: bool) -> Json:
    """Encodes the arguments of a reconnect."""
    return {"console": console, "database": database, "reason": reason, "dryRun": dry_run}


def fields_of(answer: SizeOutcome | ReconnectOutcome) -> Json:
    """Encodes the outcome of a change."""
    return dict(vars(answer))

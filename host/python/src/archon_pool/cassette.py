"""Cassettes, version 1: every call of a component's imports with its answer, recorded and played.

The format and the rules of matching are those of `tests/conformance/FORMAT.md`, which every host shares.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, TypeVar

from .faults import CASSETTE_MISMATCH, EndedError, Fault, FaultError
from .wire import (
    Imports,
    Name,
    Order,
    Outcome,
    Probed,
    ProbeTiming,
    Renewal,
    Rows,
    RowSet,
    SizeOutcome,
    Statement,
    Timestamp,
    Value,
)

Json = Any
T = TypeVar("T")

_VERSION = 1
_NOT_COMPARED = frozenset({"reason", "maxRows"})


def _identity(value: str) -> Json:
    return value


# What goes into a line, and comes out of it.


def encode_value(value: Value) -> Json:
    """An SQL value as a cassette has it."""
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
    """An SQL value out of a cassette."""
    if json is None or isinstance(json, (bool, str)):
        return json
    ((kind, text),) = json.items()
    if kind == "i":
        return int(text)
    if kind == "f":
        return float(text)
    if kind == "b":
        return bytes.fromhex(text)
    if kind == "t":
        return Timestamp(int(text))
    raise ValueError(f"a value of the kind '{kind}' is unknown")


def _float_text(value: float) -> str:
    """The shortest digits that give the same number, without an exponent, as Rust writes them."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    text = format(Decimal(repr(value)), "f")
    return text[:-2] if text.endswith(".0") else text


def _encode_rows(answer: Rows) -> Json:
    if isinstance(answer, Fault):
        return {"err": answer.to_json()}
    rows = [[encode_value(value) for value in row] for row in answer.rows]
    columns = [[name, oid] for name, oid in answer.columns]
    return {"ok": {"columns": columns, "rows": rows, "truncated": answer.truncated}}


def _decode_rows(json: Json) -> Rows:
    if "err" in json:
        return Fault.from_json(json["err"])
    ok = json["ok"]
    rows = [[decode_value(value) for value in row] for row in ok["rows"]]
    return RowSet([(name, oid) for name, oid in ok["columns"]], rows, ok["truncated"])


def _encode_probed(answer: Probed) -> Json:
    if isinstance(answer, Fault):
        return {"err": answer.to_json()}
    return {"ok": {"connectUs": str(answer.connect_us), "roundTripUs": str(answer.round_trip_us)}}


def _decode_probed(json: Json) -> Probed:
    if "err" in json:
        return Fault.from_json(json["err"])
    return ProbeTiming(int(json["ok"]["connectUs"]), int(json["ok"]["roundTripUs"]))


def _encode_outcome(outcome: Outcome) -> Json:
    if outcome.fault is not None:
        return {outcome.case: outcome.fault.to_json()}
    return outcome.case if outcome.why is None else {outcome.case: outcome.why}


def _decode_outcome(json: Json) -> Outcome:
    if isinstance(json, str):
        return Outcome(json)
    if "denied" in json:
        return Outcome("denied", json["denied"])
    return Outcome("failed", fault=Fault.from_json(json["failed"]))


def _statement(statement: Statement) -> Json:
    return {
        "sql": hashlib.sha256(statement.sql.encode()).hexdigest(),
        "params": [encode_value(value) for value in statement.params],
        "maxRows": statement.max_rows,
    }


def _order(order: Order) -> Json:
    return {
        "pid": order.pid,
        "backendStart": str(order.backend_start),
        "signal": order.signal,
        "state": order.state,
        "stateChange": str(order.state_change),
        "reason": order.reason,
    }


def _resize(console: int, pool: Name, size: int, reason: str, dry_run: bool) -> Json:
    return {"console": console, "pool": pool, "size": size, "reason": reason, "dryRun": dry_run}


def _renew(console: int, database: str, reason: str, dry_run: bool) -> Json:
    return {"console": console, "database": database, "reason": reason, "dryRun": dry_run}


def _fields(answer: SizeOutcome | Renewal) -> Json:
    return dict(vars(answer))


class Recorder:
    """Writes a cassette. Whoever may read it learns what the component asked and got: only its owner can."""

    def __init__(self, path: str | os.PathLike[str], name: str, sha256: str, package: str) -> None:
        self._lock = threading.Lock()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._file = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="\n")
        component = {"name": name, "sha256": sha256}
        header = {"cassette": _VERSION, "package": package, "component": component, "normalised": False}
        self.write([header])

    def write(self, lines: Sequence[Json]) -> None:
        """Writes the lines of one call in one piece, so that calls of several threads do not mix."""
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
        with self._lock:
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """The cassette is complete."""
        self._file.close()


class Recorded:
    """The imports of one call, with a line for each."""

    def __init__(self, imports: Imports, recorder: Recorder, call: str, given: str) -> None:
        self._imports = imports
        self._recorder = recorder
        self._lines: list[Json] = [{"call": call, "input": given}]

    def ended(self, fault: Fault) -> None:
        """The call ended with a fault of the host's own."""
        self._lines.append({"ended": fault.to_json()})
        self._recorder.write(self._lines)

    def returned(self, text: str) -> None:
        """The call returned."""
        self._lines.append({"returned": text})
        self._recorder.write(self._lines)

    def _note(self, name: str, asked: Json, answer: Callable[[], T], encode: Callable[[T], Json]) -> T:
        line = {"import": name, "with": asked}
        try:
            value = answer()
        except FaultError as error:
            self._lines.append({**line, "err": error.fault.to_json()})
            raise
        self._lines.append({**line, "ok": encode(value)})
        return value

    def lookup(self, name: Name) -> int:
        """`credentials.lookup`"""
        return self._note(
            "credentials.lookup", {"name": name}, lambda: self._imports.lookup(name), lambda it: {"credential": it}
        )

    def credential_name(self, credential: int) -> str:
        """`credential.name`"""
        asked = {"credential": credential}
        return self._note("credential.name", asked, lambda: self._imports.credential_name(credential), _identity)

    def open_session(self, credential: int) -> int:
        """`session.open`"""
        asked = {"credential": credential}
        return self._note(
            "session.open", asked, lambda: self._imports.open_session(credential), lambda it: {"session": it}
        )

    def session_way(self, session: int) -> str:
        """`session.way`"""
        return self._note("session.way", {"session": session}, lambda: self._imports.session_way(session), _identity)

    def query(self, session: int, batch: Sequence[Statement]) -> list[Rows]:
        """`session.query`"""
        asked = {"session": session, "batch": [_statement(each) for each in batch]}
        return self._note(
            "session.query",
            asked,
            lambda: self._imports.query(session, batch),
            lambda answers: [_encode_rows(answer) for answer in answers],
        )

    def probe(self, credential: int, count: int, timeout_ms: int) -> list[Probed]:
        """`database.probe`"""
        asked = {"credential": credential, "count": count, "timeoutMs": timeout_ms}
        return self._note(
            "database.probe",
            asked,
            lambda: self._imports.probe(credential, count, timeout_ms),
            lambda answers: [_encode_probed(answer) for answer in answers],
        )

    def open_console(self, credential: int) -> int:
        """`console.open`"""
        asked = {"credential": credential}
        return self._note(
            "console.open", asked, lambda: self._imports.open_console(credential), lambda it: {"console": it}
        )

    def console_kind(self, console: int) -> str:
        """`console.kind`"""
        return self._note("console.kind", {"console": console}, lambda: self._imports.console_kind(console), _identity)

    def show(self, console: int, views: Sequence[str]) -> list[Rows]:
        """`console.show`"""
        return self._note(
            "console.show",
            {"console": console, "views": list(views)},
            lambda: self._imports.show(console, views),
            lambda answers: [_encode_rows(answer) for answer in answers],
        )

    def deliver(self, session: int, orders: Sequence[Order], dry_run: bool) -> list[Outcome]:
        """`backends.deliver`"""
        return self._note(
            "backends.deliver",
            {"session": session, "orders": [_order(each) for each in orders], "dryRun": dry_run},
            lambda: self._imports.deliver(session, orders, dry_run),
            lambda outcomes: [_encode_outcome(outcome) for outcome in outcomes],
        )

    def resize(self, console: int, pool: Name, size: int, reason: str, dry_run: bool) -> SizeOutcome:
        """`scaling.resize`"""
        return self._note(
            "scaling.resize",
            _resize(console, pool, size, reason, dry_run),
            lambda: self._imports.resize(console, pool, size, reason, dry_run),
            _fields,
        )

    def renew(self, console: int, database: str, reason: str, dry_run: bool) -> Renewal:
        """`scaling.renew`"""
        return self._note(
            "scaling.renew",
            _renew(console, database, reason, dry_run),
            lambda: self._imports.renew(console, database, reason, dry_run),
            _fields,
        )

    def drop(self, resource: str, handle: int) -> None:
        """No line."""
        self._imports.drop(resource, handle)

    def close(self) -> None:
        """No line."""
        self._imports.close()


class Cassette:
    """A cassette to play: its calls, in their order."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        lines = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines() if line]
        if not lines or not isinstance(lines[0], Mapping) or lines[0].get("cassette") != _VERSION:
            raise ValueError(f"{path} is no cassette of version {_VERSION}")
        self.calls: list[list[Json]] = []
        """Each begins with its `call` line."""
        for line in lines[1:]:
            if "call" in line:
                self.calls.append([line])
            else:
                self.calls[-1].append(line)
        self._next = 0
        self._lock = threading.Lock()

    def next(self) -> Player:
        """The next call's imports."""
        with self._lock:
            call = self.calls[self._next] if self._next < len(self.calls) else []
            self._next += 1
        return Player([line for line in call if "import" in line])


class Player:
    """The imports of one call, answered from a cassette. Nothing of it ever reaches a server."""

    def __init__(self, lines: Sequence[Json]) -> None:
        self._unused = list(lines)
        # Statements of a batch that was not asked for as a whole, each with its answer.
        self._apart: dict[int, list[tuple[Json, Json]]] = {}

    def _take(self, name: str, asked: Json) -> Json | None:
        wanted = _compared(asked)
        for index, line in enumerate(self._unused):
            if line["import"] == name and _compared(line["with"]) == wanted and not self._is_apart(line):
                return self._unused.pop(index)
        return None

    def _is_apart(self, line: Json) -> bool:
        """Whether statements of it were handed over already."""
        return id(line) in self._apart

    def _answer(self, name: str, asked: Json) -> Json:
        line = self._take(name, asked)
        if line is None:
            raise FaultError(Fault(CASSETTE_MISMATCH, f"the cassette has no answer left for {name}"))
        if "err" in line:
            raise FaultError(Fault.from_json(line["err"]))
        return line["ok"]

    def _certain(self, name: str, asked: Json) -> Json:
        """The answer of an import that cannot fail."""
        try:
            return self._answer(name, asked)
        except FaultError as error:
            raise EndedError(error.fault) from None

    def lookup(self, name: Name) -> int:
        """`credentials.lookup`"""
        return int(self._answer("credentials.lookup", {"name": name})["credential"])

    def credential_name(self, credential: int) -> str:
        """`credential.name`"""
        return str(self._certain("credential.name", {"credential": credential}))

    def open_session(self, credential: int) -> int:
        """`session.open`"""
        return int(self._answer("session.open", {"credential": credential})["session"])

    def session_way(self, session: int) -> str:
        """`session.way`"""
        return str(self._certain("session.way", {"session": session}))

    def query(self, session: int, batch: Sequence[Statement]) -> list[Rows]:
        """`session.query`: as a whole, and else statement by statement."""
        statements = [_statement(each) for each in batch]
        line = self._take("session.query", {"session": session, "batch": statements})
        if line is None:
            return [_decode_rows(self._statement_answer(each)) for each in statements]
        if "err" in line:
            raise FaultError(Fault.from_json(line["err"]))
        return [_decode_rows(answer) for answer in line["ok"]]

    def _statement_answer(self, statement: Json) -> Json:
        wanted = _compared(statement)
        for line in self._unused:
            if line["import"] != "session.query" or "ok" not in line:
                continue
            left = self._apart.get(id(line), list(zip(line["with"]["batch"], line["ok"])))
            for index, (asked, answer) in enumerate(left):
                if _compared(asked) == wanted:
                    self._apart[id(line)] = left[:index] + left[index + 1 :]
                    return answer
        why = f"the cassette has no answer left for session.query of statement {statement['sql']}"
        raise FaultError(Fault(CASSETTE_MISMATCH, why))

    def probe(self, credential: int, count: int, timeout_ms: int) -> list[Probed]:
        """`database.probe`"""
        asked = {"credential": credential, "count": count, "timeoutMs": timeout_ms}
        return [_decode_probed(answer) for answer in self._answer("database.probe", asked)]

    def open_console(self, credential: int) -> int:
        """`console.open`"""
        return int(self._answer("console.open", {"credential": credential})["console"])

    def console_kind(self, console: int) -> str:
        """`console.kind`"""
        return str(self._certain("console.kind", {"console": console}))

    def show(self, console: int, views: Sequence[str]) -> list[Rows]:
        """`console.show`"""
        asked = {"console": console, "views": list(views)}
        return [_decode_rows(answer) for answer in self._answer("console.show", asked)]

    def deliver(self, session: int, orders: Sequence[Order], dry_run: bool) -> list[Outcome]:
        """`backends.deliver`"""
        asked = {"session": session, "orders": [_order(each) for each in orders], "dryRun": dry_run}
        return [_decode_outcome(outcome) for outcome in self._answer("backends.deliver", asked)]

    def resize(self, console: int, pool: Name, size: int, reason: str, dry_run: bool) -> SizeOutcome:
        """`scaling.resize`"""
        return SizeOutcome(**self._answer("scaling.resize", _resize(console, pool, size, reason, dry_run)))

    def renew(self, console: int, database: str, reason: str, dry_run: bool) -> Renewal:
        """`scaling.renew`"""
        return Renewal(**self._answer("scaling.renew", _renew(console, database, reason, dry_run)))

    def drop(self, resource: str, handle: int) -> None:
        """Dropping a handle is no line."""

    def close(self) -> None:
        """There is nothing to close."""


def _compared(json: Json) -> Json:
    """What two askings are compared by: another version of a component may word its reasons differently."""
    if isinstance(json, Mapping):
        return {name: _compared(value) for name, value in json.items() if name not in _NOT_COMPARED}
    if isinstance(json, list):
        return [_compared(value) for value in json]
    # Python takes 1 for true.
    return (type(json).__name__, json)

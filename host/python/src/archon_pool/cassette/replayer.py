"""Replay of cassettes: answers a component's imports from a recording."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, TypeVar, cast

from ..faults import CASSETTE_INVALID, CASSETTE_MISMATCH, EndedError, Fault, FaultError, fail
from ..files import read_regular
from ..wire import Name, Order, Outcome, Probed, ReconnectOutcome, Rows, SizeOutcome, Statement
from .format import (
    VERSION,
    Json,
    check_rows,
    decode_outcome,
    decode_probed,
    decode_rows,
    decode_value,
    encode_value,
    order_of,
    reconnect_of,
    resize_of,
    statement_of,
)

_NOT_COMPARED = frozenset({"reason", "maxRows"})
_OF_ROWS = frozenset({"session.query", "console.show"})

_MOST_BYTES = 256 << 20

_DAMAGED = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
)
"""Exceptions raised by JSON of an unexpected shape."""

F = TypeVar("F", bound=Callable[..., object])


class CassetteError(FaultError, ValueError):
    """Error for an invalid cassette file. Cassettes are untrusted."""


@contextlib.contextmanager
def _reading(what: str) -> Iterator[None]:
    """Converts errors in a part of a cassette to a `CassetteError` that names the part."""
    try:
        yield
    except FaultError:
        raise
    except _DAMAGED:
        raise CassetteError(Fault(CASSETTE_INVALID, f"{what} is not of the format of cassettes")) from None


def _recorded(answer: F) -> F:
    """Ends the call when a recorded answer is malformed."""

    @functools.wraps(answer)
    def recorded(*arguments: object) -> object:
        try:
            with _reading("an answer of the cassette"):
                return answer(*arguments)
        except CassetteError as error:
            raise EndedError(error.fault) from None

    return cast(F, recorded)


class Cassette:
    """Cassette to replay, with its calls in order."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads a cassette. Raises a `FaultError` for an invalid file, and an `OSError` for an unreadable one."""
        content, _ = read_regular(path, _MOST_BYTES)
        with _reading(f"{path}"):
            # Not `splitlines`: JSON does not escape U+2028 and similar separators.
            texts = [line for line in content.decode().split("\n") if line]
        self.component = ""
        """File name of the recorded component."""
        self.calls: list[list[Json]] = []
        """Lines of each call, beginning with its `call` line."""
        self._players: list[Player] = []
        for number, text in enumerate(texts, 1):
            with _reading(f"{path}: line {number}"):
                self._take(json.loads(text), is_header=number == 1)
        if not texts:
            raise CassetteError(Fault(CASSETTE_INVALID, f"{path} is empty"))
        for number, call in enumerate(self.calls, 1):
            with _reading(f"{path}: call {number}"):
                self._players.append(Player([line for line in call if "import" in line]))
        self._next = 0
        self._lock = threading.Lock()

    def _take(self, line: Json, *, is_header: bool) -> None:
        if not isinstance(line, dict):
            raise TypeError
        if is_header:
            if line.get("cassette") != VERSION or isinstance(line["cassette"], bool):
                raise CassetteError(Fault(CASSETTE_INVALID, f"it is no cassette of version {VERSION}"))
            self.component = _text(line.get("component", {}).get("name", ""))
        elif "call" in line:
            _text(line["call"])
            self.calls.append([line])
        else:
            self.calls[-1].append(line)

    def next(self, function: str) -> Player:
        """Returns the imports of the next call. Raises when its function differs, or when no call is left."""
        with self._lock:
            if self._next == len(self.calls):
                raise fail(CASSETTE_MISMATCH, "the cassette has no more calls")
            call = self.calls[self._next]
            recorded = call[0]["call"]
            if recorded != function:
                why = f"the cassette's next call is of {recorded} and not of {function}"
                raise fail(CASSETTE_MISMATCH, why)
            self._next += 1
            return self._players[self._next - 1]


class _Line:
    """Recorded line that can be used once, or a batch whose answers can be used individually."""

    def __init__(self, line: Json) -> None:
        self.name = _text(line["import"])
        if "err" not in line and "ok" not in line:
            raise KeyError
        if self.name in _OF_ROWS:
            for answer in line.get("ok", ()):
                check_rows(answer)
        self.asked = _compared(line["with"])
        self.line = line
        self.whole = True
        # Unused statements of a batch with their answers.
        answered = line["ok"] if self.name == "session.query" and "ok" in line else []
        self.parts: list[tuple[Json, Json] | None] = [
            (_compared(statement), answer) for statement, answer in zip(line["with"].get("batch", ()), answered)
        ]


class Player:
    """Imports of one call, answered from a cassette without a server."""

    def __init__(self, lines: Sequence[Json]) -> None:
        self._lines = [_Line(line) for line in lines]

    def _take(self, name: str, asked: Json) -> Json | None:
        """Returns the first unused line with the same arguments."""
        wanted = _compared(asked)
        for index, line in enumerate(self._lines):
            if line.whole and line.name == name and line.asked == wanted:
                return self._lines.pop(index).line
        return None

    def _answer(self, name: str, asked: Json) -> Json:
        line = self._take(name, asked)
        if line is None:
            raise FaultError(_unanswered(name))
        return _ok(line)

    def _certain(self, name: str, asked: Json) -> Json:
        """Returns the answer of an import that cannot fail."""
        try:
            return self._answer(name, asked)
        except FaultError as error:
            raise EndedError(error.fault) from None

    @_recorded
    def lookup(self, name: Name) -> int:
        """`credentials.lookup`"""
        return int(self._answer("credentials.lookup", {"name": name})["credential"])

    @_recorded
    def credential_name(self, credential: int) -> str:
        """`credential.name`"""
        return str(self._certain("credential.name", {"credential": credential}))

    @_recorded
    def open_session(self, credential: int) -> int:
        """`session.open`"""
        return int(self._answer("session.open", {"credential": credential})["session"])

    @_recorded
    def session_access_path(self, session: int) -> str:
        """`session.access-path`"""
        return str(self._certain("session.access-path", {"session": session}))

    @_recorded
    def session_notes(self, session: int) -> list[str]:
        """`session.notes`"""
        return list(map(str, self._certain("session.notes", {"session": session})))

    @_recorded
    def query(self, session: int, batch: Sequence[Statement]) -> list[Rows]:
        """`session.query`: answered as a whole, or else statement by statement."""
        statements = [statement_of(each) for each in batch]
        line = self._take("session.query", {"session": session, "batch": statements})
        answers = self._apart(statements) if line is None else _ok(line)
        return [decode_rows(answer) for answer in answers]

    def _apart(self, statements: Sequence[Json]) -> list[Json]:
        """Returns the answers of a batch from any lines. Uses none when one is missing."""
        places: list[tuple[_Line, int]] = []
        for statement in statements:
            place = self._place(_compared(statement), places)
            if place is None:
                raise FaultError(_unanswered("session.query", f" for statement {statement['sql']}"))
            places.append(place)
        answers = []
        for line, index in places:
            part = line.parts[index]
            assert part is not None
            answers.append(part[1])
            line.parts[index], line.whole = None, False
        return answers

    def _place(self, wanted: Json, spoken_for: list[tuple[_Line, int]]) -> tuple[_Line, int] | None:
        for line in self._lines:
            for index, part in enumerate(line.parts):
                if part is not None and part[0] == wanted and (line, index) not in spoken_for:
                    return line, index
        return None

    @_recorded
    def probe(self, credential: int, count: int, timeout_ms: int) -> list[Probed]:
        """`database.probe`"""
        asked = {"credential": credential, "count": count, "timeoutMs": timeout_ms}
        return [decode_probed(answer) for answer in self._answer("database.probe", asked)]

    @_recorded
    def open_console(self, credential: int) -> int:
        """`console.open`"""
        return int(self._answer("console.open", {"credential": credential})["console"])

    @_recorded
    def console_kind(self, console: int) -> str:
        """`console.kind`"""
        return str(self._certain("console.kind", {"console": console}))

    @_recorded
    def show(self, console: int, views: Sequence[str]) -> list[Rows]:
        """`console.show`"""
        asked = {"console": console, "views": list(views)}
        return [decode_rows(answer) for answer in self._answer("console.show", asked)]

    @_recorded
    def deliver(self, session: int, orders: Sequence[Order], dry_run: bool) -> list[Outcome]:
        """`backends.deliver`"""
        asked = {"session": session, "orders": [order_of(each) for each in orders], "dryRun": dry_run}
        return [decode_outcome(outcome) for outcome in self._answer("backends.deliver", asked)]

    @_recorded
    def resize(self, console: int, pool: Name, size: int, reason: str, dry_run: bool) -> SizeOutcome:
        """`scaling.resize`"""
        return SizeOutcome(**self._answer("scaling.resize", resize_of(console, pool, size, reason, dry_run)))

    @_recorded
    def reconnect(self, console: int, database: str, reason: str, dry_run: bool) -> ReconnectOutcome:
        """`scaling.reconnect`"""
        return ReconnectOutcome(**self._answer("scaling.reconnect", reconnect_of(console, database, reason, dry_run)))

    def drop(self, resource: str, handle: int) -> None:
        """Does nothing: dropped handles are not recorded."""

    def close(self) -> None:
        """Does nothing."""


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _ok(line: Json) -> Json:
    if "err" in line:
        raise FaultError(Fault.from_json(line["err"]))
    return line["ok"]


def _unanswered(name: str, about: str = "") -> Fault:
    # Same message as in the Rust host: a component may include it in its report.
    why = f"the cassette holds no answer to {name}{about}: another component or input was recorded"
    return Fault(CASSETTE_MISMATCH, why)


def _compared(json: Json) -> Json:
    """Returns the compared form of arguments, without fields that may differ between versions of a component."""
    if isinstance(json, Mapping):
        if json.keys() == {"f"}:
            # Different digits may represent the same number.
            return ("f", encode_value(decode_value(json))["f"])
        return {name: _compared(value) for name, value in json.items() if name not in _NOT_COMPARED}
    if isinstance(json, list):
        return [_compared(value) for value in json]
    # Python treats 1 and True as equal.
    return (type(json).__name__, json)

"""Recorder for cassettes: writes every call of a component's imports with its answer."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from typing import Callable, TypeVar

from ..faults import Fault, FaultError
from ..files import create_private
from ..wire import Imports, Name, Order, Outcome, Probed, ReconnectOutcome, Rows, SizeOutcome, Statement
from .format import (
    VERSION,
    Json,
    encode_outcome,
    encode_probed,
    encode_rows,
    fields_of,
    order_of,
    reconnect_of,
    resize_of,
    statement_of,
)

T = TypeVar("T")


def _identity(value: str) -> Json:
    return value


class Recorder:
    """Writes a cassette to a new file.

    The file is readable by its owner only: it holds the component's requests and the answers.
    """

    def __init__(self, path: str | os.PathLike[str], name: str, sha256: str, package: str) -> None:
        self._lock = threading.Lock()
        self._file = os.fdopen(create_private(path), "w", encoding="utf-8", newline="\n")
        component = {"name": name, "sha256": sha256}
        header = {"cassette": VERSION, "package": package, "component": component, "normalised": False}
        self.write([header])

    def write(self, lines: Sequence[Json]) -> None:
        """Writes the lines of one call at once, so that calls of several threads do not mix."""
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
        with self._lock:
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """Closes the completed cassette."""
        self._file.close()


class Recorded:
    """Import implementation that records each call of another one."""

    def __init__(self, imports: Imports, recorder: Recorder, call: str, given: str) -> None:
        self._imports = imports
        self._recorder = recorder
        self._lines: list[Json] = [{"call": call, "input": given}]

    def ended(self, fault: Fault) -> None:
        """Records that the call ended with a fault of the host."""
        self._lines.append({"ended": fault.to_json()})
        self._recorder.write(self._lines)

    def returned(self, text: str) -> None:
        """Records the returned text."""
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

    def session_access_path(self, session: int) -> str:
        """`session.access-path`"""
        return self._note(
            "session.access-path", {"session": session}, lambda: self._imports.session_access_path(session), _identity
        )

    def session_notes(self, session: int) -> list[str]:
        """`session.notes`"""
        return self._note("session.notes", {"session": session}, lambda: self._imports.session_notes(session), list)

    def query(self, session: int, batch: Sequence[Statement]) -> list[Rows]:
        """`session.query`"""
        asked = {"session": session, "batch": [statement_of(each) for each in batch]}
        return self._note(
            "session.query",
            asked,
            lambda: self._imports.query(session, batch),
            lambda answers: [encode_rows(answer) for answer in answers],
        )

    def probe(self, credential: int, count: int, timeout_ms: int) -> list[Probed]:
        """`database.probe`"""
        asked = {"credential": credential, "count": count, "timeoutMs": timeout_ms}
        return self._note(
            "database.probe",
            asked,
            lambda: self._imports.probe(credential, count, timeout_ms),
            lambda answers: [encode_probed(answer) for answer in answers],
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
            lambda answers: [encode_rows(answer) for answer in answers],
        )

    def deliver(self, session: int, orders: Sequence[Order], dry_run: bool) -> list[Outcome]:
        """`backends.deliver`"""
        return self._note(
            "backends.deliver",
            {"session": session, "orders": [order_of(each) for each in orders], "dryRun": dry_run},
            lambda: self._imports.deliver(session, orders, dry_run),
            lambda outcomes: [encode_outcome(outcome) for outcome in outcomes],
        )

    def resize(self, console: int, pool: Name, size: int, reason: str, dry_run: bool) -> SizeOutcome:
        """`scaling.resize`"""
        return self._note(
            "scaling.resize",
            resize_of(console, pool, size, reason, dry_run),
            lambda: self._imports.resize(console, pool, size, reason, dry_run),
            fields_of,
        )

    def reconnect(self, console: int, database: str, reason: str, dry_run: bool) -> ReconnectOutcome:
        """`scaling.reconnect`"""
        return self._note(
            "scaling.reconnect",
            reconnect_of(console, database, reason, dry_run),
            lambda: self._imports.reconnect(console, database, reason, dry_run),
            fields_of,
        )

    def drop(self, resource: str, handle: int) -> None:
        """Drops the handle without recording it."""
        self._imports.drop(resource, handle)

    def close(self) -> None:
        """Closes the imports without recording it."""
        self._imports.close()

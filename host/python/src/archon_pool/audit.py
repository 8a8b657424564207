"""Audit log: records of each action, its author, target, reason and outcome, before and after it."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from .faults import AUDIT_FAILED, FaultError, fail
from .files import append_private

_LOG = logging.getLogger("archon_pool")

Record = Mapping[str, Any]
Listener = Callable[[Record], None]


class Audit:
    """Passes each record to a function, a file of JSON lines, or both."""

    def __init__(self, listener: Listener | None = None, path: str | os.PathLike[str] | None = None) -> None:
        self._listener = listener
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()

    def write(self, event: str, record: Record) -> None:
        """Writes a record. Raises when that fails: the action must not follow."""
        whole = {"at": now(), "event": event, **record}
        try:
            with self._lock:
                if self._path is not None:
                    self._append(whole)
                if self._listener is not None:
                    self._listener(whole)
        except Exception as error:
            why = f"the audit record could not be written, and nothing is done that is not on record: {error}"
            raise fail(AUDIT_FAILED, why) from error

    def note(self, event: str, record: Record) -> None:
        """Writes a record of a completed action. Errors are logged only, because the action has already happened."""
        try:
            self.write(event, record)
        except FaultError as error:
            _LOG.error("what was done is not on record: %s", error)

    def _append(self, record: Record) -> None:
        assert self._path is not None
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        append_private(self._path, line.encode("utf-8", "replace"))


def now() -> str:
    """Returns the current time in UTC, in the format of the log lines."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""What was done, by whom, to whom, why, and what came of it: before and after."""

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
    """Hands each record to a function, a file of JSON lines, or both."""

    def __init__(self, listener: Listener | None = None, path: str | os.PathLike[str] | None = None) -> None:
        self._listener = listener
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()

    def write(self, event: str, record: Record) -> None:
        """Puts something on record. Raises when that fails: nothing is done that is not on record."""
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
        """Puts on record what is done already: that the record fails cannot undo it."""
        try:
            self.write(event, record)
        except FaultError as error:
            _LOG.error("what was done is not on record: %s", error)

    def _append(self, record: Record) -> None:
        assert self._path is not None
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        append_private(self._path, line.encode("utf-8", "replace"))


def now() -> str:
    """This moment in UTC, as the log lines have it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

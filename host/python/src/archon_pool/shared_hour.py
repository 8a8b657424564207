"""Actions of the last hour by all processes of one user, in a private file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import json_text
from .faults import NOT_APPROVED, fail
from .files import own_folder, read_regular, replace_private

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

HOUR_S = 3_600.0
_PATIENCE_S = 1.0

Book = dict[str, list[float]]
"""Times of the actions of the last hour, by the digest of their place."""


def key(place: str) -> str:
    """Returns the digest of a place, so that the file shows neither host nor database."""
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()


def recent(times: list[float]) -> list[float]:
    """Returns the times of the last hour. Future times still count after the clock was set back."""
    now = time.time()
    return [min(at, now) for at in times if now - HOUR_S < at < now + HOUR_S]


class SharedHour:
    """Hourly record in a file. Without one, each process counts separately, as `note` states."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _state_folder()

    @property
    def note(self) -> str | None:
        """Note for a report when the caps do not apply across processes."""
        folder, why = self._usable(), "the user has no folder of state that is private"
        if folder is not None:
            try:
                _read(folder / "hour.json")
            except OSError as error:
                why = str(error)
            else:
                return None
        caps = "caps per hour (the policy's max_kills_per_hour and max_resizes_per_hour)"
        return f"{caps} count the calls of this process alone: {why}"

    def _usable(self) -> Path | None:
        if fcntl is None or self._folder is None:
            return None
        return own_folder(self._folder)

    @contextlib.contextmanager
    def opened(self, otherwise: Book) -> Iterator[Book]:
        """Opens the record for one process at a time and writes changes back. Yields `otherwise` if there can be no
        file.

        Raises a `FaultError` when another process does not release the lock.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = self._usable()
                if folder is None:
                    raise OSError("no folder")
                stack.enter_context(_locked(folder / "hour.lock"))
                book = _read(folder / "hour.json")
            except BlockingIOError:
                # Not `otherwise`: the file exists, and actions of other processes would not count.
                why = f"the caps per hour cannot be counted while another process holds {self._folder}/hour.lock"
                raise fail(NOT_APPROVED, why, retryable=True) from None
            except OSError:
                yield otherwise
                return
            before = json.dumps(book)
            yield book
            kept = {place: times for place, times in book.items() if times}
            if json.dumps(kept) != before:
                replace_private(folder / "hour.json", json.dumps(kept).encode())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.005)
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> Book:
    """Reads the record. Damaged content is an error: an empty record would reset the caps."""
    try:
        content, _ = read_regular(path)
    except FileNotFoundError:
        return {}
    try:
        read: Any = json_text.parse(content.decode())
        return {str(place): recent([float(at) for at in times]) for place, times in read.items()}
    except (ValueError, TypeError, AttributeError):
        raise OSError(f"{path} is damaged: remove it") from None


def _state_folder() -> Path | None:
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(home) / "archon-pool" / "python" if os.path.isabs(home) else None

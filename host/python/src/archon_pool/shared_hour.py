"""What all processes of one user have sent in the last hour, in a file of that user's own."""

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
"""Times of the acts of the last hour, by the digest of their place."""


def key(place: str) -> str:
    """A place as it is on file: neither host nor database can be read there."""
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()


def recent(times: list[float]) -> list[float]:
    """The times of the last hour. A clock that was set back does not forget what was sent."""
    now = time.time()
    return [min(at, now) for at in times if now - HOUR_S < at < now + HOUR_S]


class SharedHour:
    """A book on file. Where there can be none, a process counts for itself, and `note` says so."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _state_folder()

    @property
    def note(self) -> str | None:
        """What a report must state when the caps do not hold across processes."""
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
        """The book, for one process at a time; what is changed in it is written. Without a file it is `otherwise`.

        Raises a `FaultError` when another process does not give it back.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = self._usable()
                if folder is None:
                    raise OSError("no folder")
                stack.enter_context(_locked(folder / "hour.lock"))
                book = _read(folder / "hour.json")
            except BlockingIOError:
                # Not `otherwise`: the file is there, and what others have sent would not count.
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
    """The book. What is damaged is an error: an empty one would let everything be sent again."""
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

"""Policy of the operator, which limits every component."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .. import names
from ..faults import INVALID_PARAMS, FaultError, fail
from ..guard_spec import guard
from ..shared_hour import Book, SharedHour, key, recent


def _cap(name: str) -> int:
    default: int = field(default_factory=lambda: guard().policy[name])
    return default


@dataclass(frozen=True)
class Policy:
    """Policy of the operator; the defaults are those of the Rust host."""

    apply: bool = True
    """True when changes are allowed. Otherwise every order is refused, except in dry runs."""
    max_kill_percentage: int = _cap("maxKillPercentage")
    """Cap on ended sessions in one call: percent of the killable sessions and of all client sessions of the
    database, the smaller, rounded down. A request can only lower it."""
    max_kills: int = _cap("maxKills")
    """Cap on ended sessions in one call."""
    max_kills_per_hour: int = _cap("maxKillsPerHour")
    """Cap on ended sessions of one database in any 60 minutes, over all calls of this user."""
    resize: bool = True
    """True when pools may be resized, and their server connections reconnected."""
    max_resizes_per_hour: int = _cap("maxResizesPerHour")
    """Cap on resizes and reconnects at one console in any 60 minutes, over all calls of this user."""
    protected_roles: tuple[str, ...] = ()
    """Role name patterns to protect in addition to the built-in ones; `*` matches anything."""
    protected_applications: tuple[str, ...] = ()
    """Application name patterns to protect in addition to the built-in ones; `*` matches anything."""

    def __post_init__(self) -> None:
        for setting in ("protected_roles", "protected_applications"):
            globs = getattr(self, setting)
            if isinstance(globs, str) or not all(isinstance(glob, str) for glob in globs):
                raise fail(INVALID_PARAMS, f"policy {setting} must be a tuple of patterns")
            for glob in globs:
                if names.is_too_long(glob):
                    why = f"'{glob}' is longer than the {names.name_bytes()} bytes that a server keeps of a name"
                    raise fail(INVALID_PARAMS, f"policy {setting}: {why}")

    def role_patterns(self) -> list[str]:
        """Returns the protected roles as `ILIKE` patterns."""
        return [*guard().protected_roles, *(_as_like(names.role_glob(glob)) for glob in self.protected_roles)]

    def application_patterns(self) -> list[str]:
        """Returns the protected applications as `ILIKE` patterns."""
        own = (_as_like(names.application_glob(glob)) for glob in self.protected_applications)
        return [*guard().protected_applications, *own]


def _as_like(glob: str) -> str:
    """Converts a glob to a `LIKE` pattern."""
    special = {"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": "\\\\"}
    return "".join(special.get(letter, letter) for letter in glob)


class Hourly:
    """Actions of the last hour, per place and kind: of this process, or of all processes of one user."""

    def __init__(self, shared: SharedHour | None = None) -> None:
        self._own: Book = {}
        self._shared = shared
        self._lock = threading.Lock()

    @property
    def note(self) -> str | None:
        """Note for a report about the scope of the caps."""
        return None if self._shared is None else self._shared.note

    def left(self, place: str, most: int) -> int:
        """Returns the number of further actions allowed."""
        with self._book() as book:
            return max(0, most - len(recent(book.get(key(place), []))))

    def take(self, place: str, wanted: int, most: int) -> int:
        """Reserves up to `wanted` actions and returns the number granted."""
        with self._book() as book:
            sent = recent(book.get(key(place), []))
            granted = max(0, min(wanted, most - len(sent)))
            book[key(place)] = sent + [time.time()] * granted
            return granted

    def give_back(self, place: str, count: int) -> None:
        """Releases unused reservations. If the number is unknown, they count as used."""
        with contextlib.suppress(FaultError), self._book() as book:
            sent = book.get(key(place), [])
            book[key(place)] = sent[: max(0, len(sent) - count)]

    @contextlib.contextmanager
    def _book(self) -> Iterator[Book]:
        with self._lock:
            if self._shared is None:
                yield self._own
                return
            with self._shared.opened(self._own) as book:
                yield book

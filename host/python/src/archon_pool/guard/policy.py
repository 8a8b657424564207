"""What an operator allows, whatever a component claims."""

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
    """What an operator allows; the defaults are the Rust host's."""

    apply: bool = True
    """Whether anything may be changed at all. Without it every order is refused, dry runs excepted."""
    max_kill_percentage: int = _cap("maxKillPercentage")
    """Cap on ended sessions in one call: percent of the killable sessions and of all client sessions of the
    database, the smaller, rounded down. A request can only lower it."""
    max_kills: int = _cap("maxKills")
    """Cap on ended sessions in one call."""
    max_kills_per_hour: int = _cap("maxKillsPerHour")
    """Cap on ended sessions of one database in any 60 minutes, over all calls of this user."""
    resize: bool = True
    """Whether pools may be resized, and their server connections reconnected."""
    max_resizes_per_hour: int = _cap("maxResizesPerHour")
    """Cap on resizes and reconnects at one console in any 60 minutes, over all calls of this user."""
    protected_roles: tuple[str, ...] = ()
    """Role name patterns to protect beside the built-in ones; `*` stands for anything."""
    protected_applications: tuple[str, ...] = ()
    """Application name patterns to protect beside the built-in ones; `*` stands for anything."""

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
        """The protected roles as patterns of SQL's `ILIKE`."""
        return [*guard().protected_roles, *(_as_like(names.role_glob(glob)) for glob in self.protected_roles)]

    def application_patterns(self) -> list[str]:
        """The protected applications as patterns of SQL's `ILIKE`."""
        own = (_as_like(names.application_glob(glob)) for glob in self.protected_applications)
        return [*guard().protected_applications, *own]


def _as_like(glob: str) -> str:
    """A glob as a pattern of SQL's `LIKE`."""
    special = {"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": "\\\\"}
    return "".join(special.get(letter, letter) for letter in glob)


class Hourly:
    """What was sent in the last hour, per place and kind of act: by this process, or by all of one user."""

    def __init__(self, shared: SharedHour | None = None) -> None:
        self._own: Book = {}
        self._shared = shared
        self._lock = threading.Lock()

    @property
    def note(self) -> str | None:
        """What a report must state of it."""
        return None if self._shared is None else self._shared.note

    def left(self, place: str, most: int) -> int:
        """How many there is still room for."""
        with self._book() as book:
            return max(0, most - len(recent(book.get(key(place), []))))

    def take(self, place: str, wanted: int, most: int) -> int:
        """Takes as many as there is room for."""
        with self._book() as book:
            sent = recent(book.get(key(place), []))
            granted = max(0, min(wanted, most - len(sent)))
            book[key(place)] = sent + [time.time()] * granted
            return granted

    def give_back(self, place: str, count: int) -> None:
        """Gives back places that were taken and not used. Where that is not known, they count as used."""
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

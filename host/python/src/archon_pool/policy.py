"""What an operator allows, whatever a component claims."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import names
from .faults import INVALID_PARAMS, fail
from .guard import guard

_HOUR_S = 3600.0


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
    """Cap on ended sessions of one database in any 60 minutes, over all calls of this host."""
    resize: bool = True
    """Whether pools may be resized, and their server connections renewed."""
    max_resizes_per_hour: int = _cap("maxResizesPerHour")
    """Cap on resizes and renewals at one console in any 60 minutes, over all calls of this host."""
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
                    why = f"'{glob}' is longer than the {names.NAME_BYTES} bytes that a server keeps of a name"
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
    """What was sent in the last hour, per place and kind of act."""

    def __init__(self) -> None:
        self._sent: Mapping[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def left(self, place: str, most: int) -> int:
        """How many there is still room for."""
        with self._lock:
            return self._room(place, most)

    def take(self, place: str, wanted: int, most: int) -> int:
        """Takes as many as there is room for."""
        with self._lock:
            granted = min(wanted, self._room(place, most))
            self._sent[place].extend([time.monotonic()] * granted)
            return granted

    def give_back(self, place: str, count: int) -> None:
        """What was taken and not sent."""
        with self._lock:
            sent = self._sent[place]
            for _ in range(min(count, len(sent))):
                sent.pop()

    def _room(self, place: str, most: int) -> int:
        sent, before = self._sent[place], time.monotonic() - _HOUR_S
        while sent and sent[0] <= before:
            sent.popleft()
        return max(0, most - len(sent))

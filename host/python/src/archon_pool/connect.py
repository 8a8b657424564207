"""Opens a connection to the first host that will do."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from . import errors
from .clock import Clock, SilentError
from .connection import Connection, RefusedError
from .connection_config import Target
from .errors import Refusal
from .faults import Fault, FaultError
from .libpq import MODES_WITHOUT_TLS, Startup, allows_other_than_clear_text, can_require_auth, conninfo
from .limits import Limits
from .resolver import is_local, resolve


@dataclass(frozen=True)
class Opened:
    """A connection that was made."""

    connection: Connection
    target: Target
    """With the one host that it leads to."""
    notes: tuple[str, ...]
    """Facts about how it was made that a report must state."""


class NotOpenedError(Exception):
    """No connection was made, and no other host is worth a try."""

    def __init__(self, refusal: Refusal, target: Target) -> None:
        super().__init__(refusal.said)
        self.refusal = refusal
        self.target = target
        """With the one host that refused."""

    @property
    def fault(self) -> Fault:
        """Why there is no session."""
        return self.refusal.fault(self.target)


def connect(target: Target, startup: Startup, limits: Limits, clock: Clock, timeout_s: float | None = None) -> Opened:
    """Connects within the least of the times that hold, of which each host has its own.

    As in libpq, the next host is tried when one does not answer, takes no sessions now, or is of another kind than
    `target_session_attrs` wants. Raises `NotOpenedError` or `FaultError`.
    """
    end = None if timeout_s is None else time.monotonic() + timeout_s
    faults: list[Fault] = []
    for attempt in _attempts(target):
        try:
            return _Attempt(attempt, startup, limits, clock, end).open()
        except NotOpenedError as error:
            if not error.refusal.leaves_other_hosts:
                raise
            faults.append(error.fault)
        except FaultError as error:
            faults.append(error.fault)
    # Each once: `prefer-standby` may have had the same from a host twice.
    why = "; ".join(dict.fromkeys(fault.message for fault in faults))
    raise FaultError(replace(faults[0], message=why))


def _attempts(target: Target) -> list[Target]:
    if target.target_session_attrs != "prefer-standby":
        return target.each()
    standby, any_server = (replace(target, target_session_attrs=wanted) for wanted in ("standby", "any"))
    return [*standby.each(), *any_server.each()]


class _Attempt:
    """One attempt, with one host."""

    def __init__(self, target: Target, startup: Startup, limits: Limits, clock: Clock, end: float | None) -> None:
        longest = limits.connect_timeout.total_seconds()
        left = [] if end is None else [max(0.0, end - time.monotonic())]
        self._wait_s = min([target.connect_timeout_s or longest, longest, *left])
        self._until = time.monotonic() + self._wait_s
        self._target = target
        self._startup = startup
        self._clock = clock

    def open(self) -> Opened:
        """Connects, and finds out what a report must state of it."""
        try:
            addresses = resolve(self._target.first, self._until, self._clock)
            connection, was_in_clear_text = self._connect(addresses)
        except SilentError:
            why = f"no session within {int(self._wait_s * 1000)} ms (limit `connect_timeout`)"
            raise FaultError(errors.unreachable(self._target, why)) from None
        except OSError as error:
            raise FaultError(errors.unreachable(self._target, errors.unknown_host(error))) from None
        except RefusedError as error:
            raise NotOpenedError(error.refusal, self._target) from None
        notes = list(self._target.notes)
        if not connection.is_encrypted and not all(map(is_local, addresses)):
            notes.append("the session is not encrypted")
        if was_in_clear_text:
            notes.append("the password was sent in clear text")
        return Opened(connection, self._target, tuple(notes))

    def _connect(self, addresses: list[str]) -> tuple[Connection, bool]:
        """Connects, and says whether a password went over the network in clear text.

        libpq does not tell how it logged in. So where it may matter, it is first forbidden to send a password in
        clear text, and when that is what the server wants, it is sent by a second connection.
        """
        is_remote = not all(map(is_local, addresses))
        if self._target.sslmode not in MODES_WITHOUT_TLS or not is_remote or not can_require_auth():
            return self._libpq(addresses, in_clear_text=True), False
        if allows_other_than_clear_text(self._target):
            try:
                return self._libpq(addresses, in_clear_text=False), False
            except RefusedError as error:
                if not error.refusal.wants_clear_text:
                    raise
        connection = self._libpq(addresses, in_clear_text=True)
        return connection, connection.used_password and not connection.is_encrypted

    def _libpq(self, addresses: list[str], *, in_clear_text: bool) -> Connection:
        text = conninfo(self._target, addresses, self._startup, in_clear_text=in_clear_text)
        return Connection.open(text, self._until, self._clock)

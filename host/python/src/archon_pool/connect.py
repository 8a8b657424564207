"""Opens a connection to the first host that will do."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from . import errors
from .clock import Clock, SilentError
from .connection import Connection, RefusedError
from .connection_config import Target
from .errors import Refusal
from .faults import SERVER_UNREACHABLE, Fault, FaultError
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
        """The fault of a session that was refused."""
        return self.refusal.fault(self.target)


def connect(target: Target, startup: Startup, limits: Limits, clock: Clock, timeout_s: float | None = None) -> Opened:
    """Connects to the first acceptable server within the least of the times that hold.

    As in libpq, the next address or host is tried when one does not answer, takes no sessions now, or is of another
    kind than `target_session_attrs` wants. Raises `NotOpenedError` or `FaultError`.
    """
    longest_s = limits.connect_timeout.total_seconds()
    end = time.monotonic() + (longest_s if timeout_s is None else min(longest_s, timeout_s))
    hosts, faults = _rounds(target), []
    for later_hosts, host in zip(reversed(range(len(hosts))), hosts):
        patience = _Patience(host, end, later_hosts + 1)
        try:
            addresses = resolve(host.first, patience.until, clock) or [""]
        except (OSError, SilentError) as error:
            why = errors.unknown_host(error) if isinstance(error, OSError) else patience.is_over()
            faults.append(errors.unreachable(host, why))
            continue
        for more, address in zip(reversed(range(len(addresses))), addresses):
            if len(addresses) > 1:
                patience = _Patience(host, end, more + later_hosts + 1)
            try:
                return _Attempt(host, address, startup, patience, clock).open()
            except NotOpenedError as error:
                if error.fault.kind != SERVER_UNREACHABLE:
                    raise
                faults.append(error.fault)
            except FaultError as error:
                faults.append(error.fault)
    # Each once: `prefer-standby` may have had the same from a host twice.
    why = "; ".join(dict.fromkeys(fault.message for fault in faults))
    raise FaultError(replace(faults[0], message=why))


def _rounds(target: Target) -> list[Target]:
    if target.target_session_attrs != "prefer-standby":
        return target.each()
    standby, any_server = (replace(target, target_session_attrs=wanted) for wanted in ("standby", "any"))
    return [*standby.each(), *any_server.each()]


class _Patience:
    """The time that one attempt may take: no more than its share of what is left."""

    def __init__(self, target: Target, end: float, attempts: int) -> None:
        now = time.monotonic()
        share_s = max(0.0, end - now) / attempts
        self._most_s = min(target.connect_timeout_s or share_s, share_s)
        self.until = now + self._most_s

    def is_over(self) -> str:
        """Says why an attempt was given up."""
        return f"no session within {round(self._most_s * 1000)} ms (limit `connect_timeout`)"


class _Attempt:
    """One attempt, at one address of one host."""

    def __init__(self, target: Target, address: str, startup: Startup, patience: _Patience, clock: Clock) -> None:
        self._target = target
        self._address = address
        self._startup = startup
        self._patience = patience
        self._clock = clock
        self._is_remote = bool(address) and not is_local(address)

    def open(self) -> Opened:
        """Connects, and finds out what a report must state of it."""
        try:
            if self._target.target_session_attrs in ("read-write", "read-only"):
                # Our own settings make every session read-only.
                plain = replace(self._startup, options=self._target.options or "")
                self._connect(self._target, plain)[0].close()
                connection, in_clear_text = self._connect(replace(self._target, target_session_attrs="any"))
            else:
                connection, in_clear_text = self._connect(self._target)
        except SilentError:
            raise FaultError(errors.unreachable(self._target, self._patience.is_over())) from None
        except RefusedError as error:
            raise NotOpenedError(error.refusal, self._target) from None
        notes = list(self._target.notes)
        if self._is_remote and not connection.is_encrypted:
            notes.append("the session is not encrypted")
        if in_clear_text:
            notes.append("the password was sent in clear text")
        return Opened(connection, self._target, tuple(notes))

    def _connect(self, target: Target, startup: Startup | None = None) -> tuple[Connection, bool]:
        """Connects, and says whether a password went over the network in clear text.

        libpq does not tell how it logged in. So where it may matter, it is first forbidden to send a password in
        clear text, and when that is what the server wants, it is sent by a second connection.
        """

        def libpq(*, in_clear_text: bool) -> Connection:
            text = conninfo(target, self._address, startup or self._startup, in_clear_text=in_clear_text)
            return Connection.open(text, self._patience.until, self._clock)

        if target.sslmode not in MODES_WITHOUT_TLS or not self._is_remote or not can_require_auth():
            return libpq(in_clear_text=True), False
        if allows_other_than_clear_text(target):
            try:
                return libpq(in_clear_text=False), False
            except RefusedError as error:
                if not error.refusal.wants_clear_text:
                    raise
        connection = libpq(in_clear_text=True)
        return connection, connection.used_password and not connection.is_encrypted

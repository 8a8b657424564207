"""Opens a connection to the first acceptable host."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace

from . import server_error
from .clock import Clock, SilentError
from .connection import Connection, RawRow
from .connection_config import Target
from .encryption import missing_roots
from .faults import AUTHENTICATION_FAILED, CONNECTION_LOST, SERVER_UNREACHABLE, Fault, FaultError
from .limits import Limits
from .login import Startup
from .messages import ServerError
from .resolver import is_local, resolve
from .server_error import Refusal, RefusedError

_TLS_ORDER = {"disable": (False,), "allow": (False, True), "prefer": (True, False)}
"""Order of attempts with and without TLS by `sslmode`, as in libpq. The other modes always use TLS."""


@dataclass(frozen=True)
class Opened:
    """Open connection."""

    connection: Connection
    target: Target
    """Target reduced to the chosen host."""
    notes: tuple[str, ...]
    """Facts about opening it that a report must state."""


class NotOpenedError(Exception):
    """Error for a refused connection after which no other host is tried."""

    def __init__(self, refusal: Refusal, target: Target) -> None:
        super().__init__(refusal.told)
        self.refusal = refusal
        self.target = target
        """Target reduced to the refusing host."""

    @property
    def fault(self) -> Fault:
        """Returns the fault of the refused session."""
        return self.refusal.fault(self.target)


def connect(target: Target, startup: Startup, limits: Limits, clock: Clock, timeout_s: float | None = None) -> Opened:
    """Connects to the first acceptable server within the shortest applicable time limit.

    As in libpq, the next address or host is tried when one does not answer, accepts no sessions now, or does not
    satisfy `target_session_attrs`. Raises `NotOpenedError` or `FaultError`.
    """
    longest_s = limits.connect_timeout.total_seconds()
    if timeout_s is not None:
        longest_s = min(longest_s, timeout_s)
    end = time.monotonic() + longest_s
    hosts, faults = _rounds(target), []
    for later_hosts, host in zip(reversed(range(len(hosts))), hosts):
        patience = _Patience(host, end, longest_s, later_hosts + 1)
        try:
            addresses = resolve(host.first, patience.until, clock) or [""]
        except (OSError, SilentError) as error:
            why = server_error.unknown_host(error) if isinstance(error, OSError) else patience.is_over()
            faults.append(server_error.unreachable(host, why))
            continue
        for more, address in zip(reversed(range(len(addresses))), addresses):
            if len(addresses) > 1:
                patience = _Patience(host, end, longest_s, more + later_hosts + 1)
            try:
                return _Attempt(host, address, startup, limits, patience, clock).open()
            except NotOpenedError as error:
                if error.fault.kind != SERVER_UNREACHABLE:
                    raise
                faults.append(error.fault)
            except FaultError as error:
                # An exceeded limit ends the search.
                if error.fault.kind not in (SERVER_UNREACHABLE, CONNECTION_LOST):
                    raise
                faults.append(error.fault)
    # Without duplicates: `prefer-standby` may try a host twice.
    why = "; ".join(dict.fromkeys(fault.message for fault in faults))
    raise FaultError(replace(faults[0], message=why))


def _rounds(target: Target) -> list[Target]:
    if target.target_session_attrs != "prefer-standby":
        return target.each()
    standby, any_server = (replace(target, target_session_attrs=wanted) for wanted in ("standby", "any"))
    return [*standby.each(), *any_server.each()]


class _Patience:
    """Time limit of one attempt: an equal share of the remaining time."""

    def __init__(self, target: Target, end: float, longest_s: float, attempts: int) -> None:
        now = time.monotonic()
        share_s = max(0.0, end - now) / attempts
        self.until = now + min(target.connect_timeout_s or share_s, share_s)
        # The last attempt ends with the overall limit, and messages name that.
        named_s = share_s if attempts > 1 else longest_s
        self._named_s = min(target.connect_timeout_s or named_s, named_s)

    def is_over(self) -> str:
        """Returns the reason why an attempt timed out."""
        return f"no session within {round(self._named_s * 1000)} ms (limit `connect_timeout`)"


class _Attempt:
    """One attempt, at one address of one host."""

    def __init__(
        self, target: Target, address: str, startup: Startup, limits: Limits, patience: _Patience, clock: Clock
    ) -> None:
        self._target = target
        self._address = address
        self._startup = startup
        self._limits = limits
        self._patience = patience
        self._clock = clock
        self._is_remote = bool(address) and not is_local(address)

    def open(self) -> Opened:
        """Connects, and collects the notes for a report."""
        try:
            if self._target.target_session_attrs in ("read-write", "read-only"):
                # The host's settings would make every session read-only.
                plain = replace(self._startup, options=self._target.options or "")
                with contextlib.closing(self._connect(plain)) as first:
                    self._check_kind(first)
                connection = self._connect(self._startup)
            else:
                connection = self._connect(self._startup)
                try:
                    self._check_kind(connection)
                except BaseException:
                    connection.close()
                    raise
        except SilentError:
            raise FaultError(server_error.unreachable(self._target, self._patience.is_over())) from None
        except RefusedError as error:
            raise NotOpenedError(error.refusal, self._target) from None
        notes = list(self._target.notes)
        missing = missing_roots(self._target) if connection.is_encrypted else None
        if missing is not None:
            notes.append(f"sslrootcert {missing} does not exist: the server's certificate is not verified")
        if self._is_remote and not connection.is_encrypted:
            notes.append("the session is not encrypted")
            if connection.sent_clear_text:
                notes.append("the password was sent in clear text")
        return Opened(connection, self._target, tuple(notes))

    def _connect(self, startup: Startup) -> Connection:
        """Connects with TLS, without it, or both in the order of `sslmode` when the first is refused."""
        refusals: list[Refusal] = []
        for tls in _TLS_ORDER.get(self._target.sslmode, (True,)) if self._address else (False,):
            try:
                return Connection.open(
                    self._target, self._address, startup, self._limits, self._patience.until, self._clock, tls=tls
                )
            except RefusedError as error:
                refusals.append(error.refusal)
                # An unreachable server and a missing or forbidden password do not depend on TLS.
                if error.refusal.kind in (SERVER_UNREACHABLE, AUTHENTICATION_FAILED):
                    break
        tls_tried = not self._address or self._target.sslmode != "disable"
        raise RefusedError(replace(Refusal.most_telling(refusals), tls_tried=tls_tried))

    def _check_kind(self, connection: Connection) -> None:
        """Checks `target_session_attrs`. Servers before PostgreSQL 14 and poolers are queried for it."""
        wanted = self._target.target_session_attrs
        if wanted == "any":
            return
        standby = self._shown(connection, "in_hot_standby", "SELECT pg_catalog.pg_is_in_recovery()")
        if wanted in ("primary", "standby"):
            if standby is not (wanted == "standby"):
                said = "server is in hot standby mode" if standby else "server is not in hot standby mode"
                raise FaultError(server_error.of_another_kind(self._target, said))
            return
        read_only = standby or self._shown(connection, "default_transaction_read_only", "SHOW transaction_read_only")
        if read_only is not (wanted == "read-only"):
            said = "session is read-only" if read_only else "session is not read-only"
            raise FaultError(server_error.of_another_kind(self._target, said))

    def _shown(self, connection: Connection, parameter: str, sql: str) -> bool:
        value = connection.parameter(parameter)
        if value is not None:
            return value == "on"
        cells: list[bytes | None] = []
        for answer in connection.simple(sql, max(0.0, self._patience.until - time.monotonic())):
            if isinstance(answer, ServerError):
                raise FaultError(server_error.querying(answer, connection.text))
            if isinstance(answer, RawRow):
                cells = connection.cells(answer, 1)
        return cells in ([b"on"], [b"t"])

"""Connection to a PostgreSQL server whose every operation has a time limit.

The protocol is implemented here instead of a C library, so that received data and requested computations are limited,
and closing takes effect at once.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Union

from . import encryption, messages, server_error
from .channel import UNASKED, Channel
from .clock import Clock, SilentError
from .connection_config import Target
from .faults import SERVER_UNREACHABLE, TLS_FAILED, UNEXPECTED_ANSWER, EndedError, FaultError, fail
from .frames import Budget, ProtocolError
from .guard_spec import guard
from .limits import Limits
from .login import Login, Startup
from .messages import Column, ServerError
from .server_error import Refusal, RefusedError
from .text import TextEncoding
from .transport import ClosedError, Transport

_CANCEL_S = 0.8
"""Time for the cancel request: less than a second in total."""

_ROWS = frozenset([b"T", b"D"])
_COMPLETED = frozenset([b"C", b"I", b"s"])
_PREPARED = frozenset([b"1", b"2", b"n"])
_ANSWERS = UNASKED | _ROWS | _COMPLETED | _PREPARED | {b"E", b"Z"}


@dataclass(frozen=True)
class Columns:
    """Columns of the rows that follow."""

    columns: list[Column]


@dataclass(frozen=True)
class RawRow:
    """Undecoded row."""

    body: bytes


Answer = Union[Columns, RawRow, ServerError]


class Connection:
    """Connection. Closing it cancels the running statement."""

    def __init__(self, channel: Channel, address: str, target: Target, limits: Limits, clock: Clock) -> None:
        self._channel = channel
        self._address = address
        self._target = target
        self._limits = limits
        self._clock = clock
        self._key = b""
        self._under_way = False
        self._dropped = UNASKED
        self.is_closed = False
        """True when nothing more can be sent."""
        self.sent_clear_text = False
        """True when the password was sent in clear text."""
        self.text = TextEncoding()

    @classmethod
    def open(
        cls, target: Target, address: str, startup: Startup, limits: Limits, until: float, clock: Clock, *, tls: bool
    ) -> Connection:
        """Connects and authenticates, with TLS if `tls` is set and the server supports it.

        Raises a `RefusedError`, or a `FaultError` when the call must end without further attempts.
        """
        budget = _start_budget(limits)
        try:
            transport = _connected(target, address, until, clock, budget, tls=tls)
            connection = cls(Channel(transport, limits), address, target, limits, clock)
            try:
                connection._log_in(startup, until, budget)
            except BaseException:
                connection.close()
                raise
        except ClosedError as error:
            raise RefusedError(Refusal(str(error), kind=SERVER_UNREACHABLE)) from None
        except ProtocolError as error:
            why = f"it is no PostgreSQL server, or a broken one: {error}"
            raise RefusedError(Refusal(why, kind=SERVER_UNREACHABLE)) from None
        except ssl.SSLError as error:
            raise RefusedError(Refusal(encryption.reason(error), kind=TLS_FAILED)) from None
        return connection

    def _log_in(self, startup: Startup, until: float, budget: Budget) -> None:
        login = Login(self._channel, self._target, budget, until)
        self._key = login.start(startup)
        self.sent_clear_text = login.sent_clear_text
        self.text = TextEncoding(self.parameter("server_encoding"), guard().encodings)

    @property
    def is_encrypted(self) -> bool:
        """True when the session uses TLS."""
        return self._channel.transport.encrypted is not None

    def parameter(self, name: str) -> str | None:
        """Returns a parameter reported by the server."""
        value = self._channel.parameters.get(name)
        return None if value is None else self.told(value)

    def told(self, said: bytes) -> str:
        """Decodes a server text for messages, unless it contains the password."""
        return server_error.WITHHELD if self._target.is_password_in(said) else self.text.decode(said)

    def simple(self, sql: str, timeout_s: float, budget: Budget | None = None) -> Iterator[Answer]:
        """Sends a simple query and yields its answers."""
        until = time.monotonic() + timeout_s
        self.begin(messages.simple_query(sql))
        yield from self.answers(until, budget or self.budget())
        self.end()

    def start_budget(self) -> Budget:
        """Returns the budget for data that the server sends at the start of a session."""
        return _start_budget(self._limits)

    def budget(self) -> Budget:
        """Returns the budget for data that the server sends for one statement."""
        return Budget("statement_bytes", self._limits.statement_bytes, "one statement")

    def begin(self, data: bytes) -> None:
        """Sends messages without waiting for their answers."""
        self._clock.check()
        if self.is_closed:
            raise FaultError(server_error.lost("the session is closed"))
        # Until the last answer has arrived, closing must cancel the statement.
        self._under_way = True
        self._channel.send(data)

    def end(self) -> None:
        """Marks all answers as read."""
        self._under_way = False

    def answers(self, until: float, budget: Budget, skipped: int = 0) -> Iterator[Answer]:
        """Yields the answers up to the server's next ReadyForQuery: the first error, and rows of the statement after
        `skipped` others. Other messages are counted and discarded. Without ReadyForQuery the connection is closed.
        """
        error: ServerError | None = None
        is_done = False
        self._dropped = UNASKED | _PREPARED | (_ROWS if skipped else frozenset())
        try:
            while True:
                kind, body = self._channel.receive(_ANSWERS, budget, until, self._dropped)
                if kind == b"Z":
                    messages.ready(body)
                    if not is_done:
                        raise ProtocolError("it was ready before it had answered")
                    return
                if kind == b"D":
                    yield RawRow(body)
                elif kind == b"T":
                    self._dropped |= {b"T"}
                    yield Columns(messages.row_description(body))
                elif kind == b"E":
                    # Only the first error states the cause.
                    self._dropped = _ANSWERS - {b"Z"}
                    error, is_done = messages.server_error(body, self._target.is_password_in), True
                    yield error
                elif skipped:
                    skipped -= 1
                    self._dropped = UNASKED | _PREPARED | (_ROWS if skipped else frozenset())
                else:
                    is_done, self._dropped = True, _ANSWERS - {b"E", b"Z"}
        except ClosedError as closed:
            self.is_closed, self._under_way = True, False
            is_reason = error is not None and error.is_fatal
            fault = server_error.querying(error, self.text) if error and is_reason else server_error.lost(str(closed))
            raise FaultError(fault) from None
        except ProtocolError as broken:
            self.is_closed = True
            raise self._broken(broken) from None
        except (FaultError, EndedError, SilentError):
            self.is_closed = True
            raise

    def cells(self, row: RawRow, columns: int) -> list[bytes | None]:
        """Decodes the cells of a row."""
        try:
            return messages.data_row(row.body, columns)
        except ProtocolError as broken:
            raise self._broken(broken) from None

    def _broken(self, error: ProtocolError) -> FaultError:
        return fail(UNEXPECTED_ANSWER, f"{self._target} does not keep to the protocol: {error}")

    def drop_rows(self) -> None:
        """Discards the remaining rows until the server is ready."""
        self._dropped |= {b"D"}

    def close(self) -> None:
        """Closes the connection. A running statement is cancelled first, because the server would not notice the closed
        connection before its end.
        """
        if self._under_way and self._key:
            self._cancel()
        self._under_way, self.is_closed = False, True
        self._channel.transport.close(messages.TERMINATE)

    def _cancel(self) -> None:
        """Sends a cancel request for the running statement, with TLS if the session uses it."""
        until, clock = time.monotonic() + _CANCEL_S, Clock(timedelta(seconds=_CANCEL_S), timedelta(0))
        # The server's own timeout ends the statement if this fails.
        budget = self.start_budget()
        with contextlib.suppress(
            ClosedError, ProtocolError, RefusedError, SilentError, EndedError, FaultError, ssl.SSLError, OSError
        ):
            transport = _connected(self._target, self._address, until, clock, budget, tls=self.is_encrypted)
            try:
                transport.send(messages.cancel_request(self._key))
                transport.receive(until, budget)
            finally:
                transport.close()


def _start_budget(limits: Limits) -> Budget:
    return Budget("start_bytes", limits.start_bytes, "the start of a session")


def _connected(target: Target, address: str, until: float, clock: Clock, budget: Budget, *, tls: bool) -> Transport:
    """Connects, and starts TLS if requested and supported by the server."""
    transport = Transport.connect(target.first.host, target.first.port, address, until, clock)
    try:
        if tls and _offers_tls(target, transport, until, budget):
            context, host = encryption.context_of(target), encryption.server_name(target.first.host)
            encryption.check_peer(transport.start_tls(context, host, until, budget), target)
    except encryption.EncryptionError as error:
        transport.close()
        raise RefusedError(Refusal(str(error), kind=TLS_FAILED)) from None
    except ValueError:
        transport.close()
        raise RefusedError(Refusal("its name is no name of a host", kind=TLS_FAILED)) from None
    except BaseException:
        transport.close()
        raise
    return transport


def _offers_tls(target: Target, transport: Transport, until: float, budget: Budget) -> bool:
    if target.sslnegotiation == "direct":
        return True
    transport.send(messages.ssl_request())
    # Exactly one byte: unencrypted bytes after it would be treated as part of the session.
    said = transport.receive(until, budget, most_bytes=1)
    if said == b"S":
        return True
    if said != b"N":
        raise ProtocolError("it answered the request for TLS with something else")
    if target.sslmode not in ("allow", "prefer"):
        raise encryption.EncryptionError("server does not support SSL: set sslmode=prefer or enable ssl on the server")
    return False

"""One libpq connection, driven without ever waiting longer than its time.

`psycopg.Connection` would put its own types, transactions and waits between us and the server. What is wanted
here is less and has to be exact: unnamed statements in a pipeline, a Sync after each, values as they came.
"""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Iterator, Sequence

from psycopg import NotSupportedError, OperationalError
from psycopg.pq import ConnStatus, ExecStatus, Format, PGconn, PollingStatus
from psycopg.pq import abc as pq

from . import errors
from .clock import Clock, SilentError
from .errors import Refusal
from .faults import EndedError, FaultError
from .guard import guard
from .libpq import tell_sqlstates
from .text import TextEncoding

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_CANCEL_S = 1.0
"""How long to wait for the server to hear that a statement is not wanted any more."""

Param = tuple[int, "bytes | None"]
"""A type's OID and the value in its binary format."""


class RefusedError(Exception):
    """No connection was made."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.said)
        self.refusal = refusal


class Connection:
    """A connection. Closing it cancels what the server still does for it."""

    def __init__(self, pgconn: pq.PGconn, clock: Clock) -> None:
        self._pg = pgconn
        self._clock = clock
        self._under_way = False
        self.text = TextEncoding()

    @classmethod
    def open(cls, conninfo: bytes, until: float, clock: Clock) -> Connection:
        """Connects and authenticates."""
        pgconn = PGconn.connect_start(conninfo)
        tell_sqlstates(pgconn)
        connection = cls(pgconn, clock)
        try:
            connection._finish_connecting(until)
        except BaseException:
            connection.close()
            raise
        connection.text = TextEncoding(connection.parameter("server_encoding"), guard().encodings)
        return connection

    def _finish_connecting(self, until: float) -> None:
        while True:
            if self._pg.status == ConnStatus.BAD:
                raise self._refused()
            state = self._pg.connect_poll()
            if state == PollingStatus.OK:
                self._pg.nonblocking = 1
                return
            if state == PollingStatus.FAILED:
                raise self._refused()
            self._wait(_READ if state == PollingStatus.READING else _WRITE, until)

    def _refused(self) -> RefusedError:
        return RefusedError(Refusal.read(self.text.decode(self._pg.error_message)))

    @property
    def is_encrypted(self) -> bool:
        """True when the session is in TLS."""
        return self._pg.ssl_in_use

    @property
    def used_password(self) -> bool:
        """True when the server asked for a password."""
        return self._pg.used_password

    def parameter(self, name: str) -> str | None:
        """What the server says of itself."""
        value = self._pg.parameter_status(name.encode())
        return None if value is None else self.text.decode(value)

    def simple(self, sql: str, timeout_s: float) -> Iterator[pq.PGresult]:
        """Sends a simple query and yields its results."""
        until = time.monotonic() + timeout_s
        self._begin()
        self._pg.send_query(sql.encode())
        self.flush(until)
        yield from self.results(until)
        self._under_way = False

    def begin_pipeline(self) -> None:
        """From here on statements are sent without waiting for the answers of those before."""
        self._begin()
        self._pg.enter_pipeline_mode()

    def end_pipeline(self) -> None:
        """All answers are read."""
        self._pg.exit_pipeline_mode()
        self._under_way = False

    def send(self, sql: bytes, params: Sequence[Param]) -> None:
        """Sends an unnamed statement, with everything in the binary format."""
        self._pg.send_query_params(
            sql,
            [value for _, value in params],
            [oid for oid, _ in params],
            [Format.BINARY] * len(params),
            Format.BINARY,
        )

    def sync(self) -> None:
        """Ends what belongs together: an error before it skips nothing that comes after."""
        self._pg.pipeline_sync()

    def row_by_row(self) -> None:
        """Has the next statement's rows handed over one by one."""
        self._pg.set_single_row_mode()

    def flush(self, until: float) -> None:
        """Sends what is not sent yet, and reads meanwhile, so that neither side waits for the other."""
        while self._flushed() == 1:
            if self._wait(_READ | _WRITE, until) & _READ and self._consume() is not None:
                return

    def _flushed(self) -> int:
        try:
            return self._pg.flush()
        except OperationalError:
            # Why is among the results.
            return 0

    def results(self, until: float) -> Iterator[pq.PGresult]:
        """The results of one statement."""
        while True:
            result = self._next(until)
            if result is None:
                return
            yield result
            if result.status == ExecStatus.PIPELINE_SYNC:
                return

    def _next(self, until: float) -> pq.PGresult | None:
        while self._pg.is_busy():
            self._wait(_READ, until)
            why = self._consume()
            # What the server said before it went is here already.
            if why is not None and self._pg.is_busy():
                raise FaultError(errors.lost(why))
        return self._pg.get_result()

    def _begin(self) -> None:
        self._clock.check()
        if self._pg.status == ConnStatus.BAD:
            raise FaultError(errors.lost("the session is closed"))
        # Until its last answer is here, a call that ends leaves the server at work.
        self._under_way = True

    def _consume(self) -> str | None:
        """Reads what is there; if the connection is at its end, why."""
        try:
            self._pg.consume_input()
        except OperationalError:
            return " ".join(self.text.decode(self._pg.error_message).split())
        return None

    def _wait(self, events: int, until: float) -> int:
        end = min(until, self._clock.end)
        with selectors.DefaultSelector() as selector:
            selector.register(self._pg.socket, events)
            ready = selector.select(max(0.0, end - time.monotonic()))
        if ready:
            return ready[0][1]
        if end < self._clock.end:
            raise SilentError
        raise EndedError(self._clock.late())

    def close(self) -> None:
        """Says goodbye. A server that is in the middle of a statement would not hear it before its end, so it
        is told to stop.
        """
        if self._under_way and self._pg.status == ConnStatus.OK:
            canceller = threading.Thread(target=_cancel, args=(self._pg,), daemon=True)
            canceller.start()
            canceller.join(_CANCEL_S)
        self._pg.finish()


def _cancel(pgconn: pq.PGconn) -> None:
    try:
        try:
            pgconn.cancel_conn().blocking()
        except NotSupportedError:
            # libpq before 17 cancels without TLS.
            pgconn.get_cancel().cancel()
    except OperationalError:
        # The server's own timeout ends the statement then.
        return

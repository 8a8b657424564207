"""Socket with or without TLS whose operations all have time limits. Closing takes effect at once."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import time

from .clock import Clock, SilentError
from .faults import EndedError
from .frames import Budget
from .tls_layer import TlsLayer

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_CHUNK = 64 << 10
_KEEPALIVE_IDLE_S = 30
_LONGEST_WAIT_S = 3_600.0


class ClosedError(Exception):
    """Error for a connection that ended or could not be opened. The message states the reason."""


class Transport:
    """Connection to one address."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._socket = connection
        self._clock = clock
        self._tls: TlsLayer | None = None
        self._unsent = bytearray()

    @classmethod
    def connect(cls, host: str, port: int, address: str, until: float, clock: Clock) -> Transport:
        """Connects to an address, or to a Unix socket in the folder `host` if the address is empty."""
        try:
            family, place = _place(host, port, address)
            transport = cls(socket.socket(family, socket.SOCK_STREAM), clock)
        except OSError as error:
            raise ClosedError(_reason(error)) from None
        try:
            transport._connect(place, until)
        except OSError as error:
            transport.close()
            raise ClosedError(_reason(error)) from None
        except BaseException:
            transport.close()
            raise
        return transport

    def _connect(self, place: object, until: float) -> None:
        self._socket.setblocking(False)
        if self._socket.family in (socket.AF_INET, socket.AF_INET6):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
        try:
            self._socket.connect(place)  # type: ignore[arg-type]
        except BlockingIOError:
            self._wait(_WRITE, until)
            failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise OSError(failed, os.strerror(failed)) from None

    def start_tls(self, context: ssl.SSLContext, host: str | None, until: float, budget: Budget) -> ssl.SSLObject:
        """Starts TLS. Raises an `ssl.SSLError` when that fails."""
        self._tls = TlsLayer(context, host)
        try:
            while not self._tls.shake_hands():
                awaited = self._flush() | _READ
                received = self._read(awaited, until)
                budget.take(len(received))
                self._tls.feed(received)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise ssl.SSLError(error.errno, _reason(error)) from None
        finally:
            # Sends the TLS alert to a refused peer.
            self._flush()
        return self._tls.session

    @property
    def encrypted(self) -> ssl.SSLObject | None:
        """Returns the TLS session, if there is one."""
        return None if self._tls is None else self._tls.session

    def send(self, data: bytes) -> None:
        """Sends as much as possible at once; `receive` sends the rest, which avoids deadlocks."""
        if self._tls is None:
            self._unsent += data
        else:
            self._tls.encrypt(data)
        self._flush()

    def receive(self, until: float, budget: Budget, most_bytes: int = _CHUNK) -> bytes:
        """Receives the next bytes. Raises a `ClosedError` at the end of the connection.

        `budget` includes the overhead of TLS: an incomplete record counts until its data are returned.
        """
        try:
            received = self._read_data(until, budget, most_bytes)
        except OSError as error:
            raise ClosedError(_reason(error)) from None
        if not received:
            raise ClosedError("server closed the connection unexpectedly")
        return received

    def _read_data(self, until: float, budget: Budget, most_bytes: int) -> bytes:
        while True:
            # The time limits also apply to a peer that sends continuously.
            self.check(until)
            data = None if self._tls is None else self._tls.decrypt()
            if data is not None:
                budget.give_back(len(data))
                return data
            received = self._read(self._flush() | _READ, until, most_bytes)
            if self._tls is None:
                return received
            budget.take(len(received))
            self._tls.feed(received)

    def _read(self, awaited: int, until: float, most_bytes: int = _CHUNK) -> bytes:
        """Reads the socket when it has data; returns nothing at its end."""
        while True:
            self.check(until)
            try:
                return self._socket.recv(most_bytes)
            except BlockingIOError:
                self._wait(awaited, until)
                awaited = self._flush() | _READ

    def _flush(self) -> int:
        """Sends pending data, and returns the event to wait for."""
        if self._tls is not None:
            self._unsent += self._tls.take_outgoing()
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent[:_CHUNK])
            except BlockingIOError:
                return _WRITE
            except OSError:
                # Data that the server sent before it closed may still be read.
                self._unsent.clear()
                return 0
            del self._unsent[:sent]
        return 0

    def _wait(self, events: int, until: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, events)
            while True:
                self.check(until)
                left_s = min(until, self._clock.end) - time.monotonic()
                # The system does not accept waits of years.
                if selector.select(min(max(0.0, left_s), _LONGEST_WAIT_S)):
                    return

    def check(self, until: float) -> None:
        """Raises when a time limit has passed: an `EndedError` for the call's, a `SilentError` for this one."""
        now = time.monotonic()
        if now >= self._clock.end:
            raise EndedError(self._clock.late())
        if now >= until:
            raise SilentError

    def close(self, goodbye: bytes = b"") -> None:
        """Closes the socket, after a last message if it can be sent at once."""
        with contextlib.suppress(OSError):
            if goodbye and not self._unsent:
                self.send(goodbye)
        self._unsent.clear()
        self._socket.close()


def _place(host: str, port: int, address: str) -> tuple[int, object]:
    """Returns the family of an address, and the address in the system's format."""
    if not address:
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise OSError("this system has no Unix sockets")
        # Names of abstract sockets begin with a zero byte.
        folder = "\0" + host[1:] if host.startswith("@") else host
        return family, f"{folder}/.s.PGSQL.{port}"
    if ":" not in address:
        return socket.AF_INET, (address, port)
    plain, _, scope = address.partition("%")
    index = 0 if not scope else int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return socket.AF_INET6, (plain, port, 0, index)


def _reason(error: OSError) -> str:
    """Returns the system's reason without the address, which the message already has."""
    return str(getattr(error, "reason", None) or error.strerror or error or type(error).__name__)

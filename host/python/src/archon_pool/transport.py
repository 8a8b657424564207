"""A socket, with TLS or without, that never waits longer than its time. Closing it takes effect at once."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import time

from .clock import Clock, SilentError
from .faults import EndedError

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_CHUNK = 64 << 10
_KEEPALIVE_IDLE_S = 30
_LONGEST_WAIT_S = 3_600.0


class ClosedError(Exception):
    """The connection is at its end, or was never made. The text says why."""


class Transport:
    """A connection to one address."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._socket = connection
        self._clock = clock
        self._unsent = bytearray()

    @classmethod
    def connect(cls, host: str, port: int, address: str, until: float, clock: Clock) -> Transport:
        """Connects to an address, or to a Unix socket in the folder `host` where that is empty."""
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

    def start_tls(self, context: ssl.SSLContext, host: str | None, until: float) -> ssl.SSLSocket:
        """Encrypts what follows. Raises an `ssl.SSLError` when that fails."""
        try:
            encrypted = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise ssl.SSLError(error.errno, _reason(error)) from None
        self._socket = encrypted
        while True:
            try:
                encrypted.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(_READ, until)
            except ssl.SSLWantWriteError:
                self._wait(_WRITE, until)
            except ssl.SSLError:
                raise
            except OSError as error:
                raise ssl.SSLError(error.errno, _reason(error)) from None
            else:
                return encrypted

    @property
    def encrypted(self) -> ssl.SSLSocket | None:
        """The TLS session, where there is one."""
        return self._socket if isinstance(self._socket, ssl.SSLSocket) else None

    def send(self, data: bytes) -> None:
        """Sends as much as goes at once; `receive` sends the rest, so that neither side waits for the other."""
        self._unsent += data
        self._flush()

    def receive(self, until: float, most_bytes: int = _CHUNK) -> bytes:
        """The next bytes. Raises a `ClosedError` when none will come."""
        while True:
            # A peer that always has something to say is bounded by the same times as one that is silent.
            self._check(until)
            awaited = self._flush() | _READ
            try:
                received = self._socket.recv(most_bytes)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(awaited, until)
            except ssl.SSLWantWriteError:
                self._wait(_WRITE, until)
            except OSError as error:
                raise ClosedError(_reason(error)) from None
            else:
                if not received:
                    raise ClosedError("server closed the connection unexpectedly")
                return received

    def _flush(self) -> int:
        """Sends what can be sent, and returns for what to wait."""
        while self._unsent:
            try:
                sent = self._socket.send(bytes(self._unsent[:_CHUNK]))
            except (BlockingIOError, ssl.SSLWantWriteError):
                return _WRITE
            except ssl.SSLWantReadError:
                return _READ
            except OSError:
                # What the server said before it went may still be read.
                self._unsent.clear()
                return 0
            del self._unsent[:sent]
        return 0

    def _wait(self, events: int, until: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, events)
            while True:
                self._check(until)
                left_s = min(until, self._clock.end) - time.monotonic()
                # The system takes no wait of years.
                if selector.select(min(max(0.0, left_s), _LONGEST_WAIT_S)):
                    return

    def _check(self, until: float) -> None:
        now = time.monotonic()
        if now >= self._clock.end:
            raise EndedError(self._clock.late())
        if now >= until:
            raise SilentError

    def close(self, goodbye: bytes = b"") -> None:
        """Closes the socket, after a last message where that goes at once."""
        with contextlib.suppress(OSError):
            if goodbye and not self._unsent:
                self._socket.send(goodbye)
        self._unsent.clear()
        self._socket.close()


def _place(host: str, port: int, address: str) -> tuple[int, object]:
    """The family of an address, and the address as the system takes it."""
    if not address:
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise OSError("this system has no Unix sockets")
        # The name of an abstract socket begins with a zero byte.
        folder = "\0" + host[1:] if host.startswith("@") else host
        return family, f"{folder}/.s.PGSQL.{port}"
    if ":" not in address:
        return socket.AF_INET, (address, port)
    plain, _, scope = address.partition("%")
    index = 0 if not scope else int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return socket.AF_INET6, (plain, port, 0, index)


def _reason(error: OSError) -> str:
    """The system's reason, without the address that is told beside it."""
    return str(getattr(error, "reason", None) or error.strerror or error or type(error).__name__)

"""A server that says what a test wants: bytes for bytes, after the startup packet."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Callable


def message(kind: bytes, body: bytes) -> bytes:
    """One message of the protocol."""
    return kind + struct.pack("!i", len(body) + 4) + body


def refusal(severity: str, sqlstate: str, said: str, encoding: str = "utf-8") -> bytes:
    """An ErrorResponse."""
    fields = [b"S" + severity.encode(), b"C" + sqlstate.encode(), b"M" + said.encode(encoding), b""]
    return message(b"E", b"\0".join(fields) + b"\0")


def authentication(method: int, more: bytes = b"") -> bytes:
    """An authentication request: 0 is enough, 3 wants the password in clear text."""
    return message(b"R", struct.pack("!i", method) + more)


def status(name: str, value: str) -> bytes:
    """A ParameterStatus."""
    return message(b"S", f"{name}\0{value}\0".encode())


READY = message(b"K", struct.pack("!ii", 1, 2)) + message(b"Z", b"I")


class Client:
    """A client that has sent its startup packet."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.startup: dict[str, str] = {}

    def greet(self) -> None:
        """Refuses TLS, and reads the startup packet."""
        while True:
            (length,) = struct.unpack("!i", self._exactly(4))
            packet = self._exactly(length - 4)
            if packet[:4] != struct.pack("!i", 80_877_103):
                break
            self._connection.sendall(b"N")
        words = packet[4:].decode().split("\0")
        self.startup = dict(zip(words[::2], words[1::2]))

    def send(self, *messages: bytes) -> None:
        self._connection.sendall(b"".join(messages))

    def read(self) -> tuple[bytes, bytes]:
        """The next message's kind and body; both are empty when there is none."""
        kind = self._connection.recv(1)
        if not kind:
            return b"", b""
        (length,) = struct.unpack("!i", self._exactly(4))
        return kind, self._exactly(length - 4)

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self._connection.recv(size - len(got))
            if not more:
                raise ConnectionError
            got += more
        return got


class Scripted:
    """The server."""

    def __init__(self, address: str, script: Callable[[Client], None]) -> None:
        self._listener = socket.create_server((address, 0))
        self._script = script
        self.port: int = self._listener.getsockname()[1]
        self.clients: list[Client] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(ConnectionError):
                client = Client(connection)
                client.greet()
                self.clients.append(client)
                self._script(client)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def scripted(script: Callable[[Client], None], address: str = "127.0.0.1") -> Iterator[Scripted]:
    """A server that runs a script for each client, one after the other."""
    server = Scripted(address, script)
    try:
        yield server
    finally:
        server.close()

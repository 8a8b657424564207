"""TLS between two buffers in memory: OpenSSL never reads the socket itself.

A server may send records that hold no data, such as session tickets, for ever, and `SSL_read` on a socket handles them
in one call as long as there are some. From a buffer it handles what was put there.
"""

from __future__ import annotations

import ssl

_CHUNK = 64 << 10


class TlsLayer:
    """One TLS session, the client's side."""

    def __init__(self, context: ssl.SSLContext, host: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def feed(self, received: bytes) -> None:
        """Adds what was received; nothing at the end of the connection."""
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()

    def take_outgoing(self) -> bytes:
        """Encrypted bytes to be sent."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Continues the handshake, and returns whether it is complete. Raises an `ssl.SSLError` when it fails."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes) -> None:
        """Encrypts data to be sent."""
        left = memoryview(data)
        while left:
            left = left[self.session.write(left) :]

    def decrypt(self) -> bytes | None:
        """The next data; empty at the end of the session, and none until more was received."""
        try:
            return self.session.read(_CHUNK)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLEOFError:
            return b""

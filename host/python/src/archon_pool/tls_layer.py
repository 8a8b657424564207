"""TLS over two memory buffers: OpenSSL never reads the socket itself.

A server may send records without data, such as session tickets, endlessly, and `SSL_read` on a socket would process
them all in one call. From a buffer it processes only the available data.
"""

from __future__ import annotations

import ssl

_CHUNK = 64 << 10


class TlsLayer:
    """TLS session, client side."""

    def __init__(self, context: ssl.SSLContext, host: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def feed(self, received: bytes) -> None:
        """Adds received data; empty at the end of the connection."""
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()

    def take_outgoing(self) -> bytes:
        """Returns encrypted bytes to send."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Continues the handshake; returns true when it is complete. Raises an `ssl.SSLError` when it fails."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes) -> None:
        """Encrypts data to send."""
        left = memoryview(data)
        while left:
            left = left[self.session.write(left) :]

    def decrypt(self) -> bytes | None:
        """Returns the next data; empty at the end of the session, None until more was received."""
        try:
            return self.session.read(_CHUNK)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLEOFError:
            return b""

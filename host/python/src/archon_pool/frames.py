"""Framing of PostgreSQL messages: each length is checked before its body is read."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .faults import FaultError, limit_reached

_HEAD = struct.Struct("!ci")
_LENGTH_BYTES = 4

_TOLD = frozenset([b"E", b"N"])
"""Errors and notices, which are always short."""
_TOLD_BYTES_AT_START, _TOLD_BYTES = 64 << 10, 1 << 20

MESSAGE_BYTES = 64
"""Approximate cost of skipping a message in addition to its bytes, counted in budgets."""


class ProtocolError(Exception):
    """Error for data that violates the protocol. The message never quotes the data."""


class Message(NamedTuple):
    """Message of a server."""

    kind: bytes
    body: bytes


class Budget:
    """Bytes that a peer may send for one purpose: the start of a session, or one statement."""

    def __init__(self, setting: str, limit: int, purpose: str) -> None:
        self.left = limit
        self._setting = setting
        self._limit = limit
        self._purpose = purpose

    def take(self, size: int) -> None:
        """Counts bytes. Raises when the budget is exceeded."""
        self.left -= size
        if self.left < 0:
            raise self.exceeded()

    def give_back(self, size: int) -> None:
        """Returns bytes to the budget that are counted elsewhere."""
        self.left += size

    def exceeded(self) -> FaultError:
        """Returns the fault of an exceeded budget."""
        why = f"the server sent more than {self._limit} bytes for {self._purpose}"
        return FaultError(limit_reached(why, self._setting))


class Frames:
    """Splits a stream into messages. The buffer holds no more than the data fed to it."""

    def __init__(self, most_bytes: int) -> None:
        """Creates a framing; `most_bytes` is the limit `protocol_message_bytes`."""
        self._most_bytes = most_bytes
        self._most_told_bytes = min(most_bytes, _TOLD_BYTES_AT_START)
        self._buffer = bytearray()
        self._length: int | None = None
        """Checked length of the message at the start of the buffer."""
        self._passed_over = 0
        """Bytes still to come of a discarded message."""

    def begin_session(self) -> None:
        """Switches to session limits: errors of statements are longer than those of logins."""
        self._most_told_bytes = min(self._most_bytes, _TOLD_BYTES)

    def feed(self, chunk: bytes) -> None:
        """Adds received data."""
        dropped = min(self._passed_over, len(chunk))
        self._passed_over -= dropped
        self._buffer += chunk[dropped:] if dropped else chunk

    def next(self, kinds: frozenset[bytes], dropped: frozenset[bytes], budget: Budget) -> Message | None:
        """Returns the next message; None until more data was received.

        Only `kinds` may come now; those in `dropped` are counted and discarded. A peer can send millions of these, so
        the loop avoids function calls.
        """
        buffer, held, at, length = self._buffer, len(self._buffer), 0, self._length
        try:
            while True:
                if held - at < _HEAD.size:
                    return None
                kind, announced = _HEAD.unpack_from(buffer, at)
                if length is None:
                    most = self._most_told_bytes if kind in _TOLD else self._most_bytes
                    if kind not in kinds or not _LENGTH_BYTES <= announced <= most:
                        raise self._refused(kind in kinds, announced)
                    budget.left -= MESSAGE_BYTES + 1 + announced
                    if budget.left < 0:
                        raise budget.exceeded()
                    length = announced
                end = at + 1 + length
                if end > held:
                    if kind in dropped:
                        self._passed_over, at, length = end - held, held, None
                    return None
                begin, at, length = at + _HEAD.size, end, None
                if kind not in dropped:
                    return Message(kind, bytes(buffer[begin:end]))
        finally:
            self._length = length
            del buffer[:at]

    def _refused(self, is_known: bool, length: int) -> Exception:
        if not is_known:
            return ProtocolError("it sent a message that does not belong there")
        if length < _LENGTH_BYTES:
            return ProtocolError("it sent a message with an invalid length")
        if length <= self._most_bytes:
            return ProtocolError(f"it sent an error or a notice of {length} bytes")
        why = f"the server sent a message of {length} bytes, {self._most_bytes} are allowed"
        return FaultError(limit_reached(why, "protocol_message_bytes"))

"""The messages of one connection, each within its time, its length and its budget."""

from __future__ import annotations

from . import messages
from .frames import Budget, Frames, Message
from .limits import Limits
from .transport import Transport

UNASKED = frozenset([b"N", b"S", b"A"])
"""A server may send notices, parameters and notifications at any time."""

UNREAD = frozenset([b"N", b"A"])
"""Of these, parameters are read at the start of a session."""

_KEPT = frozenset(
    ["server_version", "server_encoding", "in_hot_standby", "default_transaction_read_only", "client_encoding"]
)

_MOST_KEPT = 256


class Channel:
    """Sends and receives messages. What a server says unasked is counted, and dropped but for a few parameters."""

    def __init__(self, transport: Transport, limits: Limits) -> None:
        self.transport = transport
        self.parameters: dict[str, bytes] = {}
        """Parameters that the server has reported, of those that are used here."""
        self._frames = Frames(limits.protocol_message_bytes)

    def send(self, data: bytes) -> None:
        """Sends messages, the rest of them while answers are received."""
        self.transport.send(data)

    def begin_session(self) -> None:
        """The login is over."""
        self._frames.begin_session()

    def receive(
        self, kinds: frozenset[bytes], budget: Budget, until: float, dropped: frozenset[bytes] = UNREAD
    ) -> Message:
        """The next message of one of these kinds, beside those that come unasked; none of those that are dropped."""
        while True:
            message = self._frames.next(kinds, dropped, budget)
            if message is None:
                self._frames.feed(self.transport.receive(until, budget))
                continue
            # What is here already takes time, too, once it is answered.
            self.transport.check(until)
            if message.kind != b"S":
                return message
            self._note(*messages.parameter_status(message.body))

    def _note(self, name: bytes, value: bytes) -> None:
        known = name.decode("ascii", "replace")
        # None is cut: a part of a password would not be recognised.
        if known in _KEPT and len(value) <= _MOST_KEPT:
            self.parameters[known] = value

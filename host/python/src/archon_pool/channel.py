"""Message channel of one connection, with limits on time, length and total size."""

from __future__ import annotations

from . import messages
from .frames import Budget, Frames, Message
from .limits import Limits
from .transport import Transport

UNASKED = frozenset([b"N", b"S", b"A"])
"""Messages that a server may send at any time: notices, parameters and notifications."""

UNREAD = frozenset([b"N", b"A"])
"""The same without parameters, which are read at the start of a session."""

_KEPT = frozenset(
    ["server_version", "server_encoding", "in_hot_standby", "default_transaction_read_only", "client_encoding"]
)

_MOST_KEPT = 256


class Channel:
    """Sends and receives messages. Unsolicited ones are counted and discarded, except for a few parameters."""

    def __init__(self, transport: Transport, limits: Limits) -> None:
        self.transport = transport
        self.parameters: dict[str, bytes] = {}
        """Reported parameters that the host uses."""
        self._frames = Frames(limits.protocol_message_bytes)

    def send(self, data: bytes) -> None:
        """Sends messages; unsent bytes are sent while answers are received."""
        self.transport.send(data)

    def begin_session(self) -> None:
        """Switches from login to session limits."""
        self._frames.begin_session()

    def receive(
        self, kinds: frozenset[bytes], budget: Budget, until: float, dropped: frozenset[bytes] = UNREAD
    ) -> Message:
        """Returns the next message of one of these kinds, or an unsolicited one that is not in `dropped`."""
        while True:
            message = self._frames.next(kinds, dropped, budget)
            if message is None:
                self._frames.feed(self.transport.receive(until, budget))
                continue
            # Buffered messages also take time when they are answered.
            self.transport.check(until)
            if message.kind != b"S":
                return message
            self._note(*messages.parameter_status(message.body))

    def _note(self, name: bytes, value: bytes) -> None:
        known = name.decode("ascii", "replace")
        # Longer values are not cut: a part of a password would not be recognised.
        if known in _KEPT and len(value) <= _MOST_KEPT:
            self.parameters[known] = value

"""The two times of a call: what is left to its deadline, and what its component has computed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from .faults import DEADLINE_EXCEEDED, EndedError, Fault, limit_reached
from .limits import millis

_MOST_LOOK_UPS = 2


class SilentError(Exception):
    """Nothing came in time, and the call's deadline has not passed."""


class Clock:
    """Starts with a try of the call. The component's time stands still while the host works for it.

    `end` is that of the whole call on the monotonic clock: a try that follows another has less than the deadline.
    """

    def __init__(self, deadline: timedelta, cpu: timedelta, end: float | None = None) -> None:
        self._deadline = deadline
        self._cpu = cpu
        last = time.monotonic() + deadline.total_seconds()
        self.end = last if end is None else min(last, end)
        self.look_ups = threading.BoundedSemaphore(_MOST_LOOK_UPS)
        """Of names that are under way for the call, those that it gave up included."""
        self._computed = 0.0
        self._since: float | None = None

    def resume(self) -> None:
        """The component computes."""
        self._since = time.monotonic()

    def pause(self) -> None:
        """The component waits for the host, or is done."""
        if self._since is not None:
            self._computed += time.monotonic() - self._since
            self._since = None

    def guest_seconds_left(self) -> float:
        """How long the component may go on before one of the two is over."""
        now = time.monotonic()
        return max(0.0, min(self.end - now, self._cpu.total_seconds() - self._computed))

    def check(self) -> None:
        """Ends the component when the deadline has passed."""
        if time.monotonic() >= self.end:
            raise EndedError(self.late())

    def interrupted(self) -> Fault:
        """Which of the two it was that ended the component while it computed: the one that is nearer its end."""
        self.pause()
        if self._cpu.total_seconds() - self._computed > self.end - time.monotonic():
            return self.late()
        return limit_reached(f"the component computed for more than {millis(self._cpu)} ms", "cpu")

    def late(self) -> Fault:
        """The fault of the deadline, whichever try of the call it ended."""
        return Fault(DEADLINE_EXCEEDED, f"the call was not done within {millis(self._deadline)} ms: limit `deadline`")

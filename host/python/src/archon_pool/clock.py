"""Time limits of a call: its deadline, and the CPU time of its component."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from .faults import DEADLINE_EXCEEDED, EndedError, Fault, limit_reached
from .limits import millis

_MOST_LOOK_UPS = 2


class SilentError(Exception):
    """Error for an answer that did not come in time, before the call's deadline."""


class Clock:
    """Clock of one attempt. The component's time stops while the host works for it.

    `end` is that of the whole call on the monotonic clock: a retry has less time than the deadline.
    """

    def __init__(self, deadline: timedelta, cpu: timedelta, end: float | None = None) -> None:
        self._deadline = deadline
        self._cpu = cpu
        last = time.monotonic() + deadline.total_seconds()
        self.end = last if end is None else min(last, end)
        self.look_ups = threading.BoundedSemaphore(_MOST_LOOK_UPS)
        """Pending look-ups of the call, including abandoned ones."""
        self._computed = 0.0
        self._since: float | None = None

    def resume(self) -> None:
        """Starts counting the component's CPU time."""
        self._since = time.monotonic()

    def pause(self) -> None:
        """Stops counting while the component waits for the host, and at its end."""
        if self._since is not None:
            self._computed += time.monotonic() - self._since
            self._since = None

    def guest_seconds_left(self) -> float:
        """Returns the time that the component may run before a limit is reached."""
        now = time.monotonic()
        return max(0.0, min(self.end - now, self._cpu.total_seconds() - self._computed))

    def check(self) -> None:
        """Ends the component when the deadline has passed."""
        if time.monotonic() >= self.end:
            raise EndedError(self.late())

    def interrupted(self) -> Fault:
        """Returns the fault of a component that was interrupted: the limit that is nearer its end."""
        self.pause()
        if self._cpu.total_seconds() - self._computed > self.end - time.monotonic():
            return self.late()
        return limit_reached(f"the component computed for more than {millis(self._cpu)} ms", "cpu")

    def late(self) -> Fault:
        """Returns the fault of the deadline, for any attempt of the call."""
        return Fault(DEADLINE_EXCEEDED, f"the call was not done within {millis(self._deadline)} ms: limit `deadline`")

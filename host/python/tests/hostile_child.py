"""Calls to a server that misbehaves, in a process of their own: prints what they came to and what they cost."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from lending import ask, lent, opened

from archon_pool import ConnectionPool, FaultError, Limits
from archon_pool.faults import EndedError, Fault

LIMITS = {
    "silence": Limits(
        deadline=timedelta(seconds=8),
        connect_timeout=timedelta(seconds=1),
        statement_timeout=timedelta(milliseconds=500),
    ),
    "flood": Limits(
        deadline=timedelta(seconds=60), connect_timeout=timedelta(seconds=20), statement_timeout=timedelta(seconds=10)
    ),
}
"""Limits of time by what is expected: a flood must reach a limit of bytes, also on a machine that is busy."""
PATIENCE_S = 1.0
"""Within it every socket must be closed."""

_OPEN = {"01", "02", "08"}
"""States of Linux's `/proc/net/tcp`: established, connecting, and closed by the peer alone."""


def memory(name: str) -> int:
    """A figure of `/proc/self/status`, bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def sockets(port: int) -> int:
    """Open connections of this machine to a port."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        found += state in _OPEN and int(remote.rpartition(":")[2], 16) == port
    return found


def by_component(url: str, limits: Limits) -> Fault | None:
    """A whole call of the component."""
    with ConnectionPool(credentials={"default": url}, environment=False, limits=limits, retries=0) as pool:
        return pool.attempt({"action": "monitor", "options": {"sampleMs": 0}}, None).fault


def by_session(url: str, limits: Limits) -> Fault | None:
    """The imports of a session, without a component that could make something else of a fault."""
    with lent(url, limits=limits) as live:
        return first_fault(ask(live, opened(live), "SELECT 1"))


def by_console(url: str, limits: Limits) -> Fault | None:
    """The imports of a console."""
    with lent("postgres://nobody@127.0.0.1:1/d", console=url, limits=limits) as live:
        return first_fault(live.show(live.open_console(live.lookup(None)), ["pools"]))


def first_fault(answers: Any) -> Fault | None:
    return next((answer for answer in answers if isinstance(answer, Fault)), None)


WAYS = {"component": by_component, "session": by_session, "console": by_console}


def outcome(way: str, url: str, port: int, limits: Limits, base: int) -> dict[str, Any]:
    """What one call came to, and what is left of it."""
    threads = threading.active_count()
    with suppress(OSError):
        # From here on the highest figure is this call's.
        Path("/proc/self/clear_refs").write_text("5")
    started = time.monotonic()
    try:
        fault = WAYS[way](url, limits)
    except (FaultError, EndedError) as error:
        fault = error.fault
    ended = time.monotonic()
    while sockets(port) and time.monotonic() - ended < PATIENCE_S:
        time.sleep(0.01)
    return {
        "fault": None if fault is None else fault.to_json(),
        "took_s": ended - started,
        "sockets": sockets(port),
        "threads": threading.active_count() - threads,
        "bytes": memory("VmHWM") - base,
    }


def main(url: str, port: int, limits: Limits, ways: list[str]) -> None:
    with ConnectionPool(environment=False):
        # What the component itself takes is no peer's doing.
        base = memory("VmRSS")
    sys.stdout.write(json.dumps([outcome(way, url, port, limits, base) for way in ways]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), LIMITS[sys.argv[3]], sys.argv[4:])

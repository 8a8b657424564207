"""Input and reports of a client program; see ../../PROTOCOL.md."""

import json
import os
import socket
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

LOCK = threading.Lock()


def read_setup() -> SimpleNamespace:
    """Returns the set-up of the command line, with the process id in its name."""
    setup = SimpleNamespace(**json.loads(sys.argv[1]))
    if setup.application_name:
        setup.application_name = setup.application_name.replace("{pid}", str(os.getpid()))
    return setup


def emit(event: str, **fields: Any) -> None:
    with LOCK:
        print(json.dumps({"event": event, **fields}), flush=True)


def lost(identity: dict[str, int], how: str) -> None:
    """Reports that no code can use or close a session from now on; its identity is a pid or a port."""
    emit("lost", **identity, at_us=time.time_ns() // 1000, how=how)


class Sessions(list):
    """Identities of the physical sessions that a pool has opened; each is reported when it is added."""

    def append(self, identity: dict[str, int]) -> None:
        super().append(identity)
        if "pid" in identity:
            emit("session", **identity)


def local_port(descriptor: int) -> int:
    """Returns the local TCP port of a socket."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return copy.getsockname()[1]


def end_with_stdin() -> None:
    """Blocks until the runner closes stdin, then ends the process at once."""
    sys.stdin.buffer.read()
    emit("end")
    os._exit(0)

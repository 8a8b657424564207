"""Client programs: their processes, events and sockets."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .server import PASSWORD
from .setups import Setup

SOCKET = re.compile(r"socket:\[(\d+)\]")


class Client:
    """One process of a set-up."""

    def __init__(self, setup: Setup, instance: int):
        self.setup, self.instance = setup, instance
        self.process: subprocess.Popen | None = None
        self.events: list[dict[str, Any]] = []
        self.frozen = False

    def start(self, folder: Path, installed: Path, port: int, duration_s: float, log: Path) -> None:
        """Starts the program with its set-up as JSON."""
        setup = self.setup
        place = f"127.0.0.1:{port}/{setup.database}"
        given = {
            "id": setup.id,
            "library": setup.library,
            "behaviour": setup.behaviour,
            "mode": setup.mode,
            "dsn": f"postgres://{quote(setup.user)}:{PASSWORD}@{place}",
            "host": "127.0.0.1",
            "port": port,
            "user": setup.user,
            "password": PASSWORD,
            "database": setup.database,
            "application_name": setup.application_name,
            "size": setup.size,
            "min": setup.min,
            "workers": setup.workers,
            "pace_ms": setup.pace_ms,
            "seed": sum(map(ord, setup.id)) * 100 + self.instance,
            "duration_s": duration_s,
            "lose": setup.lose,
            "first_loss_s": setup.first_loss_s,
            "loss_every_s": setup.loss_every_s,
            "period_s": setup.period_s,
            "instance": self.instance,
            "options": setup.options,
        }
        command = [str(folder / setup.language / "start"), json.dumps(given)]
        hidden = ("PG", "DATABASE_URL")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment["POOLS_FOLDER"] = str(installed / setup.language)
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                env=environment,
                start_new_session=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.events.append({"event": "garbage", "line": line.decode(errors="replace")})

    def has(self, event: str) -> bool:
        return any(seen.get("event") == event for seen in list(self.events))

    def failed(self) -> bool:
        """True if the program ended by itself."""
        return self.process is not None and self.process.poll() is not None and not self.process.stdin.closed

    def freeze(self) -> None:
        self.frozen = True
        os.killpg(self.process.pid, signal.SIGSTOP)

    def close(self) -> None:
        """Ends the program."""
        if self.process and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except OSError:
                pass

    def kill(self, patience_s: float) -> None:
        """Ends the program and all that it started."""
        if not self.process:
            return
        self.close()
        try:
            self.process.wait(0 if self.frozen else patience_s)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def ports(clients: list[Client]) -> dict[int, Client]:
    """Returns the client of each local TCP port that a client's processes have open."""
    by_session = {client.process.pid: client for client in clients if client.process}
    owners: dict[str, Client] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may contain spaces; the session is the fourth field after it.
            session = int(Path(entry.path, "stat").read_text().rpartition(")")[2].split()[3])
            client = by_session.get(session)
            if client is None:
                continue
            for handle in os.scandir(f"{entry.path}/fd"):
                if match := SOCKET.match(os.readlink(handle.path)):
                    owners[match[1]] = client
        except (OSError, ValueError):
            continue
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if client := owners.get(fields[9]):
                found[int(fields[1].rpartition(":")[2], 16)] = client
    return found


def wait_ready(clients: list[Client], seconds: float) -> list[Client]:
    """Waits until the programs are ready; returns those that are not."""
    end = time.monotonic() + seconds
    while waiting := [client for client in clients if not client.has("ready") and not client.failed()]:
        if time.monotonic() > end:
            return waiting
        time.sleep(0.1)
    return [client for client in clients if client.failed()]

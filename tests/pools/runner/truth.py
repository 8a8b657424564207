"""The truth about each server process: the set-up it belongs to, and whether and since when it is lost."""

import time
from typing import Any

from .clients import Client, ports
from .proxy import Proxy
from .server import Server

ACTIVITY = (
    "SELECT pid, client_port FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class Truth:
    """Follows the sessions of a mix; `poll` is called at least once a second."""

    def __init__(self, server: Server, clients: list[Client], proxies: list[Proxy]):
        self.server, self.clients, self.proxies = server, clients, proxies
        self.part: dict[int, str] = {}
        self.lost: dict[int, dict[str, Any]] = {}
        self.lost_clients: dict[int, dict[str, Any]] = {}
        self.client_of_port: dict[int, Client] = {}
        self.pid_of_port: dict[int, int] = {}
        self.read: dict[int, int] = {}
        self.pending: list[tuple[Client, dict[str, Any]]] = []

    def poll(self) -> None:
        """Reads sockets, sessions, the pooler's links and the clients' events."""
        self.client_of_port.update(ports(self.clients))
        links = self.links()
        self.pid_of_port = {}
        for pid, port in self.server.query(ACTIVITY):
            pid, port = int(pid), int(port or -1)
            inside = self.inside(port)
            if pid in links:
                inside = links[pid]
                client = self.client_of_port.get(inside) if inside else None
                # In transaction mode a server process changes its client all the time.
                if self.mode() == "transaction":
                    client = None
                self.part[pid] = client.setup.id if client else "pooler"
            elif client := self.client_of_port.get(inside):
                self.part[pid] = client.setup.id
            if inside:
                self.pid_of_port[inside] = pid
        self.events()

    def mode(self) -> str:
        bouncers = {client.setup.mode for client in self.clients} - {"direct"}
        return bouncers.pop().removeprefix("bouncer-") if bouncers else "direct"

    def inside(self, port: int) -> int:
        """Returns the client's own port, where a proxy is between."""
        return next((proxy.outside[port] for proxy in self.proxies if port in proxy.outside), port)

    def links(self) -> dict[int, int | None]:
        """Returns the client's port, or None, for each server process of the pooler."""
        if not self.server.pooler_port:
            return {}
        clients = {row["ptr"]: self.inside(int(row["port"])) for row in self.server.show("CLIENTS")}
        return {int(row["remote_pid"]): clients.get(row["link"]) for row in self.server.show("SERVERS")}

    def events(self) -> None:
        """Takes in what the clients have reported since the last time."""
        for client in self.clients:
            start = self.read.get(id(client), 0)
            new = list(client.events)[start:]
            self.read[id(client)] = start + len(new)
            for event in new:
                if event["event"] == "lost":
                    self.pending.append((client, event))
                elif event["event"] == "session" and client.setup.mode == "direct":
                    self.part[event["pid"]] = client.setup.id
                elif event["event"] == "found":
                    self.lost.pop(event.get("pid") or self.pid_of_port.get(event["port"]), None)
        for client, event in list(self.pending):
            self.take_lost(client, event)

    def take_lost(self, client: Client, event: dict[str, Any]) -> None:
        setup = client.setup
        entry = {"kind": setup.id, "since": event["at_us"], "how": event.get("how", "")}
        pid, transaction = event.get("pid"), setup.mode == "bouncer-transaction"
        if pid is None and not transaction:
            pid = self.pid_of_port.get(event["port"])
        if pid is not None:
            self.lost.setdefault(pid, entry)
        elif transaction:
            self.lost_clients.setdefault(event["port"], entry)
        else:
            return
        self.pending.remove((client, event))

    def freeze(self, client: Client) -> None:
        """Notes all sessions of a process that was stopped as lost."""
        self.poll()
        now = time.time_ns() // 1000
        for port, owner in self.client_of_port.items():
            if owner is client and (pid := self.pid_of_port.get(port)):
                self.lost.setdefault(pid, {"kind": client.setup.id, "since": now, "how": "the process was stopped"})

    def at(self, moment: int, pids: list[int]) -> dict[str, Any]:
        """Returns the truth at a moment about the sessions that the server showed then."""

        def is_lost(pid: int) -> bool:
            return pid in self.lost and self.lost[pid]["since"] <= moment

        return {
            "at": moment,
            "lost": [{"pid": pid, **self.lost[pid]} for pid in pids if is_lost(pid)],
            "sessions": {
                str(pid): self.lost[pid]["kind"] if is_lost(pid) else self.part.get(pid, "unknown") for pid in pids
            },
        }

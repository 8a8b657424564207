"""Plays one mix: server, pooler, clients and looks; always stops everything."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from .clients import Client, wait_ready
from .looks import Looks
from .proxy import Proxy
from .server import Server
from .setups import Mix
from .truth import Truth

READY_S = 40
# Between the end of a session's last statement and the client's report of its loss.
SLACK_US = 1_000_000


class Play:
    """One run of a mix."""

    def __init__(self, mix: Mix, program: Path, sources: Path, output: Path):
        self.mix, self.program, self.sources, self.output = mix, program, sources, output
        self.folder = Path(tempfile.mkdtemp(prefix=f"pools-{mix.name}-"))
        self.folder.chmod(0o755)
        self.server = Server(self.folder / "server")
        self.clients = [Client(setup, n) for setup in mix.setups for n in range(setup.processes)]
        self.proxies: dict[str, Proxy] = {}
        self.truth: Truth | None = None
        self.looks: list[dict[str, Any]] = []
        self.log = output / f"{mix.name}.log"

    def run(self) -> dict[str, Any]:
        """Plays it and writes the cassette, the truth and the classifications."""
        self.log.unlink(missing_ok=True)
        try:
            self.start()
            self.watch()
        finally:
            self.stop()
        parts = [
            {
                "kind": setup.id,
                "label": setup.label,
                "leaks": setup.lose > 0 or setup.freeze_s is not None,
                "library": setup.library,
                "behaviour": setup.behaviour,
                "language": setup.language,
                "mode": setup.mode,
                "name": setup.name,
            }
            for setup in self.mix.setups
        ]
        truth = [{key: look[key] for key in ("at", "lost", "sessions")} for look in self.looks]
        result = {
            "case": self.mix.name,
            "parts": parts,
            "looks": truth,
            "problems": self.problems(),
            "exhausted": sorted({client.setup.id for client in self.clients if client.has("exhausted")}),
            "lost_clients": [{"port": port, **entry} for port, entry in self.truth.lost_clients.items()],
        }
        scored = [{"at": look["at"], "scored": look["scored"]} for look in self.looks]
        (self.output / f"{self.mix.name}.scored.json").write_text(json.dumps(scored))
        (self.output / f"{self.mix.name}.truth.json").write_text(json.dumps(result) + "\n")
        return result

    def start(self) -> None:
        users = {setup.user for setup in self.mix.setups}
        self.server.start({setup.database for setup in self.mix.setups}, users)
        if self.mix.mode != "direct":
            self.server.start_pooler(self.mix.mode.removeprefix("bouncer-"), users)
        for number, setup in enumerate(self.mix.setups):
            if setup.address == "own":
                port = self.server.port if setup.mode == "direct" else self.server.pooler_port
                self.proxies[setup.id] = Proxy(port, f"127.0.1.{number + 1}")
        self.truth = Truth(self.server, self.clients, list(self.proxies.values()))
        self.begin = time.monotonic()
        first = [client for client in self.clients if client.setup.start_s == 0]
        for client in first:
            self.launch(client)
        if late := wait_ready(first, READY_S):
            raise RuntimeError(f"not ready: {', '.join(client.setup.id for client in late)}; see {self.log}")
        self.begin = time.monotonic()

    def launch(self, client: Client) -> None:
        setup = client.setup
        port = self.server.port if setup.mode == "direct" else self.server.pooler_port
        if setup.id in self.proxies:
            port = self.proxies[setup.id].port
        installed = self.output / "clients"
        client.start(self.sources / "clients", installed, port, self.mix.duration_s, self.log)

    def watch(self) -> None:
        """Takes all looks, polls in between, and starts, ends and freezes clients at their times."""
        looks = Looks(self.program, self.server, self.folder, self.output / f"{self.mix.name}.jsonl")
        for number in range(1, self.mix.looks + 1):
            due = self.begin + number * self.mix.interval_s
            while (left := due - time.monotonic()) > 0:
                self.schedule(time.monotonic() - self.begin)
                self.truth.poll()
                time.sleep(max(0.0, min(0.8, left)))
            self.truth.poll()
            at, changed, scored = looks.take()
            self.truth.poll()
            notes = {
                pid: {
                    "confidence": row["confidence"],
                    "state": row["state"],
                    "query": row.get("lastQuery"),
                    "application": row.get("application"),
                    "reasons": reasons(row),
                }
                for pid, row in scored.items()
            }
            self.looks.append({**self.truth.at(at, list(changed)), "changed": changed, "scored": notes})

    def schedule(self, now: float) -> None:
        for client in self.clients:
            setup = client.setup
            if client.process is None and setup.start_s <= now:
                self.launch(client)
            if setup.stop_s is not None and now >= setup.stop_s and client.process:
                client.close()
            if setup.freeze_s is not None and now >= setup.freeze_s and client.process and not client.frozen:
                self.truth.freeze(client)
                client.freeze()

    def problems(self) -> list[str]:
        """Returns what makes the truth doubtful."""
        found = [f"{client.setup.id} ended by itself" for client in self.clients if client.died]
        found += [
            f"{client.setup.id} wrote no JSON: {event['line']}"
            for client in self.clients
            for event in client.events
            if event["event"] == "garbage"
        ]
        found += [
            f"{client.setup.id}: {event.get('text')}"
            for client in self.clients
            for event in client.events
            if event["event"] == "error"
        ][:10]
        found += [f"{client.setup.id}: port {event['port']} has no session" for client, event in self.truth.pending]
        found += self.not_lost()
        told = {entry["kind"] for entry in [*self.truth.lost.values(), *self.truth.lost_clients.values()]}
        found += [f"{setup.id} lost nothing" for setup in self.mix.setups if setup.lose and setup.id not in told]
        found += [
            f"{setup.id} is healthy but lost a session"
            for setup in self.mix.setups
            if not setup.lose and setup.freeze_s is None and setup.id in told
        ]
        unknown = sum(part == "unknown" for look in self.looks for part in look["sessions"].values())
        return found + ([f"{unknown} sessions of unknown set-ups"] if unknown else [])

    def not_lost(self) -> list[str]:
        """Returns the sessions that were used or closed after their client had reported them as lost."""
        found = {}
        for look, after in zip(self.looks, [*self.looks[1:], None], strict=True):
            for entry in look["lost"]:
                pid, since = entry["pid"], entry["since"]
                if look["changed"][pid] > since + SLACK_US:
                    found[pid] = f"{entry['kind']}: {pid} was used after it was lost"
                if after and pid not in after["changed"]:
                    found[pid] = f"{entry['kind']}: {pid} was closed after it was lost"
        return list(found.values())

    def stop(self) -> None:
        for client in self.clients:
            client.died = client.failed()
            client.close()
        for client in self.clients:
            client.kill(3)
        for proxy in self.proxies.values():
            proxy.stop()
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def reasons(row: dict[str, Any]) -> list[str]:
    return [f"{evidence['id']} {evidence['weight']:+.1f}" for evidence in row.get("evidence", [])]

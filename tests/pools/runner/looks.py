"""Takes looks with archon-pool, and collects them into one cassette."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .server import ADMIN, PASSWORD, WATCHER, Server

THRESHOLDS = ["--idle-timeout-ms", "15000", "--idle-in-transaction-timeout-ms", "10000", "--sample-ms", "0"]


class Looks:
    """Series of looks at a server, each with the carry of the one before."""

    def __init__(self, program: Path, server: Server, folder: Path, cassette: Path):
        self.program, self.folder, self.cassette = program, folder, cassette
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(cassette.parent / "cache"),
        }
        self.environment["DATABASE_URL"] = f"postgres://{WATCHER}:{PASSWORD}@127.0.0.1:{server.port}/postgres"
        if server.pooler_port:
            self.environment["PGBOUNCER_URL"] = (
                f"postgres://{ADMIN}:{PASSWORD}@127.0.0.1:{server.pooler_port}/pgbouncer"
            )
        self.number = 0
        cassette.unlink(missing_ok=True)

    def take(self) -> tuple[int, dict[int, int], dict[int, dict[str, Any]]]:
        """Takes a look: its time, each client session's state change, and the classification where there is one."""
        self.number += 1
        one = self.folder / f"look-{self.number}.jsonl"
        self.run("--carry", str(self.folder / "carry"), "--record", str(one), *THRESHOLDS)
        lines = one.read_text().splitlines(keepends=True)
        with open(self.cassette, "a") as whole:
            whole.writelines(lines if self.number == 1 else lines[1:])
        at, changed = shown(lines)
        # Threshold 0 lists every session with its confidence; the recording keeps the default.
        report = self.run("--replay", str(one), "--leak-detection-threshold", "0")["data"]["leakDetection"]
        one.unlink()
        scored = report["suspectedConnections"] + report["excludedConnections"]
        return at, changed, {row["pid"]: row for row in scored}

    def run(self, *arguments: str) -> dict[str, Any]:
        command = [str(self.program), "detect-leaks", "--json", "--quiet", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"archon-pool: {done.stdout[:500]} {done.stderr[:2000]}")
        return json.loads(done.stdout)


def shown(lines: list[str]) -> tuple[int, dict[int, int]]:
    """Returns the server's time of a look, and the time of the last state change of each client session by its pid."""
    at, changed = 0, {}
    for line in lines:
        row = json.loads(line)
        if row.get("import") != "session.query":
            continue
        for answer in row.get("ok", []):
            table = answer.get("ok") or {"columns": [], "rows": []}
            names = [column[0] for column in table["columns"]]
            if names == ["at"]:
                at = int(table["rows"][0][0]["t"])
            elif "backend_type" in names and "query_start" in names:
                for values in table["rows"]:
                    session = dict(zip(names, values, strict=True))
                    if session["backend_type"] == "client backend" and not session["own"]:
                        change = session["state_change"]
                        changed[int(session["pid"]["i"])] = int(change["t"]) if change else 0
    if not at:
        raise RuntimeError("the recording has no time")
    return at, changed

"""The examples run as they are printed in the guide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import Database

from archon_pool import component

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"


def run(example: str, *arguments: object, **environment: str) -> str:
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_example_tells_what_is_wrong(database: Database) -> None:
    database.leak(3)
    told = run("first.py", DATABASE_URL=database.url).splitlines()
    assert told[0] == "3 sessions"
    assert all(line.startswith("- ") for line in told[1:])


def test_the_analyser_needs_no_host_code(snapshot: Path) -> None:
    report = json.loads(run("analyse.py", component.file("pool-analyser.wasm"), snapshot))
    assert report["action"] == "full-analysis"
    suspects = {it["application"] for it in report["leakDetection"]["suspectedConnections"]}
    assert suspects == {"checkout-service", "invoice-worker"}
    source = (EXAMPLES / "analyse.py").read_text()
    assert "archon_pool" not in source and "add_instance" not in source


def test_a_whole_host_has_less_than_sixty_lines(database: Database, components: Path) -> None:
    database.leak(4, "web")
    answer = json.loads(run("minimal.py", components / "pool-observer.wasm", database.url))
    assert answer["success"], answer["error"]
    assert answer["data"]["poolStats"]["connections"]["byApplication"] == [{"name": "web", "count": 4}]
    lines = [line for line in (EXAMPLES / "minimal.py").read_text().splitlines() if line.strip()]
    assert len(lines) < 60


@pytest.fixture
def snapshot() -> Path:
    return HERE.parents[2] / "tests" / "fixtures" / "snapshot.json"

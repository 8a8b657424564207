"""Servers and consoles that misbehave: each ends in a fault, within bounds of time, memory and sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import WAIT_S
from hostile_child import LIMITS
from tls_front import tls_front

from archon_pool import ConnectionPool

VARIABLE = "ARCHON_POOL_HOSTILE_SERVER"
MOST_BYTES = 200 << 20
"""What any of them may cost above the memory of an idle host."""
OVER_DEADLINE_S = 1.0

CHILD = Path(__file__).parent / "hostile_child.py"


def program() -> str:
    path = os.environ.get(VARIABLE)
    assert path, f"{VARIABLE} is not set: run `make test-python`, or set it to the program `hostile-server`"
    return path


def behaviours(*kinds: str, but: str = "") -> list[Any]:
    """Behaviours of some kinds, but those of one stage."""
    if VARIABLE not in os.environ:
        # Collected all the same, so that its absence is a failure and no silence.
        return [pytest.param(None, id="absent")]
    listed = json.loads(subprocess.run([program(), "list"], check=True, capture_output=True).stdout)
    return [
        pytest.param(each, id=f"{each['kind']}-{each['name']}")
        for each in listed
        if each["kind"] in kinds and each["stage"] != but
    ]


@pytest.fixture
def port(behaviour: Any) -> Iterator[int]:
    """The port of a server that behaves so."""
    command = [program(), *([behaviour["kind"], behaviour["name"]] if behaviour else ["list"])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def called(behaviour: Any, port: int, *ways: str) -> list[Any]:
    """What calls came to in a process of their own, after their bounds were checked."""
    database = "pgbouncer" if behaviour["kind"] == "console" else "shop"
    url = f"postgres://ann:hunter2@127.0.0.1:{port}/{database}?sslmode={behaviour['sslmode']}"
    expected = "flood" if behaviour["limit"] else "silence"
    deadline_s = LIMITS[expected].deadline.total_seconds()
    command = [sys.executable, str(CHILD), url, str(port), expected, *ways]
    timeout_s = WAIT_S + deadline_s * len(ways)
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    outcomes: list[Any] = json.loads(done.stdout)
    for found in outcomes:
        assert found["took_s"] <= deadline_s + OVER_DEADLINE_S, found
        assert found["bytes"] < MOST_BYTES, found
        assert found["sockets"] == 0, found
        assert found["threads"] == 0, found
    return [found["fault"] for found in outcomes]


def check(fault: Any, behaviour: Any) -> None:
    assert fault is not None and fault["kind"] in behaviour["faults"], fault
    assert fault["kind"] != "authentication-failed" or not fault["retryable"], fault
    if behaviour["limit"] is not None:
        assert f"limit `{behaviour['limit']}`" in fault["message"] and not fault["retryable"], fault
    if behaviour["says"] is not None:
        assert behaviour["says"] in fault["message"].replace(",", ""), fault


@pytest.mark.parametrize("behaviour", behaviours("postgres"))
def test_a_server_that_misbehaves_ends_a_call_by_a_fault_that_names_why(behaviour: Any, port: int) -> None:
    of_session, of_component = called(behaviour, port, "session", "component")
    check(of_session, behaviour)
    assert of_component is not None, "no server that misbehaves is reported as healthy"


@pytest.mark.parametrize("behaviour", behaviours("postgres", but="tls"))
def test_within_tls_a_server_that_misbehaves_gains_nothing(behaviour: Any, port: int, tmp_path: Path) -> None:
    with tls_front(port, tmp_path) as encrypted:
        (fault,) = called({**behaviour, "sslmode": "require"}, encrypted, "session")
    check(fault, behaviour)


@pytest.mark.parametrize("behaviour", behaviours("console"))
def test_a_console_that_misbehaves_ends_a_call_by_a_fault_that_names_why(behaviour: Any, port: int) -> None:
    (fault,) = called(behaviour, port, "console")
    check(fault, behaviour)


@pytest.mark.parametrize("behaviour", behaviours("management"))
def test_this_host_sends_nothing_to_a_management_api(behaviour: Any) -> None:
    assert program() and behaviour
    url, key = "https://abcdefghijklmnopqrst.supabase.co", "sbp_0123"
    params: Any = {"action": "monitor", "supabaseUrl": url, "supabaseKey": key}
    with ConnectionPool(environment=False, retries=0) as pool:
        error: Any = pool.run(params).get("error")
    assert error["kind"] == "credential-invalid" and "only the Rust host uses" in error["message"]

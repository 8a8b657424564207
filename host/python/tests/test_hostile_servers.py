"""Servers and consoles that misbehave: each ends in a fault, within bounds of time, memory and sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
SILENT_AT_ONCE = 8
"""Calls to servers that keep silent wait for limits of time."""
FLOODS_AT_ONCE = 1
"""Calls to servers that flood compute until they reach a limit of bytes."""

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


Faults = list[Any]


@pytest.fixture(scope="session")
def calls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Faults]]]:
    """The calls of the chosen tests, by their ids: one after the other they would wait for twenty minutes."""
    with ThreadPoolExecutor(SILENT_AT_ONCE) as silent, ThreadPoolExecutor(FLOODS_AT_ONCE) as floods:
        started = {}
        for item in request.session.items:
            if isinstance(item, pytest.Function) and item.originalname in WAYS:
                behaviour: Any = item.callspec.params["behaviour"]
                workers = floods if behaviour and behaviour["limit"] else silent
                folder = tmp_path_factory.mktemp("call")
                started[item.nodeid] = workers.submit(called, behaviour, folder, item.originalname)
        yield started


@pytest.fixture
def faults(request: pytest.FixtureRequest, calls: dict[str, Future[Faults]]) -> Faults:
    """The faults in which the calls of a test ended."""
    return calls[request.node.nodeid].result()


def called(behaviour: Any, folder: Path, test: str) -> Faults:
    """Makes the calls of a test, and returns their faults."""
    command = [program(), behaviour["kind"], behaviour["name"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            if test != ENCRYPTED:
                return ended(behaviour, port, *WAYS[test])
            with tls_front(port, folder) as encrypted:
                return ended({**behaviour, "sslmode": "require"}, encrypted, *WAYS[test])
        finally:
            server.kill()


def ended(behaviour: Any, port: int, *ways: str) -> Faults:
    """Makes calls in a process of their own, checks their bounds, and returns their faults."""
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
def test_a_server_that_misbehaves_ends_a_call_by_a_fault_that_names_why(behaviour: Any, faults: Faults) -> None:
    of_session, of_component = faults
    check(of_session, behaviour)
    assert of_component is not None, "no server that misbehaves is reported as healthy"


@pytest.mark.parametrize("behaviour", behaviours("postgres", but="tls"))
def test_within_tls_a_server_that_misbehaves_gains_nothing(behaviour: Any, faults: Faults) -> None:
    (fault,) = faults
    check(fault, behaviour)


@pytest.mark.parametrize("behaviour", behaviours("console"))
def test_a_console_that_misbehaves_ends_a_call_by_a_fault_that_names_why(behaviour: Any, faults: Faults) -> None:
    (fault,) = faults
    check(fault, behaviour)


ENCRYPTED = test_within_tls_a_server_that_misbehaves_gains_nothing.__name__
WAYS = {
    test_a_server_that_misbehaves_ends_a_call_by_a_fault_that_names_why.__name__: ("session", "component"),
    ENCRYPTED: ("session",),
    test_a_console_that_misbehaves_ends_a_call_by_a_fault_that_names_why.__name__: ("console",),
}
"""The calls of each test, by its name."""


@pytest.mark.parametrize("behaviour", behaviours("management"))
def test_this_host_sends_nothing_to_a_management_api(behaviour: Any) -> None:
    assert program() and behaviour
    url, key = "https://abcdefghijklmnopqrst.supabase.co", "sbp_0123"
    params: Any = {"action": "monitor", "supabaseUrl": url, "supabaseKey": key}
    with ConnectionPool(environment=False, retries=0) as pool:
        error: Any = pool.run(params).get("error")
    assert error["kind"] == "credential-invalid" and "only the Rust host uses" in error["message"]

"""Every limit is on, and each has a fault that names it."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cluster import Database, until
from lending import ask, lent, opened, orders, rows

from archon_pool import ConnectionPool, FaultError, Limits, component
from archon_pool.clock import Clock
from archon_pool.engine import Engine
from archon_pool.faults import EndedError
from archon_pool.host import Host
from archon_pool.registry import Tried

QUICK: Any = {"action": "monitor", "options": {"sampleMs": 0}}


def tried(database: Database, limits: Limits) -> Any:
    """One call with limits that hold for it alone: a host cannot even describe itself with some of them."""
    with ConnectionPool(credentials={"default": database.url}, environment=False) as pool:
        pool._limits = limits
        pool._host = Host(pool._engine, limits)
        attempt: Tried = pool.attempt(QUICK, None)
    assert attempt.fault is not None
    until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "nothing of ours is left")
    return attempt.fault


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        (Limits(fuel=50_000), "fuel"),
        (Limits(cpu=timedelta(0)), "cpu"),
        (Limits(memory=64 << 10), "memory"),
        (Limits(instances=0), "instances"),
        (Limits(report_bytes=100), "report_bytes"),
        (Limits(host_calls=3), "host_calls"),
        (Limits(handles=1), "handles"),
        (Limits(sessions=0), "sessions"),
        (Limits(statements=1), "statements"),
        (Limits(request_bytes=100), "request_bytes"),
    ],
)
def test_a_call_that_goes_beyond_a_limit_is_told_which(database: Database, limits: Limits, setting: str) -> None:
    fault = tried(database, limits)
    assert fault.kind == "limit-exceeded", fault
    assert fault.message.endswith(f"limit `{setting}`"), fault
    assert not fault.retryable


def test_memory_that_is_refused_while_it_runs_is_told_too(tmp_path: Path) -> None:
    """This runtime refuses the growth and does not say so: what the component makes of it is a panic."""
    growing = tmp_path / "growing.wat"
    wants = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))"
    growing.write_text(_endless(f"(func $run {wants} (loop (br 0)))"))
    assert (
        _ended(growing, Limits(memory=1 << 20))
        == "growing.wat was ended: it panicked or ran out of memory (limit `memory`)"
    )
    assert _ended(growing, Limits(cpu=timedelta(0))).endswith("limit `cpu`"), "with enough of it, it goes on"


def test_the_deadline_holds_while_the_component_computes(database: Database) -> None:
    fault = tried(database, Limits(deadline=timedelta(0)))
    assert fault.kind == "deadline-exceeded" and fault.message.endswith("limit `deadline`")


def test_the_fault_of_a_later_try_names_the_limit_and_not_what_was_left_to_the_try() -> None:
    left = Clock(timedelta(seconds=60), timedelta(0), end=time.monotonic() + 0.1)
    assert left.late().message == "the call was not done within 60000 ms: limit `deadline`"


def test_too_deep_a_stack_is_told(tmp_path: Path) -> None:
    endless = tmp_path / "endless.wat"
    endless.write_text(_endless("(func $deep (call $deep))  (func $run (call $deep))"))
    assert _ended(endless).endswith("limit `stack`")


def test_a_loop_without_end_is_ended_by_the_clock(tmp_path: Path) -> None:
    endless = tmp_path / "endless.wat"
    endless.write_text(_endless("(func $run (loop (br 0)))"))
    limits = Limits(cpu=timedelta(milliseconds=30), fuel=2**62)
    assert _ended(endless, limits) == "the component computed for more than 30 ms: limit `cpu`"
    limits = Limits(deadline=timedelta(milliseconds=30), fuel=2**62)
    assert _ended(endless, limits) == "the call was not done within 30 ms: limit `deadline`"
    assert _ended(endless, Limits(fuel=1_000)).endswith("limit `fuel`")


def _endless(code: str) -> str:
    """A component whose `describe` never comes back."""
    return f"""(component
        (core module $m (memory (export "memory") 1) {code}
            (func (export "describe") (result i32) (call $run) (i32.const 0)))
        (core instance $i (instantiate $m))
        (alias core export $i "memory" (core memory $memory))
        (func $describe (result string) (canon lift (core func $i "describe") (memory $memory)))
        (instance $skill (export "describe" (func $describe)))
        (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"""


def _ended(path: Path, limits: Limits | None = None) -> str:
    limits = limits or Limits()
    engine = Engine(path, limits)
    try:
        with pytest.raises((FaultError, EndedError)) as raised:
            Host(engine, limits).describe()
        return str(cast(Any, raised.value).fault.message)
    finally:
        engine.close()


def test_a_component_that_wants_another_world_is_told(tmp_path: Path) -> None:
    other = tmp_path / "other.wat"
    other.write_text('(component (import "wasi:cli/environment@0.2.0" (instance (export "a" (func)))))')
    engine = Engine(other, Limits())
    with pytest.raises(FaultError, match=r"world-mismatch: other\.wat .*wasi:cli/environment"):
        Host(engine, Limits()).describe()
    engine.close()


def test_a_component_can_be_too_large() -> None:
    with pytest.raises(FaultError, match="limit `component_bytes`"):
        Engine(component.file(component.MANAGER), Limits(component_bytes=10))


def test_what_is_no_component_is_refused(tmp_path: Path) -> None:
    (tmp_path / "it.wasm").write_bytes(b"\0asm nonsense")
    with pytest.raises(FaultError, match="not-a-component"):
        Engine(tmp_path / "it.wasm", Limits())


@pytest.mark.parametrize(
    ("limits", "setting"),
    [(Limits(answer_rows=10), "answer_rows"), (Limits(answer_bytes=1_000), "answer_bytes")],
)
def test_what_one_call_reads_is_counted_over_all_of_it(database: Database, limits: Limits, setting: str) -> None:
    with lent(database.url, limits=limits) as live:
        session = opened(live)
        first, second = ask(live, session, "SELECT generate_series(1, 8)", "SELECT generate_series(1, 5000)")
        assert not cast(Any, first).truncated and cast(Any, second).truncated
        with pytest.raises(FaultError, match=f"limit `{setting}`"):
            ask(live, session, "SELECT 1")


def test_probes_and_orders_are_counted_over_the_call(database: Database) -> None:
    with lent(database.url, limits=Limits(probes=3, orders=0)) as live:
        credential = live.lookup(None)
        timings = live.probe(credential, 3, 5_000)
        assert all(cast(Any, timing).connect_us > 0 and cast(Any, timing).round_trip_us > 0 for timing in timings)
        with pytest.raises(FaultError, match="limit `probes`"):
            live.probe(credential, 1, 5_000)
        with pytest.raises(FaultError, match="limit `orders`"):
            live.deliver(live.open_session(credential), orders(database, database.leak(1)), True)


def test_a_probe_that_takes_too_long_is_an_answer(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with lent(f"postgres://u:x@127.0.0.1:{silent.getsockname()[1]}/d") as live:
            (answer,) = live.probe(live.lookup(None), 1, 50)
    assert cast(Any, answer).message.endswith("the probe was not done within 50 ms")


def test_many_rows_come_through_whole(database: Database) -> None:
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), "SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i", most=99_999)
    assert len(rows(answer)) == 50_000 and not cast(Any, answer).truncated

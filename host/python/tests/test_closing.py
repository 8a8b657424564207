"""A call that ends for any reason leaves no socket and no thread behind, within a second."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from cluster import PASSWORD, Database, PgBouncer, until, unused_port
from lending import ask, lent, opened, rows
from scripted import READY, Client, authentication, message, scripted, status

from archon_pool import ConnectionPool, FaultError, Limits, resolver
from archon_pool.clock import Clock, SilentError
from archon_pool.connection_config import HostPort
from archon_pool.faults import EndedError

SHORT = Limits(
    deadline=timedelta(milliseconds=300),
    connect_timeout=timedelta(milliseconds=200),
    statement_timeout=timedelta(milliseconds=100),
)
QUICK: Any = {"action": "monitor", "options": {"sampleMs": 0}}
CALLS = 5
CLOSED_S = 1.0


def open_sockets() -> int:
    """Sockets of this process."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += os.readlink(entry).startswith("socket:")
    return found


@contextlib.contextmanager
def nothing_is_left() -> Iterator[None]:
    """Counts sockets and threads, and whether the calls were over in time."""
    before = open_sockets(), threading.active_count()
    started = time.monotonic()
    yield
    took_s = time.monotonic() - started
    # The other end is this process's, too, and notices a moment later.
    while (open_sockets(), threading.active_count()) != before and time.monotonic() - started - took_s < CLOSED_S:
        time.sleep(0.01)
    assert (open_sockets(), threading.active_count()) == before
    assert took_s < CALLS * (SHORT.deadline.total_seconds() + CLOSED_S)


def calls(url: str) -> list[Any]:
    """The faults of several calls, with a host that is there before and after them."""
    with ConnectionPool(credentials={"default": url}, environment=False, limits=SHORT, retries=0) as pool:
        with nothing_is_left():
            return [cast(Any, pool.run(QUICK))["error"] for _ in range(CALLS)]


@pytest.fixture
def console(database: Database, bouncer: PgBouncer) -> Iterator[psycopg.Connection[Any]]:
    url = database.cluster.url("pgbouncer", port=bouncer.port)
    with psycopg.connect(url, autocommit=True, client_encoding="utf-8") as made:
        yield made


def shown(console: psycopg.Connection[Any], command: str) -> list[tuple[bytes | None, ...]]:
    result = console.pgconn.exec_(command.encode())
    return [tuple(result.get_value(row, column) for column in range(result.nfields)) for row in range(result.ntuples)]


def test_a_pooler_that_is_paused_keeps_no_client_of_a_call_that_ended(
    console: psycopg.Connection[Any], database: Database, bouncer: PgBouncer
) -> None:
    url = database.cluster.url(database.name, port=bouncer.port)
    with lent(url) as live:
        assert rows(ask(live, opened(live), "SELECT 1")[0]) == [[1]]
    shown(console, "PAUSE")
    try:
        for fault in calls(url):
            assert fault["kind"] in ("deadline-exceeded", "connection-lost", "server-unreachable"), fault
    finally:
        shown(console, "RESUME")
    ours = database.name.encode()
    until(lambda: not any(ours in row for row in shown(console, "SHOW CLIENTS")), "the pooler has no client of ours")


def test_a_server_that_says_nothing_holds_no_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://u:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/d"
        for fault in calls(url):
            assert fault["kind"] in ("deadline-exceeded", "server-unreachable"), fault


def test_a_server_that_falls_silent_within_a_statement_holds_no_socket() -> None:
    def script(client: Client) -> None:
        client.send(authentication(0), status("server_encoding", "UTF8"), READY)
        client.read()
        client.read()

    with scripted(script) as server:
        for fault in calls(f"postgres://u:{PASSWORD}@127.0.0.1:{server.port}/d?sslmode=disable"):
            assert fault["kind"] in ("deadline-exceeded", "server-unreachable"), fault


def test_a_server_that_never_stops_talking_holds_no_socket() -> None:
    flood = message(b"D", b"\0\1\0\0\0\1x") * 1_000

    def script(client: Client) -> None:
        client.send(authentication(0), status("server_encoding", "UTF8"), READY)
        with contextlib.suppress(OSError):
            while True:
                client.send(flood)

    with scripted(script) as server:
        for fault in calls(f"postgres://u:{PASSWORD}@127.0.0.1:{server.port}/d?sslmode=disable"):
            assert fault["kind"] in ("deadline-exceeded", "unexpected-answer"), fault


def test_a_host_that_drops_packets_holds_no_socket() -> None:
    with socket.socket() as full:
        # A full queue of connections that are not accepted: the next is not even refused.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.connect(full.getsockname())
        try:
            for fault in calls(f"postgres://u:{PASSWORD}@127.0.0.1:{full.getsockname()[1]}/d"):
                assert fault["kind"] in ("deadline-exceeded", "server-unreachable"), fault
        finally:
            for each in waiting:
                each.close()


def test_a_session_that_went_beyond_a_limit_is_closed_at_once(database: Database) -> None:
    with lent(database.url, limits=Limits(statement_bytes=100_000)) as live:
        session = opened(live)
        with nothing_is_left_but_the_session():
            with pytest.raises(FaultError, match="limit `statement_bytes`"):
                ask(live, session, "SELECT repeat('x', 1000) FROM generate_series(1, 1000)", most=10)
        with pytest.raises(FaultError, match="the session is closed"):
            ask(live, session, "SELECT 1")
    until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "nothing of ours is left")


@contextlib.contextmanager
def nothing_is_left_but_the_session() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_names_that_the_system_is_still_looking_up_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(*_: object, **__: object) -> list[Any]:
        go_on.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    def resolve_in_a_call_of_its_own() -> None:
        clock = Clock(timedelta(seconds=30), timedelta(0))
        resolver.resolve(HostPort("slow.example", 1), time.monotonic(), clock)

    before = threading.active_count()
    try:
        for _ in range(resolver._MOST_AT_ONCE):
            with pytest.raises(SilentError):
                resolve_in_a_call_of_its_own()
        with pytest.raises(OSError, match="under way already"):
            resolve_in_a_call_of_its_own()
        assert threading.active_count() == before + resolver._MOST_AT_ONCE
    finally:
        go_on.set()
    until(lambda: threading.active_count() == before, "they are over")


def test_a_wait_of_years_is_no_error() -> None:
    limits = Limits(deadline=timedelta(days=300_000), connect_timeout=timedelta(days=300_000))
    with pytest.raises((FaultError, EndedError), match="no PostgreSQL server answers"):
        with lent(f"postgres://u:x@127.0.0.1:{unused_port()}/d", limits=limits) as live:
            live.open_session(live.lookup(None))
    with scripted(lambda client: client.send(authentication(0), READY)) as server:
        with lent(f"postgres://u:x@127.0.0.1:{server.port}/d", limits=limits) as live:
            with pytest.raises(FaultError):
                live.open_session(live.lookup(None))


@contextlib.contextmanager
def deaf_to_cancel() -> Iterator[int]:
    """The port of a server that opens sessions, and takes requests to cancel without an answer."""

    def serve(client: Client) -> None:
        with contextlib.suppress(OSError):
            client.greet()
            if "user" in client.startup:
                client.send(authentication(0), status("server_encoding", "UTF8"), READY)
            while client.read()[0]:
                client.send(message(b"C", b"SELECT 0\0"), message(b"Z", b"I"))

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(Client(listener.accept()[0]),), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_all_sessions_of_a_call_are_closed_within_the_time_of_one() -> None:
    with deaf_to_cancel() as port, lent(f"postgres://ann@127.0.0.1:{port}/d?sslmode=disable") as live:
        for _ in range(4):
            live._sessions.held[opened(live)]._connection._under_way = True
        started = time.monotonic()
        live.close()
        assert 0.7 < time.monotonic() - started < 1.6

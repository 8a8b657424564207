"""A PostgreSQL server of the tests' own, and whatever stands before it; always stopped, also on failure."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, cast

import psycopg

PASSWORD = "tell-nobody-4f81c7"
"""Of every role. Unmistakable, so that a test can search any output for it."""

HARNESS = "archon-pool-tests"
"""`application_name` of the tests' own sessions."""

WAIT_S = 30.0
"""Far longer than anything here takes: it ends a test that would hang."""

_UNPRIVILEGED = 65534


def until(condition: Any, what: str) -> Any:
    """Waits until a condition holds, and returns what it came to."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"it did not come to pass: {what}")


def binaries() -> Path:
    """The server's programs; the newest that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise AssertionError("no PostgreSQL server is installed: apt-get install postgresql")


def unprivileged(command: list[str]) -> list[str]:
    """Returns a command that runs as an unprivileged user: servers refuse to run as root."""
    if os.geteuid() != 0:
        return command
    identity = [f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups"]
    return ["setpriv", *identity, "--pdeathsig=TERM", "--", *command]


def own(path: Path) -> None:
    """Gives a file or folder to whom the servers run as."""
    if os.geteuid() == 0:
        os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launched(command: Callable[[], list[str]], answers: Callable[[], bool], log: Path) -> subprocess.Popen[bytes]:
    """Starts a server and waits until it answers. Another process can take a port before the server does: then it
    ends at once, and is started on another."""
    for _ in range(10):
        with log.open("wb") as output:
            server = subprocess.Popen(unprivileged(command()), cwd=log.parent, stdout=output, stderr=output)
        if until(lambda server=server: server.poll() is not None or (answers() and "up"), f"{log} says why") == "up":
            return server
    raise AssertionError(f"ten ports in a row were taken:\n{log.read_text()}")


class Cluster:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._programs = binaries()
        self._data = folder / "data"
        self._settings: dict[str, object] = {}
        self._server: subprocess.Popen[bytes] | None = None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        for path in (folder, secret):
            own(path)
        self._run(
            "initdb",
            "-D",
            self._data,
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret,
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )

    def _run(self, program: str, *arguments: object) -> None:
        command = unprivileged([str(self._programs / program), *map(str, arguments)])
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def encrypt(self, certificate: Path, key: Path, authority: Path | None = None) -> None:
        """Has the server that is not started yet insist on TLS."""
        self.show(certificate, key)
        self.admit("hostssl all all 127.0.0.1/32 scram-sha-256")
        self._settings["ssl"] = "on"
        if authority is not None:
            copy = self._data / "root.crt"
            copy.write_bytes(authority.read_bytes())
            own(copy)
            self._settings["ssl_ca_file"] = copy

    def show(self, certificate: Path, key: Path) -> None:
        """Has the server show a certificate, from its next start or `reload` on."""
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            copy = self._data / name
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o600)
            own(copy)

    def admit(self, *lines: str) -> None:
        """Writes `pg_hba.conf`, for the next start or `reload`."""
        (self._data / "pg_hba.conf").write_text("".join(f"{line}\n" for line in lines))

    def reload(self) -> None:
        """Has the server read its files, and waits until it has."""
        with self.connect("postgres") as session:
            (before,) = cast(Any, session.execute("SELECT pg_conf_load_time()").fetchone())
            session.execute("SELECT pg_reload_conf()")
            sql = "SELECT pg_conf_load_time() > %s"
            until(lambda: cast(Any, session.execute(sql, (before,)).fetchone())[0], "it has read its files")

    def start(self) -> None:
        log = self.folder / "log"
        settings = {
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 60,
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
        }

        def command() -> list[str]:
            self.port = unused_port()
            whole = {**settings, "port": self.port}
            arguments = [argument for name, value in whole.items() for argument in ("-c", f"{name}={value}")]
            return [str(self._programs / "postgres"), "-D", str(self._data), *arguments]

        self._server = launched(command, self._answers, log)

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self._server is not None:
            # A fast shutdown.
            self._server.send_signal(signal.SIGINT)
            self._server.wait(WAIT_S)

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD, port: int | None = None) -> str:
        return f"postgres://{user}:{password}@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database: str, application: str = HARNESS, **options: Any) -> psycopg.Connection[Any]:
        """A session of the tests' own."""
        user = options.pop("user", "postgres")
        return psycopg.connect(self.url(database, user), application_name=application, autocommit=True, **options)

    def sessions(self, database: str, application: str = "%") -> list[int]:
        """The processes that serve an application."""
        sql = (
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name LIKE %s "
            "AND pid <> pg_backend_pid()"
        )
        with self.connect("postgres") as session:
            return [row[0] for row in session.execute(sql, (database, application))]


class Database:
    """A database of one test's own: caps count the sessions of one database."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self._open: list[psycopg.Connection[Any]] = []

    @property
    def url(self) -> str:
        return self.cluster.url(self.name)

    def leak(
        self, count: int, application: str = "checkout", *, user: str = "postgres", state: str = "idle"
    ) -> list[int]:
        """Opens sessions that stay open, and returns their processes."""
        pids = []
        for _ in range(count):
            session = self.cluster.connect(self.name, application, user=user)
            session.execute("SELECT 1" if state == "idle" else "BEGIN")
            self._open.append(session)
            pids.append(session.info.backend_pid)
        return pids

    def age(self, pids: list[int], seconds: float) -> None:
        """Waits until sessions have been in their state for so long."""
        sql = (
            "SELECT count(*) = %s FROM pg_stat_activity WHERE pid = ANY (%s) "
            "AND state_change <= clock_timestamp() - %s * interval '1 second'"
        )
        with self.cluster.connect("postgres") as session:
            until(lambda: session.execute(sql, (len(pids), pids, seconds)).fetchone()[0], "sessions are old enough")  # type: ignore[index]

    def alive(self, pids: list[int]) -> list[int]:
        """Which of these processes are still there, in the order in which they are given."""
        there = set(self.cluster.sessions(self.name))
        return [pid for pid in pids if pid in there]

    def close(self) -> None:
        for session in self._open:
            session.close()
        self._open.clear()


class PgBouncer:
    """A pooler before a cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.port = 0
        self._folder = folder
        self._server_port = cluster.port
        self._console = ""
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        assert Path(program).exists(), "no PgBouncer is installed: apt-get install pgbouncer"
        own(folder)

        def command() -> list[str]:
            self.port = unused_port()
            self._console = cluster.url("pgbouncer", port=self.port)
            return [program, str(self._configured())]

        self._server = launched(command, self._answers, folder / "log")

    def _configured(self) -> Path:
        users, config = self._folder / "users.txt", self._folder / "pgbouncer.ini"
        users.write_text(f'"postgres" "{PASSWORD}"\n"looker" "{PASSWORD}"\n')
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self._server_port}\n[pgbouncer]\nlisten_addr=127.0.0.1\n"
            f"listen_port={self.port}\nauth_type=plain\nauth_file={users}\npool_mode=transaction\n"
            "admin_users=postgres\nstats_users=looker\ndefault_pool_size=20\nunix_socket_dir=\n"
        )
        for path in (users, config):
            own(path)
        return config

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._console, autocommit=True, client_encoding="utf-8") as console:
                console.pgconn.exec_(b"SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        self._server.terminate()
        self._server.wait(WAIT_S)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that the servers may enter, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="archon-pool-python-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Private PostgreSQL server and PgBouncer, as an unprivileged user, in a temporary folder, on free ports."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ADMIN, WATCHER, PASSWORD = "pools_admin", "pools_watcher", "pools"

SETTINGS = """
fsync = off
shared_buffers = 32MB
max_connections = 300
autovacuum = off
listen_addresses = '127.0.0.1'
log_min_messages = fatal
timezone = 'UTC'
"""

SCHEMA = """
CREATE TABLE items (id int PRIMARY KEY, name text, stock int);
INSERT INTO items SELECT n, 'item ' || n, 100000 FROM generate_series(1, 1000) n;
CREATE TABLE orders (id bigserial PRIMARY KEY, item int, quantity int, at timestamptz DEFAULT now());
CREATE TABLE jobs (id bigserial PRIMARY KEY, payload text, done boolean);
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
"""


def unprivileged(*command: str) -> list[str]:
    """Returns a command that ends with this process and runs as `postgres` if this process is root's."""
    user = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig", "INT", "--", *command]


def binaries() -> Path:
    """Returns the folder with the newest installed `postgres`, or $ARCHON_PG_BIN."""
    if "ARCHON_PG_BIN" in os.environ:
        return Path(os.environ["ARCHON_PG_BIN"])
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: tests/setup.sh test")
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """PostgreSQL server with its databases and roles, and optionally a PgBouncer."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.pooler_port = folder, 0, 0
        self.processes: list[subprocess.Popen] = []

    def start(self, databases: set[str], roles: set[str]) -> None:
        """Starts the server and creates what the clients use."""
        self.folder.mkdir(parents=True)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        data, folder = self.folder / "data", binaries()
        subprocess.run(
            unprivileged(
                str(folder / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--auth=trust", "--no-sync"
            ),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with open(data / "postgresql.conf", "a") as settings:
            settings.write(SETTINGS)
        with open(data / "pg_hba.conf", "a") as rules:
            rules.write("host all all 127.0.0.0/8 trust\n")
        self.port = free_port()
        self.run(str(folder / "postgres"), "-D", str(data), "-p", str(self.port), "-k", str(self.folder))
        self.ready(self.port, "postgres", "postgres")
        statements = [f'CREATE ROLE "{role}" LOGIN' for role in sorted(roles)]
        statements.append(f"CREATE ROLE {WATCHER} LOGIN; GRANT pg_monitor, pg_signal_backend TO {WATCHER}")
        statements += [f'CREATE DATABASE "{name}"' for name in sorted(databases)]
        for statement in statements:
            self.query(statement)
        for name in databases:
            self.query(SCHEMA, database=name)

    def start_pooler(self, mode: str, roles: set[str]) -> None:
        """Starts a PgBouncer in front of the server; mode is `session` or `transaction`."""
        self.pooler_port = free_port()
        ini, users = self.folder / "pgbouncer.ini", self.folder / "users.txt"
        users.write_text("".join(f'"{role}" "{PASSWORD}"\n' for role in sorted(roles | {ADMIN})))
        ini.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.pooler_port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {users}\n"
            f"admin_users = {ADMIN}\npool_mode = {mode}\nmax_client_conn = 500\ndefault_pool_size = 20\n"
            "ignore_startup_parameters = extra_float_digits,options,jit,search_path\nlog_connections = 0\n"
            "log_disconnections = 0\nlog_stats = 0\n"
        )
        program = os.environ.get("ARCHON_PGBOUNCER", "/usr/sbin/pgbouncer")
        self.run(program, "-q", str(ini))
        self.ready(self.pooler_port, ADMIN, "pgbouncer")

    def run(self, *command: str) -> None:
        with open(self.folder / "log", "ab") as log:
            self.processes.append(
                subprocess.Popen(
                    unprivileged(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
                )
            )

    def ready(self, port: int, user: str, database: str) -> None:
        command = ["psql", "-XAtqw", "-h", "127.0.0.1", "-p", str(port), "-U", user, database]
        command += ["-c", "SHOW VERSION" if database == "pgbouncer" else "SELECT 1"]
        for _ in range(100):
            if subprocess.run(command, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"no answer on port {port}: {(self.folder / 'log').read_text()[-2000:]}")

    def query(self, sql: str, database: str = "postgres") -> list[list[str]]:
        """Runs statements as superuser and returns the rows, as text."""
        return psql(["-h", str(self.folder), "-p", str(self.port), "-U", "postgres", database, "-c", sql], tuples=True)

    def show(self, view: str) -> list[dict[str, str]]:
        """Returns a view of PgBouncer's console."""
        rows = psql(
            ["-h", "127.0.0.1", "-p", str(self.pooler_port), "-U", ADMIN, "pgbouncer", "-c", f"SHOW {view}"],
            tuples=False,
        )
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]

    def stop(self) -> None:
        """Stops all processes, the pooler first, and removes the folder."""
        for process in reversed(self.processes):
            process.send_signal(2)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def psql(arguments: list[str], tuples: bool) -> list[list[str]]:
    command = [
        "psql",
        "-Xqw",
        "-A",
        "-F",
        "\x1f",
        "-v",
        "ON_ERROR_STOP=1",
        "-P",
        "footer=off",
        *(["-t"] if tuples else []),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"psql: {done.stderr.strip()}")
    return [line.split("\x1f") for line in done.stdout.splitlines() if line]

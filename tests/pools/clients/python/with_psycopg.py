"""psycopg 3: single connections, and `psycopg_pool.ConnectionPool`."""

import threading
import time

import psycopg
import psycopg_pool
from application import Adapter, Exhausted
from protocol import Sessions, local_port


class Library(Adapter):
    """Options: `pool` (arguments of ConnectionPool), `null` (NullConnectionPool), `ping_s` (check() interval)."""

    def arguments(self) -> dict:
        arguments = {
            "host": self.setup.host,
            "port": self.setup.port,
            "user": self.setup.user,
            "dbname": self.setup.database,
            "password": self.setup.password,
        }
        if self.setup.application_name is not None:
            arguments["application_name"] = self.setup.application_name
        if self.setup.mode == "bouncer-transaction":
            arguments["prepare_threshold"] = None
        return arguments

    def open(self, size):
        opened = Sessions()
        sizes = {"min_size": self.setup.min if self.setup.min is not None else min(4, size), "max_size": size}
        kind = psycopg_pool.ConnectionPool
        if self.options.get("null"):
            kind, sizes["min_size"] = psycopg_pool.NullConnectionPool, 0
        if self.setup.behaviour == "validated":
            sizes["check"] = psycopg_pool.ConnectionPool.check_connection
        pool = kind(
            kwargs=self.arguments(),
            timeout=4,
            configure=lambda one: opened.append(self.identity(one)),
            open=False,
            **sizes,
            **self.options.get("pool", {}),
        )
        pool.opened = opened
        pool.open(wait=True)
        if "ping_s" in self.options:
            threading.Thread(target=self.ping, args=(pool,), daemon=True).start()
        return pool

    def ping(self, pool):
        while True:
            time.sleep(self.options["ping_s"])
            pool.check()

    def acquire(self, pool):
        try:
            return pool.getconn()
        except psycopg_pool.PoolTimeout:
            raise Exhausted from None

    def release(self, pool, connection):
        pool.putconn(connection)

    def work(self, connection, path):
        with connection.transaction():
            self.begin(connection, path)

    def begin(self, connection, path):
        for sql, values in path:
            cursor = connection.execute(sql, values)
            if cursor.description:
                cursor.fetchall()

    def execute(self, connection, sql):
        connection.execute(sql)
        connection.commit()

    def leave_result(self, connection):
        cursor = connection.cursor(name="export")
        cursor.itersize = 50
        cursor.execute("SELECT id, name, stock FROM items ORDER BY id")
        rows = iter(cursor)
        next(rows)
        return rows, cursor

    def finish_result(self, connection, result):
        result[1].close()
        connection.commit()

    def connect(self):
        connection = psycopg.connect(**self.arguments())
        Sessions().append(self.identity(connection))
        return connection

    def close(self, connection):
        connection.close()

    def close_pool(self, pool):
        pool.close()

    def identity(self, connection):
        if self.setup.mode == "direct":
            return {"pid": connection.info.backend_pid}
        return {"port": local_port(connection.fileno())}

    def server_pid(self, connection):
        return connection.execute("SELECT pg_backend_pid()").fetchone()[0]

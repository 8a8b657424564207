"""psycopg2: single connections, and `psycopg2.pool.ThreadedConnectionPool`."""

import psycopg2
import psycopg2.extensions
import psycopg2.pool
from application import Adapter, Exhausted
from protocol import Sessions, local_port


class Library(Adapter):
    """psycopg2's pool closes returned connections above its minimum, and never waits."""

    def arguments(self):
        arguments = {
            "host": self.setup.host,
            "port": self.setup.port,
            "user": self.setup.user,
            "dbname": self.setup.database,
            "password": self.setup.password,
        }
        if self.setup.application_name is not None:
            arguments["application_name"] = self.setup.application_name
        return arguments

    def open(self, size):
        opened = Sessions()
        adapter = self

        class Noted(psycopg2.extensions.connection):
            def __init__(self, *arguments, **named):
                super().__init__(*arguments, **named)
                opened.append(adapter.identity(self))

        least = self.setup.min if self.setup.min is not None else size
        pool = psycopg2.pool.ThreadedConnectionPool(
            min(least, size), size, connection_factory=Noted, **self.arguments()
        )
        pool.opened = opened
        return pool

    def acquire(self, pool):
        try:
            return pool.getconn()
        except psycopg2.pool.PoolError:
            raise Exhausted from None

    def release(self, pool, connection):
        pool.putconn(connection)

    def work(self, connection, path):
        self.begin(connection, path)
        connection.commit()

    def begin(self, connection, path):
        with connection.cursor() as cursor:
            for sql, values in path:
                cursor.execute(sql, values)
                if cursor.description:
                    cursor.fetchall()

    def execute(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
        connection.commit()

    def leave_result(self, connection):
        cursor = connection.cursor(name="export")
        cursor.itersize = 50
        cursor.execute("SELECT id, name, stock FROM items ORDER BY name")
        cursor.fetchone()
        return cursor

    def finish_result(self, connection, result):
        result.close()
        connection.commit()

    def connect(self):
        connection = psycopg2.connect(**self.arguments())
        Sessions().append(self.identity(connection))
        return connection

    def close(self, connection):
        connection.close()

    def close_pool(self, pool):
        pool.closeall()

    def identity(self, connection):
        if self.setup.mode == "direct":
            return {"pid": connection.get_backend_pid()}
        return {"port": local_port(connection.fileno())}

    def server_pid(self, connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return cursor.fetchone()[0]

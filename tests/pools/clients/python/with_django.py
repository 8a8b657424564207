"""Django: a connection for each thread (`CONN_MAX_AGE`), or its pool of psycopg."""

import threading

import django
from application import Adapter, Exhausted
from django.conf import settings
from django.db import close_old_connections, connections, transaction
from django.db.backends.signals import connection_created
from django.db.utils import OperationalError
from protocol import Sessions, local_port


class Library(Adapter):
    """Options: `conn_max_age` (null: for ever), `pool` (arguments of psycopg_pool), `health_checks`.

    A connection belongs to its thread, as in Django: who acquires another one in the same thread has lost the first.
    """

    def __init__(self, setup):
        super().__init__(setup)
        options = {} if setup.application_name is None else {"application_name": setup.application_name}
        if setup.mode == "bouncer-transaction":
            options["prepare_threshold"] = None
        if "pool" in self.options:
            options["pool"] = {"max_size": setup.size, "timeout": 4, **self.options["pool"]}
            if setup.min is not None:
                options["pool"]["min_size"] = setup.min
        age = 0 if "pool" in self.options else self.options.get("conn_max_age", 0)
        settings.configure(
            USE_TZ=True,
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.postgresql",
                    "NAME": setup.database,
                    "USER": setup.user,
                    "PASSWORD": setup.password,
                    "HOST": setup.host,
                    "PORT": setup.port,
                    "OPTIONS": options,
                    "CONN_MAX_AGE": None if age == "forever" else age,
                    "CONN_HEALTH_CHECKS": self.options.get("health_checks", False),
                    "DISABLE_SERVER_SIDE_CURSORS": setup.mode == "bouncer-transaction",
                }
            },
        )
        django.setup()
        self.owned, self.opened = threading.local(), Sessions()
        connection_created.connect(self.note)

    def note(self, connection, **_named):
        self.opened.append(self.identity(connection))

    def open(self, size):
        return None

    def acquire(self, pool):
        if getattr(self.owned, "taken", False):
            connections["default"] = connections.create_connection("default")
        connection = connections["default"]
        self.owned.taken = True
        try:
            connection.ensure_connection()
        except OperationalError as error:
            self.owned.taken = False
            raise Exhausted from error
        return connection

    def release(self, pool, connection):
        """Ends the request."""
        self.owned.taken = False
        close_old_connections()

    def work(self, connection, path):
        if len(path) > 1:
            with transaction.atomic():
                self.run(connection, path)
        else:
            self.run(connection, path)

    def run(self, connection, path):
        with connection.cursor() as cursor:
            for sql, values in path:
                cursor.execute(sql, values)
                if cursor.description:
                    cursor.fetchall()

    def begin(self, connection, path):
        if connection.get_autocommit():
            connection.set_autocommit(False)
        self.run(connection, path)

    def execute(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)

    def leave_result(self, connection):
        connection.set_autocommit(False)
        cursor = connection.chunked_cursor()
        cursor.execute("SELECT id, name FROM items ORDER BY id")
        cursor.fetchmany(50)
        return cursor

    def finish_result(self, connection, result):
        result.close()
        connection.commit()
        connection.set_autocommit(True)

    def connect(self):
        connection = connections.create_connection("default")
        connection.ensure_connection()
        connections["default"] = connection
        return connection

    def close(self, connection):
        connection.close()

    def identity(self, connection):
        raw = connection.connection
        if self.setup.mode == "direct":
            return {"pid": raw.info.backend_pid}
        return {"port": local_port(raw.fileno())}

    def server_pid(self, connection):
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return cursor.fetchone()[0]

"""SQLAlchemy in its pool classes, with psycopg 3 or psycopg2."""

import sqlalchemy
import sqlalchemy.exc
import sqlalchemy.pool
from application import Adapter, Exhausted
from protocol import Sessions, local_port
from sqlalchemy import event, text
from statements import numbered


class Library(Adapter):
    """Options: `driver` (psycopg or psycopg2), `pool` (class), `engine` (arguments of create_engine)."""

    def open(self, size):
        setup, options = self.setup, self.options
        url = sqlalchemy.URL.create(
            f"postgresql+{options.get('driver', 'psycopg2')}",
            setup.user,
            setup.password,
            setup.host,
            setup.port,
            setup.database,
        )
        kind = getattr(sqlalchemy.pool, options.get("pool", "QueuePool"))
        arguments = {"poolclass": kind, **options.get("engine", {})}
        if kind is sqlalchemy.pool.QueuePool:
            # The default is 5 sessions and 10 more.
            arguments = {"pool_size": size, "max_overflow": 0, "pool_timeout": 4, **arguments}
        if setup.behaviour == "validated":
            arguments["pool_pre_ping"] = True
        connect = {} if setup.application_name is None else {"application_name": setup.application_name}
        if setup.mode == "bouncer-transaction" and options.get("driver") == "psycopg":
            connect["prepare_threshold"] = None
        engine = sqlalchemy.create_engine(url, connect_args=connect, **arguments)
        engine.opened = Sessions()
        event.listen(engine, "connect", lambda raw, _record: engine.opened.append(self.raw_identity(raw)))
        return engine

    def acquire(self, pool):
        try:
            return pool.connect()
        except sqlalchemy.exc.TimeoutError:
            raise Exhausted from None

    def release(self, pool, connection):
        connection.close()

    def work(self, connection, path):
        # Reads end by the rollback of the return, as in most applications; writes commit.
        self.begin(connection, path)
        if any(not sql.startswith("SELECT") for sql, _ in path) or self.options.get("commit"):
            connection.commit()
        elif not self.options.get("leave_reads"):
            connection.rollback()

    def begin(self, connection, path):
        for sql, values in path:
            named = {f"p{number}": value for number, value in enumerate(values, 1)}
            result = connection.execute(text(numbered(sql, ":p").replace("::text", "\\:\\:text")), named)
            if result.returns_rows:
                result.fetchall()

    def execute(self, connection, sql):
        connection.execute(text(sql))
        connection.commit()

    def leave_result(self, connection):
        streaming = connection.execution_options(stream_results=True, yield_per=50)
        rows = iter(streaming.execute(text("SELECT id, name, stock FROM items ORDER BY stock, id")))
        next(rows)
        return rows, streaming

    def finish_result(self, connection, result):
        connection.rollback()

    def connect(self):
        engine = self.open(1)
        connection = engine.connect()
        self.engines = [*getattr(self, "engines", []), engine]
        return connection

    def close(self, connection):
        engine = connection.engine
        connection.close()
        engine.dispose()
        self.engines.remove(engine)

    def close_pool(self, pool):
        pool.dispose()

    def raw_identity(self, raw):
        if self.setup.mode == "direct":
            return {"pid": raw.info.backend_pid}
        return {"port": local_port(raw.fileno())}

    def identity(self, connection):
        return self.raw_identity(connection.connection.driver_connection)

    def server_pid(self, connection):
        return connection.execute(text("SELECT pg_backend_pid()")).scalar()

"""asyncpg: single connections, and its pool, in an event loop of their own."""

import asyncio
import threading

import asyncpg
from application import Adapter, Exhausted
from protocol import Sessions
from statements import numbered


class Library(Adapter):
    """The application's threads call coroutines in the loop. Options: `pool` (arguments of create_pool)."""

    def __init__(self, setup):
        super().__init__(setup)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.transactions = {}

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def arguments(self):
        arguments = {
            "host": self.setup.host,
            "port": self.setup.port,
            "user": self.setup.user,
            "database": self.setup.database,
            "password": self.setup.password,
            "ssl": False,
        }
        if self.setup.application_name is not None:
            arguments["server_settings"] = {"application_name": self.setup.application_name}
        if self.setup.mode != "direct":
            arguments["statement_cache_size"] = 0
        return arguments

    def open(self, size):
        opened = Sessions()

        async def init(connection):
            opened.append(self.identity(connection))

        async def create():
            least = min(size, self.setup.min if self.setup.min is not None else size)
            return await asyncpg.create_pool(
                min_size=least, max_size=size, init=init, **{**self.arguments(), **self.options.get("pool", {})}
            )

        pool = self.call(create())
        # The pool's class has slots.
        return Pool(pool, opened)

    def acquire(self, pool):
        try:
            return self.call(checkout(pool.pool))
        except TimeoutError:
            raise Exhausted from None

    def release(self, pool, connection):
        async def give_back():
            await pool.pool.release(connection)

        self.call(give_back())

    async def run(self, connection, path):
        for sql, values in path:
            text = numbered(sql)
            # asyncpg wants the type that the server infers.
            statement_values = [str(value) if "::text" in text else value for value in values]
            await connection.fetch(text, *statement_values)

    def work(self, connection, path):
        async def all_of_it():
            if len(path) > 1:
                async with connection.transaction():
                    await self.run(connection, path)
            else:
                await self.run(connection, path)

        self.call(all_of_it())

    def begin(self, connection, path):
        async def open_ended():
            if not connection.is_in_transaction():
                self.transactions[id(connection)] = connection.transaction()
                await self.transactions[id(connection)].start()
            await self.run(connection, path)

        self.call(open_ended())

    def execute(self, connection, sql):
        self.call(connection.execute(sql))

    def leave_result(self, connection):
        async def first_row():
            transaction = connection.transaction()
            await transaction.start()
            rows = connection.cursor("SELECT id, name, stock FROM items ORDER BY id DESC", prefetch=50).__aiter__()
            await rows.__anext__()
            return transaction, rows

        return self.call(first_row())

    def finish_result(self, connection, result):
        self.call(result[0].commit())

    def connect(self):
        async def alone():
            return await asyncpg.connect(**self.arguments())

        connection = self.call(alone())
        Sessions().append(self.identity(connection))
        return connection

    def close(self, connection):
        self.call(connection.close())

    def close_pool(self, pool):
        self.call(pool.pool.close())

    def identity(self, connection):
        if self.setup.mode == "direct":
            return {"pid": connection.get_server_pid()}
        inner = getattr(connection, "_con", connection)
        return {"port": inner._transport.get_extra_info("sockname")[1]}

    def server_pid(self, connection):
        async def ask():
            self.transactions[id(connection)] = connection.transaction()
            await self.transactions[id(connection)].start()
            return await connection.fetchval("SELECT pg_backend_pid()")

        return self.call(ask())


async def checkout(pool):
    return await pool.acquire(timeout=4)


class Pool:
    """Pool with the identities of the sessions that it has opened."""

    def __init__(self, pool, opened):
        self.pool, self.opened = pool, opened

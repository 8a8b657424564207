"""`psycopg_pool.AsyncConnectionPool`, in an event loop of its own."""

import asyncio
import threading

import psycopg
import psycopg_pool
import with_psycopg
from application import Exhausted
from protocol import Sessions


class Library(with_psycopg.Library):
    """The application's threads call coroutines in the loop. Options: `pool` (arguments of AsyncConnectionPool)."""

    def __init__(self, setup):
        super().__init__(setup)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def open(self, size):
        opened = Sessions()

        async def configure(connection):
            opened.append(self.identity(connection))

        async def create():
            least = self.setup.min if self.setup.min is not None else min(4, size)
            pool = psycopg_pool.AsyncConnectionPool(
                kwargs=self.arguments(),
                timeout=4,
                configure=configure,
                open=False,
                min_size=least,
                max_size=size,
                **self.options.get("pool", {}),
            )
            await pool.open(wait=True)
            return pool

        pool = self.call(create())
        pool.opened = opened
        return pool

    def acquire(self, pool):
        try:
            return self.call(pool.getconn())
        except psycopg_pool.PoolTimeout:
            raise Exhausted from None

    def release(self, pool, connection):
        self.call(pool.putconn(connection))

    async def run(self, connection, path):
        for sql, values in path:
            cursor = await connection.execute(sql, values)
            if cursor.description:
                await cursor.fetchall()

    def work(self, connection, path):
        async def all_of_it():
            async with connection.transaction():
                await self.run(connection, path)

        self.call(all_of_it())

    def begin(self, connection, path):
        self.call(self.run(connection, path))

    def execute(self, connection, sql):
        async def alone():
            await connection.execute(sql)
            await connection.commit()

        self.call(alone())

    def leave_result(self, connection):
        async def first_row():
            cursor = connection.cursor(name="export")
            await cursor.execute("SELECT id, name, stock FROM items ORDER BY id")
            await cursor.fetchone()
            return cursor

        return self.call(first_row())

    def finish_result(self, connection, result):
        async def finish():
            await result.close()
            await connection.commit()

        self.call(finish())

    def connect(self):
        connection = self.call(psycopg.AsyncConnection.connect(**self.arguments()))
        Sessions().append(self.identity(connection))
        return connection

    def close(self, connection):
        self.call(connection.close())

    def close_pool(self, pool):
        self.call(pool.close())

    def server_pid(self, connection):
        async def ask():
            return (await (await connection.execute("SELECT pg_backend_pid()")).fetchone())[0]

        return self.call(ask())

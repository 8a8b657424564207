"""Applications made with psycopg or asyncpg, which carry out commands from standard input.

Each line is a JSON list, a command with its arguments; each is answered by one line. It ends with its input.
"""

import asyncio
import json
import sys

import asyncpg
import psycopg
import psycopg_pool


class Psycopg:
    """Connections of psycopg 3 by name."""

    def __init__(self):
        self.connections, self.pools = {}, []

    async def open(self, name, url, autocommit=True):
        self.connections[name] = await psycopg.AsyncConnection.connect(url, autocommit=autocommit)

    async def run(self, name, *statements):
        for sql in statements:
            await self.connections[name].execute(sql)

    async def transaction(self, name, *statements):
        async with self.connections[name].transaction():
            await self.run(name, *statements)

    async def commit(self, name):
        await self.connections[name].commit()

    async def listen(self, name, channel):
        await self.connections[name].execute(f"LISTEN {channel}")

    async def notified(self, name):
        async for notification in self.connections[name].notifies(timeout=20, stop_after=1):
            return notification.payload

    async def copy(self, name, sql):
        # Entered and never exited: the server waits for data that never arrive.
        copy = self.connections[name].cursor().copy(sql)
        self.connections[name, "copy"] = (copy, await copy.__aenter__())

    async def pool(self, url, size, sql):
        pool = psycopg_pool.AsyncConnectionPool(url, min_size=size, max_size=size, open=False)
        self.pools.append(pool)
        await pool.open(wait=True)
        connections = [await pool.getconn() for _ in range(size)]
        for connection in connections:
            await connection.execute(sql)
        for connection in connections:
            await connection.commit()
            await pool.putconn(connection)

    async def close(self, name):
        await self.connections.pop(name).close()


class Asyncpg:
    """Connections of asyncpg by name."""

    def __init__(self):
        self.connections, self.pools, self.payloads = {}, [], {}

    async def open(self, name, url):
        self.connections[name] = await asyncpg.connect(url)

    async def run(self, name, *statements):
        for sql in statements:
            await self.connections[name].execute(sql)

    async def fetch(self, name, sql):
        await self.connections[name].fetch(sql)

    async def transaction(self, name, *statements):
        async with self.connections[name].transaction():
            await self.run(name, *statements)

    async def listen(self, name, channel):
        queue = self.payloads[name] = asyncio.Queue()
        await self.connections[name].add_listener(channel, lambda *event: queue.put_nowait(event[3]))

    async def notified(self, name):
        return await asyncio.wait_for(self.payloads[name].get(), 20)

    async def pool(self, url, size, sql):
        pool = await asyncpg.create_pool(url, min_size=size, max_size=size)
        self.pools.append(pool)
        connections = [await pool.acquire() for _ in range(size)]
        for connection in connections:
            await connection.fetch(sql)
        for connection in connections:
            await pool.release(connection)

    async def close(self, name):
        await self.connections.pop(name).close()


async def main():
    application = {"psycopg": Psycopg, "asyncpg": Asyncpg}[sys.argv[1]]()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *arguments = json.loads(line)
        try:
            answer = {"ok": await getattr(application, command)(*arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())

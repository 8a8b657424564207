"""TCP proxy that gives a client a network address of its own on this machine."""

import asyncio
import contextlib
import threading


class Proxy:
    """Forwards connections from a port of 127.0.0.1 to a server, from another loopback address."""

    def __init__(self, server_port: int, address: str):
        self.server_port, self.address, self.port = server_port, address, 0
        self.outside: dict[int, int] = {}
        """The client's port by the port that the server sees."""
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()
        for task in (tasks := asyncio.all_tasks(self.loop)):
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.server_port, local_addr=(self.address, 0))
        except OSError:
            writer.close()
            return
        self.outside[upstream[1].get_extra_info("sockname")[1]] = writer.get_extra_info("peername")[1]
        # A handler that ends as cancelled is reported as an error by asyncio.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer))

    def stop(self) -> None:
        """Ends the proxy and its connections."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(2)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

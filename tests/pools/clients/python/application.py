"""The behaviours of an application, for any pool library that `Adapter` is implemented for."""

import random
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any

from protocol import emit, lost
from statements import Path, Work


# Mean pauses of the workers of `uneven`, in turn.
UNEVEN_S = (1, 5, 15, 30)


class Exhausted(Exception):
    """A checkout has timed out."""


class Adapter:
    """Pool library. A pool has a list `opened` with the identity of each physical session that it has opened."""

    def __init__(self, setup: SimpleNamespace):
        self.setup, self.options = setup, setup.options

    def open(self, size: int) -> Any:
        raise NotImplementedError

    def acquire(self, pool: Any) -> Any:
        raise NotImplementedError

    def release(self, pool: Any, connection: Any) -> None:
        raise NotImplementedError

    def work(self, connection: Any, path: Path) -> None:
        """Runs a piece of work and completes its transaction."""
        raise NotImplementedError

    def begin(self, connection: Any, path: Path) -> None:
        """Runs a piece of work and leaves its transaction open."""
        raise NotImplementedError

    def execute(self, connection: Any, sql: str) -> None:
        """Runs a statement outside a transaction, or in one of its own."""
        raise NotImplementedError

    def leave_result(self, connection: Any) -> Any:
        """Reads the first row of a large result; returns what keeps it open."""
        raise NotImplementedError

    def finish_result(self, connection: Any, result: Any) -> None:
        """Closes what `leave_result` has opened."""
        raise NotImplementedError

    def connect(self) -> Any:
        """Opens a connection outside any pool."""
        raise NotImplementedError

    def close(self, connection: Any) -> None:
        raise NotImplementedError

    def close_pool(self, pool: Any) -> None:
        raise NotImplementedError

    def identity(self, connection: Any) -> dict[str, int]:
        """Returns the session's `pid`, or its `port` where a pooler is between."""
        raise NotImplementedError

    def server_pid(self, connection: Any) -> int:
        """Asks for the server process within a transaction."""
        raise NotImplementedError


class Application:
    """Threads that use the pool as the set-up's behaviour says."""

    def __init__(self, setup: SimpleNamespace, adapter: Adapter):
        self.setup, self.adapter = setup, adapter
        self.kept: list[Any] = []
        self.working = threading.Event()
        self.working.set()
        self.seeds = iter(range(setup.seed, setup.seed + 100_000))
        self.begin = time.monotonic()
        self.pool: Any = None
        self.told_exhausted = False

    # The application.

    def run(self) -> None:
        """Starts it; returns when it is in use."""
        behaviour = self.setup.behaviour.replace("-", "_")
        if behaviour not in ("cron", "rare"):
            self.pool = self.adapter.open(self.setup.size)
        getattr(self, behaviour)()
        emit("ready")

    def thread(self, function: Any, *arguments: Any) -> None:
        threading.Thread(target=self.guarded, args=(function, *arguments), daemon=True).start()

    def guarded(self, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            traceback.print_exc()
            emit("error", text=f"{type(error).__name__}: {error}"[:300])

    def draws(self) -> Work:
        return Work(self.setup.options.get("service"), next(self.seeds))

    def request(self, work: Work, hold_s: float = 0.0) -> None:
        """One request: checkout, work, return."""
        pool = self.pool
        try:
            connection = self.adapter.acquire(pool)
        except Exhausted:
            if not self.told_exhausted:
                self.told_exhausted = True
                emit("exhausted", at_us=time.time_ns() // 1000)
            return
        try:
            self.adapter.work(connection, work.draw())
            time.sleep(hold_s)
        finally:
            self.adapter.release(pool, connection)

    def worker(self, pace_s: float, until_s: float | None = None, hold_s: float = 0.0) -> None:
        work, dice = self.draws(), random.Random(next(self.seeds))
        while until_s is None or time.monotonic() - self.begin < until_s:
            self.working.wait()
            self.request(work, hold_s)
            time.sleep(pace_s * dice.uniform(0.5, 1.5))

    def workers(self, number: int | None = None, until_s: float | None = None) -> None:
        for _ in range(self.setup.workers if number is None else number):
            self.thread(self.worker, self.setup.pace_ms / 1000, until_s)

    def at_losses(self, lose: Any) -> None:
        """Calls a function with the number of each loss, at its time."""

        def losses() -> None:
            for number in range(self.setup.lose):
                due = self.begin + self.setup.first_loss_s + number * self.setup.loss_every_s
                time.sleep(max(0.0, due - time.monotonic()))
                self.guarded(lose, number)

        self.thread(losses)

    def fill(self) -> None:
        """Uses the whole pool for five seconds."""
        for _ in range(self.setup.size):
            self.thread(self.worker, 0.3, time.monotonic() - self.begin + 5, 0.3)

    # Healthy behaviours.

    def steady(self) -> None:
        self.workers()

    validated = refill = prefork = half_dead = steady

    def burst(self) -> None:
        self.fill()
        self.workers()

    keepalive = burst

    def bursts(self) -> None:
        def repeat() -> None:
            while True:
                self.fill()
                time.sleep(self.setup.period_s)

        self.thread(repeat)
        self.workers(1)

    def hold_s(self) -> float:
        return self.setup.options.get("hold_ms", 300) / 1000

    def ebb(self) -> None:
        """Workers end one by one until a fast and a slow one are left; the sessions stay in the pool."""
        setup = self.setup
        slow = setup.options.get("slow", 1)
        pace_s, slow_s = setup.pace_ms / 1000, setup.options.get("slow_ms", 14_000) / 1000
        for stays_s in (pace_s, slow_s):
            self.thread(self.worker, stays_s, None, self.hold_s())
        for number, leaves_s in enumerate([pace_s] * (setup.workers - slow - 1) + [slow_s] * (slow - 1)):
            until_s = setup.first_loss_s + number * setup.loss_every_s
            self.thread(self.worker, leaves_s, until_s, self.hold_s())

    def uneven(self) -> None:
        for number in range(self.setup.workers):
            self.thread(self.worker, UNEVEN_S[number % len(UNEVEN_S)], None, self.hold_s())

    def standby(self) -> None:
        pool = self.pool
        connection = self.adapter.acquire(pool)
        self.adapter.execute(connection, "SELECT 1")
        self.adapter.release(pool, connection)

    def drain(self) -> None:
        self.workers(until_s=self.setup.period_s)

    def rare(self) -> None:
        """Workers with a connection of their own, each of which works once in a period."""

        def worker(number: int) -> None:
            work, dice = self.draws(), random.Random(next(self.seeds))
            connection = self.adapter.connect()
            self.kept.append(connection)
            self.adapter.work(connection, work.draw())
            time.sleep(self.setup.period_s * number / self.setup.workers)
            while True:
                self.adapter.work(connection, work.draw())
                time.sleep(self.setup.period_s * dice.uniform(0.9, 1.1))

        for number in range(self.setup.workers):
            self.thread(worker, number)

    def cron(self) -> None:
        def job() -> None:
            work = self.draws()
            while True:
                connection = self.adapter.connect()
                for _ in range(self.setup.options.get("steps", 4)):
                    self.adapter.work(connection, work.draw())
                    time.sleep(0.4)
                self.adapter.close(connection)
                del connection
                time.sleep(self.setup.period_s)

        self.thread(job)

    def batch(self) -> None:
        def job() -> None:
            work, dice = self.draws(), random.Random(next(self.seeds))
            pool = self.pool
            connection = self.adapter.acquire(pool)
            while True:
                self.adapter.begin(connection, work.draw()[:1])
                time.sleep(dice.uniform(0.5, 2.0))

        self.thread(job)
        self.workers()

    def with_special(self, sql: str) -> None:
        """A session for one purpose, which is kept in reach and closed at the end of the program."""
        pool = self.pool
        connection = self.adapter.acquire(pool)
        self.adapter.execute(connection, sql)
        self.kept.append(connection)
        self.workers()

    def listener(self) -> None:
        self.with_special("LISTEN changes")

    def leader(self) -> None:
        self.with_special("SELECT pg_advisory_lock(4711)")

    def streaming(self) -> None:
        def stream() -> None:
            while True:
                pool = self.pool
                connection = self.adapter.acquire(pool)
                result = self.adapter.leave_result(connection)
                time.sleep(6)
                self.adapter.finish_result(connection, result)
                self.adapter.release(pool, connection)
                time.sleep(4)

        self.thread(stream)
        self.workers()

    def collected(self) -> None:
        """Connections are not returned but dropped, and the library's finalizer returns or closes them."""

        def careless() -> None:
            work = self.draws()
            while True:
                connection = self.adapter.acquire(self.pool)
                self.adapter.work(connection, work.draw())
                del connection
                time.sleep(5)

        self.thread(careless)
        self.workers()

    # Leaks.

    def take(self, in_transaction: bool) -> Any:
        """Checks out a session and works with it; reports nothing."""
        connection = self.adapter.acquire(self.pool)
        self.kept.append(connection)
        identity = self.adapter.identity(connection)
        if in_transaction:
            if self.setup.mode == "bouncer-transaction":
                identity = {"pid": self.adapter.server_pid(connection)}
            self.adapter.begin(connection, self.draws().draw())
        else:
            self.adapter.work(connection, self.draws().draw())
        return connection, identity

    def lost_checkout(self) -> None:
        def lose(_number: int) -> None:
            _, identity = self.take(False)
            lost(identity, "checkout never returned")

        self.burst()
        self.at_losses(lose)

    def exhausted(self) -> None:
        def lose(_number: int) -> None:
            _, identity = self.take(False)
            lost(identity, "checkout never returned, until none was left")

        self.workers()
        self.at_losses(lose)

    def lost_transaction(self) -> None:
        def lose(_number: int) -> None:
            _, identity = self.take(True)
            lost(identity, "transaction left open")

        self.workers()
        self.at_losses(lose)

    def lost_result(self) -> None:
        def lose(_number: int) -> None:
            connection = self.adapter.acquire(self.pool)
            identity = self.adapter.identity(connection)
            if self.setup.mode == "bouncer-transaction":
                identity = {"pid": self.adapter.server_pid(connection)}
            self.kept += [connection, self.adapter.leave_result(connection)]
            lost(identity, "result neither read to its end nor closed")

        self.workers()
        self.at_losses(lose)

    def lost_task(self) -> None:
        """A thread waits for ever for something else, with the session in its hands."""

        def lose(number: int) -> None:
            _, identity = self.take(number % 2 == 1)
            lost(identity, "thread blocks for ever")
            threading.Event().wait()

        self.workers()
        self.at_losses(lambda number: self.thread(lose, number))

    def lost_prepared(self) -> None:
        def lose(_number: int) -> None:
            connection = self.adapter.acquire(self.pool)
            self.kept.append(connection)
            identity = self.adapter.identity(connection)
            self.adapter.execute(connection, "SET statement_timeout = '30s'")
            lost(identity, "taken out of the pool for a special purpose")

        self.workers()
        self.at_losses(lose)

    def global_(self) -> None:
        for _ in range(self.setup.lose):
            connection = self.adapter.connect()
            self.kept.append(connection)
            identity = self.adapter.identity(connection)
            self.adapter.work(connection, self.draws().draw())
            lost(identity, "connection of the start-up kept in a global")
        self.workers()

    def pool_reload(self) -> None:
        """Replaces the pool without closing the old one, as often as one loses sessions."""

        def lose(_number: int) -> None:
            self.working.clear()
            time.sleep(0.5)
            old = self.pool
            self.kept.append(old)
            self.pool = self.adapter.open(self.setup.size)
            for identity in old.opened:
                lost(identity, "pool replaced without closing it")
            self.working.set()

        self.burst()
        self.at_losses(lose)

    def pool_per_request(self) -> None:
        def lose(_number: int) -> None:
            pool = self.adapter.open(self.setup.options.get("request_size", 1))
            self.kept.append(pool)
            for _ in range(2):
                connection = self.adapter.acquire(pool)
                self.adapter.work(connection, self.draws().draw())
                self.adapter.release(pool, connection)
                time.sleep(0.2)
            for identity in pool.opened:
                lost(identity, "pool of one request forgotten")

        self.workers()
        self.at_losses(lose)


setattr(Application, "global", Application.global_)

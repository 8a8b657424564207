"""One private server for all tests; a database of its own for each that wants one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from cluster import Cluster, Database, PgBouncer, scratch

from archon_pool import ConnectionPool

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with scratch() as folder:
        inner = folder / "cluster"
        inner.mkdir(mode=0o700)
        server = Cluster(inner)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    name = f"shop_{next(_NUMBERS)}"
    with cluster.connect("postgres") as session:
        session.execute(f"CREATE DATABASE {name}")
    made = Database(cluster, name)
    try:
        yield made
    finally:
        made.close()
        with cluster.connect("postgres") as session:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def bouncer(cluster: Cluster) -> Iterator[PgBouncer]:
    with scratch() as folder:
        inner = folder / "pgbouncer"
        inner.mkdir(mode=0o700)
        pooler = PgBouncer(cluster, inner)
        try:
            yield pooler
        finally:
            pooler.stop()


@pytest.fixture
def pool(database: Database) -> Iterator[ConnectionPool]:
    """A host whose default credential leads to the test's own database."""
    with ConnectionPool(credentials={"default": database.url}, environment=False) as made:
        yield made

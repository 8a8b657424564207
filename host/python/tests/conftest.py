"""One private server for all tests; a database of its own for each that wants one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, Database, PgBouncer, scratch

from archon_pool import ConnectionPool

_NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the caps of the tests out of the user's own hour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


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


@pytest.fixture(scope="session")
def components() -> Path:
    """All of what `archon-pool components` wrote; the package has only what it uses."""
    folder = os.environ.get("ARCHON_POOL_COMPONENTS")
    assert folder, "ARCHON_POOL_COMPONENTS is not set: run `make test-python`"
    return Path(folder)


@pytest.fixture
def pool(database: Database) -> Iterator[ConnectionPool]:
    """A host whose default credential leads to the test's own database."""
    with ConnectionPool(credentials={"default": database.url}, environment=False) as made:
        yield made

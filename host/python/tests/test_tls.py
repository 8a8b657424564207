"""The sslmodes are libpq's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cluster import Cluster, scratch

from archon_pool import ConnectionPool


@pytest.fixture(scope="module")
def authority() -> Iterator[tuple[Path, Path, Path]]:
    """A certificate that is its own authority, for the name `localhost`; its key; and another authority."""
    with scratch() as folder:
        files = [folder / name for name in ("server.crt", "server.key", "other.crt", "other.key")]
        for certificate, key, name in ((*files[:2], "localhost"), (*files[2:], "other")):
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
            command += ["-out", str(certificate), "-keyout", str(key)]
            subprocess.run(command, check=True, capture_output=True)
        yield files[0], files[1], files[2]


@pytest.fixture(scope="module")
def encrypted(authority: tuple[Path, Path, Path]) -> Iterator[Cluster]:
    with scratch() as folder:
        inner = folder / "cluster"
        inner.mkdir(mode=0o700)
        server = Cluster(inner)
        server.encrypt(*authority[:2])
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("host", "parameters", "kind"),
    [
        ("127.0.0.1", "sslmode=disable", "tls-failed"),
        ("127.0.0.1", "", None),
        ("127.0.0.1", "sslmode=require", None),
        ("127.0.0.1", "sslmode=require&sslrootcert={other}", "tls-failed"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert={own}", None),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert={other}", "tls-failed"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={own}", "tls-failed"),
        ("localhost", "sslmode=verify-full&sslrootcert={own}", None),
        ("localhost", "sslmode=verify-full", "tls-failed"),
    ],
)
def test_each_mode_checks_as_much_as_it_says(
    encrypted: Cluster, authority: tuple[Path, Path, Path], host: str, parameters: str, kind: str | None
) -> None:
    url = encrypted.url("postgres").replace("127.0.0.1", host)
    own_one, _, other = authority
    url += "?" + parameters.format(own=own_one, other=other)
    with ConnectionPool(credentials={"default": url}, environment=False, retries=0) as pool:
        output = pool.run({"action": "monitor", "options": {"sampleMs": 0}})
    error = cast(Any, output).get("error")
    assert (None if output["success"] else error["kind"]) == kind, error

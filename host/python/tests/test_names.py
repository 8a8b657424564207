"""Names are compared as the server keeps them, and what cannot mean what it says is refused."""

from __future__ import annotations

import re
from typing import Any, cast

import psycopg
import pytest
from cluster import Database
from lending import cases, lent, opened, orders

from archon_pool import ConnectionPool, FaultError, Policy, SkillInput
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.names import application_glob, kept, role_glob

LONG = "x" * 63


@pytest.mark.parametrize(
    ("name", "expected"),
    [("shop", "shop"), ("x" * 70, LONG), ("x" * 62 + "é", "x" * 62), ("é" * 40, "é" * 31), ("日" * 22, "日" * 21)],
)
def test_a_name_is_cut_between_two_letters(name: str, expected: str) -> None:
    assert kept(name) == expected


@pytest.mark.parametrize("setting", ["protected_roles", "protected_applications"])
@pytest.mark.parametrize("glob", ["x" * 64, "é" * 32, "x" * 64 + "*", "*" + "x" * 64])
def test_a_policy_s_name_that_no_server_keeps_is_refused(setting: str, glob: str) -> None:
    with pytest.raises(FaultError, match=f"policy {setting}: .*longer than the 63 bytes"):
        Policy(**cast(Any, {setting: (glob,)}))
    Policy(**cast(Any, {setting: ("x" * 63, "*" * 100, "é" * 31)}))


def test_a_policy_s_names_are_a_tuple() -> None:
    with pytest.raises(FaultError, match="must be a tuple of patterns"):
        Policy(protected_roles=cast(Any, "billing"))


@pytest.mark.parametrize(
    ("glob", "shown"),
    [
        ("billing*", "billing*"),
        ("caf\xe9", "caf*"),
        ("\xe9" * 16, "*" * 7 + "*"),
        (LONG, LONG),
        ("tab\there", "tab*here"),
    ],
)
def test_an_application_s_other_letters_are_left_open(glob: str, shown: str) -> None:
    assert application_glob(glob) == shown
    assert role_glob("caf\xe9") == "caf*"


@pytest.mark.parametrize("application", ["caf\xe9 " * 12, "y" * 63, "y" * 70, "d\xe9j\xe0 vu", "\xe9" * 31])
def test_a_protected_application_is_recognised_however_the_server_cut_it(database: Database, application: str) -> None:
    pids = database.leak(1, application)
    database.leak(1)
    name = kept(application)
    with lent(database.url, policy=Policy(protected_applications=(name,))) as live:
        (outcome,) = live.deliver(opened(live), orders(database, pids), False)
    # A name of nothing but other letters leaves everything open, and so protects everything.
    assert outcome.case == "denied" and ("is protected" in str(outcome.why) or "0 killable" in str(outcome.why))
    assert database.alive(pids) == pids


def test_a_role_of_63_bytes_is_protected_by_its_name(database: Database) -> None:
    role = f"{database.name}_{'r' * 63}"[:63]
    with database.cluster.connect("postgres") as session:
        session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'tell-nobody-4f81c7'")
    pids = database.leak(1, user=role)
    try:
        with lent(database.url, policy=Policy(protected_roles=(role,))) as live:
            assert cases(live.deliver(opened(live), orders(database, pids), False)) == ["denied"]
    finally:
        database.close()
        with database.cluster.connect("postgres") as session:
            session.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("slip", ["shop&password=hunter2", "shop;password=hunter2", "password=hunter2", "shop@hunter2"])
def test_a_slip_in_a_database_s_name_is_refused_before_anything_repeats_it(
    slip: str, caplog: pytest.LogCaptureFixture
) -> None:
    for url in (
        f"postgres://ann@127.0.0.1:1/{slip}",
        f"jdbc:postgresql://127.0.0.1:1/{slip}",
        f"jdbc:postgresql:{slip}",
    ):
        with caplog.at_level("INFO"), ConnectionPool(environment=False, retries=0) as pool:
            output: Any = pool.run(cast(SkillInput, {"action": "monitor", "supabaseUrl": url}))
        assert output["error"]["kind"] == "credential-invalid", url
        assert "hunter2" not in str(output) + caplog.text


def test_a_name_that_is_meant_so_is_encoded() -> None:
    assert resolve(parts("postgres://ann@h/a%26b%3Bc%3Dd%40e"), OPERATOR).database == "a&b;c=d@e"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "passwd", "pwd", "pass", "passphrase", "secret", "clientSecret", "client_secret", "token"),
        *("accessToken", "refresh-token", "AUTH_TOKEN", "bearer", "apiKey", "api_key", "PrivateKey", "dsn"),
        *("databaseUrl", "DATABASE_URL", "connectionString", "connection_uri", "conninfo", "PGPASSWORD"),
    ],
)
def test_a_secret_s_name_anywhere_in_a_request_is_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    holders: list[Any] = [
        {name: "hunter2"},
        {"options": {name: "hunter2"}},
        {"options": {"include": [{name: "hunter2"}]}},
    ]
    with caplog.at_level("INFO"), ConnectionPool(environment=False, retries=0) as pool:
        for request in holders:
            output: Any = pool.run(request)
            assert output["error"]["kind"] == "secret-in-params", request
            assert "hunter2" not in str(output) + caplog.text


def test_the_server_cuts_an_application_s_name_as_it_is_assumed_here(database: Database) -> None:
    with psycopg.connect(database.url, application_name="\xe9" * 40) as session:
        (shown,) = cast(Any, session.execute("SELECT current_setting('application_name')").fetchone())
    assert len(shown) <= 63 and re.fullmatch(application_glob("\xe9" * 31).replace("*", ".*"), shown)

"""Where credentials come from, and what of them is ever said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from cluster import PASSWORD, Database

from archon_pool import ConnectionPool, FaultError
from archon_pool.connection_config import OPERATOR, REQUEST, parts, resolve
from archon_pool.credentials import CredentialScope, Vault
from archon_pool.log import LOGGER, Log
from archon_pool.supabase import access

PROJECT = "https://abcdefghijklmnopqrst.supabase.co"
_VARIABLES = ("DATABASE_URL", "SUPABASE_DB_URL", "SUPABASE_URL", "SUPABASE_KEY", "PGHOST", "PGSERVICE", "PGBOUNCER_URL")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


def default(vault: Vault) -> Any:
    return CredentialScope(vault, None, None, None).lookup(None)


def test_without_credentials_every_place_that_was_tried_is_named() -> None:
    with ConnectionPool() as pool:
        error = cast(Any, pool.run({"action": "monitor"}))["error"]
    assert error["kind"] == "credentials-not-found"
    assert error["message"].startswith("Supabase credentials not found; tried: request (supabaseUrl, supabaseKey)")
    for name in _VARIABLES[:6]:
        assert name in error["message"]


def test_the_environment_is_enough(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_DB_URL", database.url)
    with ConnectionPool() as pool:
        assert pool.run({"action": "monitor", "options": {"sampleMs": 0}})["success"]


def test_a_request_s_own_credentials_come_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u@nowhere.invalid/d")
    url = database.url.replace(f":{PASSWORD}", "")
    params: Any = {"action": "monitor", "options": {"sampleMs": 0}, "supabaseUrl": url, "supabaseKey": PASSWORD}
    with ConnectionPool(credentials={"default": "postgres://u@nowhere.invalid/d"}) as pool:
        assert pool.run(params)["success"]


def test_the_vault_comes_before_the_environment_and_has_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u@environment/d")
    vault = Vault({"default": "postgres://u@vault/d", "reports": {"url": PROJECT, "key": "hunter2"}})
    assert default(vault).target.first.host == "vault"
    assert (
        CredentialScope(vault, None, None, "reports").lookup("reports").target.first.host
        == "db.abcdefghijklmnopqrst.supabase.co"
    )
    assert CredentialScope(vault, None, None, "environment").lookup(None).target.first.host == "environment"
    with pytest.raises(FaultError, match="under the name 'other'"):
        CredentialScope(vault, None, None, "other").lookup(None)
    assert "hunter2" not in repr(vault)


def test_a_component_gets_no_other_credential_than_the_call_s() -> None:
    vault = Vault({"default": "postgres://u@one/d", "other": "postgres://u@two/d"})
    with pytest.raises(FaultError, match="credential 'other' is not granted to this call"):
        CredentialScope(vault, None, None, None).lookup("other")
    with pytest.raises(FaultError, match="that is no plain name is not granted"):
        CredentialScope(vault, None, None, None).lookup("postgres://u:hunter2@h/d")


def test_the_order_of_the_environment_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", PROJECT)
    monkeypatch.setenv("SUPABASE_KEY", "hunter2")
    assert default(Vault()).target.first.host == "db.abcdefghijklmnopqrst.supabase.co"
    monkeypatch.setenv("SUPABASE_DB_URL", "postgres://u@two/d")
    assert default(Vault()).target.first.host == "two"
    monkeypatch.setenv("DATABASE_URL", "postgres://u@one/d")
    assert default(Vault()).target.first.host == "one"
    monkeypatch.setenv("PGBOUNCER_URL", "postgres://u:x@h/pgbouncer")
    assert default(Vault()).console.database == "pgbouncer"
    monkeypatch.setenv("DATABASE_URL", "mysql://u:hunter2@h/d")
    with pytest.raises(FaultError, match="DATABASE_URL: ") as raised:
        default(Vault())
    assert "hunter2" not in str(raised.value)
    with pytest.raises(FaultError, match="environment \\(not consulted\\)"):
        default(Vault(environment=False))


def test_a_project_and_its_password() -> None:
    target = access(PROJECT, "hunter2", REQUEST)
    assert (str(target), target.user, target.sslmode) == (
        "db.abcdefghijklmnopqrst.supabase.co:5432",
        "postgres",
        "require",
    )


@pytest.mark.parametrize("key", ["eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "sb_secret_abc", "sb_publishable_abc"])
def test_a_service_key_alone_is_told_what_is_missing(key: str) -> None:
    with pytest.raises(FaultError, match="the database password is needed") as raised:
        access(PROJECT, key, REQUEST)
    assert raised.value.fault.kind == "credential-invalid" and key not in str(raised.value)
    assert access(PROJECT, "eyJust-a-password", REQUEST).first.password == "eyJust-a-password"


def test_an_access_token_is_for_the_rust_host() -> None:
    with pytest.raises(FaultError, match="only the Rust host") as raised:
        access(PROJECT, "sbp_abc", REQUEST)
    assert "sbp_abc" not in str(raised.value)


@pytest.mark.parametrize(
    "params",
    [
        {"options": {"supabaseKey": "hunter2"}},
        {"options": {"include": {"roles": ["postgres://u:hunter2@h/d"]}}},
        {"SUPABASE_KEY": "hunter2"},
        {"password": "hunter2"},
        {"credential": "postgres://u:hunter2@h/d"},
        {"action": " postgresql://u:hunter2@h/d"},
        {"action": "postgresql+asyncpg://u:hunter2@h/d"},
        {"action": "host=h password=hunter2"},
        {"postgres://u:hunter2@h/d": 1},
    ],
)
def test_a_secret_in_another_place_does_not_reach_the_component(params: Mapping[str, Any]) -> None:
    with ConnectionPool() as pool:
        error = cast(Any, pool.execute(cast(Any, params)))["error"]
    assert error["kind"] == "secret-in-params" and "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"supabaseUrl": 7}, "invalid-params"),
        ({"supabaseKey": "x"}, "credential-invalid"),
        ({"supabaseUrl": PROJECT, "supabaseKey": "x", "credential": "other"}, "invalid-params"),
        ({"action": float("nan")}, "invalid-params"),
        ({"action": object()}, "invalid-params"),
        ([], "invalid-params"),
        ({"surprise": 1}, "invalid-params"),
        ({"options": {"idleTimeoutMs": 1}}, "invalid-params"),
    ],
)
def test_what_is_no_request_is_refused(params: Any, kind: str, database: Database) -> None:
    with ConnectionPool(credentials={"default": database.url}) as pool:
        output = cast(Any, pool.run(params))
    assert (output["success"], output["error"]["kind"]) == (False, kind)


def test_a_password_shows_in_no_representation() -> None:
    target = resolve(parts("postgres://ann:hunter2@h/d?options=hunter3"), OPERATOR)
    assert "hunter" not in repr(target) + str(target)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:hunter2@h:1/d", "h"),
        ("postgres://u:hunter2@[::1]/d", "::1"),
        ("postgres://u:hunter2/x@h/d", "unreadable"),
        ("postgres://u:p@hunter2/x@h/d", "unreadable"),
        ("postgres://u:p@hunter2?x@h,h2:1/d", "h,h2"),
        ("host=h password=x://hunter2", "h"),
        ("password=x://hunter2", "unreadable"),
        (f"{PROJECT}/hunter2", "abcdefghijklmnopqrst.supabase.co"),
        ("https://hunter2@h", "unreadable"),
        ("https://h/hunter2@x", "unreadable"),
        ("hunter2", "unreadable"),
    ],
)
def test_a_log_line_tells_the_host_of_a_url_and_no_other_piece_of_it(
    url: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", LOGGER):
        Log(frozenset(["monitor"])).started({"action": "monitor", "supabaseUrl": url})
    assert f'"url":"{shown}"' in caplog.messages[0] and "hunter2" not in caplog.text

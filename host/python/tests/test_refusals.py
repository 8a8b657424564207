"""Refusals at login have the kinds of `tests/conformance/refusals.json`, by SQLSTATE and by words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from scripted import authentication, refusal, scripted

from archon_pool import ConnectionPool
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.messages import ServerError
from archon_pool.refusal import classify, is_about_options
from archon_pool.server_error import Refusal, said_by_server

_TABLE: Any = json.loads((Path(__file__).parents[3] / "tests" / "conformance" / "refusals.json").read_text("utf-8"))
TABLE = [case for case in _TABLE if "at" not in case]
TARGET = resolve(parts("postgres://ann@h/shop"), OPERATOR)


def refused(says: Any, encoding: str = "utf-8") -> Any:
    """The fault of a call whose server says this at login."""
    with scripted(lambda client: client.send(refusal(**says, encoding=encoding))) as server:
        url = f"postgres://ann:hunter2@127.0.0.1:{server.port}/shop?sslmode=disable"
        with ConnectionPool(credentials={"default": url}, environment=False, retries=0) as pool:
            output = cast(Any, pool.run({"action": "monitor"}))
    assert not output["success"]
    return output["error"]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: f"{case['who']}: {case['says']['message'][:50]}")
def test_each_refusal_has_the_kind_of_every_host(case: Any) -> None:
    says = case["says"]
    reason = classify(says["sqlstate"], says["message"], tls_tried=case.get("tls") == "tried")
    assert (reason.kind, reason.retryable) == (case["kind"], case["retryable"])
    error = ServerError(says["message"].encode(), says["sqlstate"], is_fatal=True)
    assert Refusal.of_server(error) == Refusal(says["message"], says["sqlstate"])


@pytest.mark.parametrize("case", [case for case in _TABLE if "at" in case], ids=lambda case: case["says"]["message"])
def test_what_poolers_say_to_a_statement_has_the_kind_of_every_host(case: Any) -> None:
    says = case["says"]
    fault = said_by_server(says["sqlstate"], says["severity"] == "FATAL", says["message"])
    assert (fault.kind, fault.retryable) == (case["kind"], case["retryable"])


@pytest.mark.parametrize("who", sorted({case["who"] for case in TABLE}))
def test_a_refusal_comes_over_the_wire_with_its_sqlstate(who: str) -> None:
    case = next(case for case in TABLE if case["who"] == who)
    error = refused({"severity": "FATAL", "sqlstate": case["says"]["sqlstate"], "said": case["says"]["message"]})
    assert (error["kind"], error["retryable"], error["sqlstate"]) == (
        case["kind"],
        case["retryable"],
        case["says"]["sqlstate"],
    )
    assert "hunter2" not in str(error)


def test_another_language_and_encoding_keeps_the_kind() -> None:
    says = {"severity": "FATAL", "sqlstate": "28P01", "said": "l'authentification par mot de passe a échoué"}
    error = refused(says, "latin-1")
    assert error["kind"] == "authentication-failed" and "a \ufffdchou\ufffd" in error["message"]


def test_no_refusal_is_a_failed_query() -> None:
    for sqlstate in ("08P01", "XX000", "58000", "22000", "0A000", "57014", None):
        assert classify(sqlstate, "something new").kind != "query-failed"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("sorry, too many clients already", "too-many-connections"),
        ('database "shop" does not exist', "database-not-found"),
        ('password authentication failed for user "ann"', "authentication-failed"),
        ('role "ann" does not exist', "authentication-failed"),
        ('no pg_hba.conf entry for host "::1", user "ann", database "shop", no encryption', "tls-failed"),
        ("the database system is starting up", "server-unreachable"),
        ("something new", "server-unreachable"),
    ],
)
def test_words_are_enough_where_a_pooler_sends_no_sqlstate(said: str, kind: str) -> None:
    assert Refusal.of_server(ServerError(said.encode())).fault(TARGET).kind == kind


def test_the_most_telling_of_several_attempts_is_told() -> None:
    wrong, unencrypted = Refusal("wrong", "28P01"), Refusal("no pg_hba.conf entry for host, no encryption", "28000")
    encrypted = Refusal("no pg_hba.conf entry for host, SSL encryption", "28000")
    gone = Refusal("Connection refused", kind="server-unreachable")
    # `prefer` tries TLS first and `allow` last: neither attempt hides the other.
    for attempts in ([wrong, unencrypted], [unencrypted, wrong]):
        assert Refusal.most_telling(attempts) == wrong
    assert Refusal.most_telling([encrypted, unencrypted]).fault(TARGET).kind == "authentication-failed"
    assert Refusal.most_telling([gone, unencrypted]).fault(TARGET).kind == "tls-failed"
    # The message has the cause of the TLS failure, and no advice to require TLS.
    handshake = Refusal("no protocols available", kind="tls-failed")
    told = Refusal.most_telling([handshake, unencrypted]).fault(TARGET)
    assert told.kind == "tls-failed" and "no protocols available" in told.message and "require" not in told.message


def test_a_refusal_where_tls_was_tried_is_none_for_want_of_it() -> None:
    said = 'no pg_hba.conf entry for host "10.0.0.7", user "ann", database "shop", no encryption'
    for sslmode, kind in (
        ("prefer", "authentication-failed"),
        ("allow", "authentication-failed"),
        ("disable", "tls-failed"),
    ):
        with scripted(lambda client: client.send(refusal("FATAL", "28000", said))) as server:
            url = f"postgres://ann:hunter2@127.0.0.1:{server.port}/shop?sslmode={sslmode}"
            with ConnectionPool(credentials={"default": url}, environment=False, retries=0) as pool:
                error = cast(Any, pool.run({"action": "monitor"}))["error"]
        assert error["kind"] == kind and ("sslmode=require" in error["message"]) == (sslmode == "disable")
        assert error["message"].count("no pg_hba.conf entry") == 1


@pytest.mark.parametrize(
    ("sqlstate", "said", "about"),
    [
        ("08P01", "unsupported startup parameter in options: lock_timeout", True),
        ("08P01", "unsupported startup parameter: options", True),
        ("0A000", "Feature not supported: RDS Proxy currently doesn't support the option search_path.", True),
        ("08P01", "invalid startup packet", True),
        ("08P01", "no such database: shop", False),
        ("08P01", "no more connections allowed (max_client_conn)", False),
        ("28P01", 'password authentication failed for user "options"', False),
    ],
)
def test_only_a_refusal_about_options_is_read_as_one(sqlstate: str, said: str, about: bool) -> None:
    assert is_about_options(sqlstate, said) is about


def test_a_pass_file_that_does_not_count_is_told_where_a_password_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    file.write_text("*:*:*:*:hunter2\n")
    file.chmod(0o644)
    with scripted(lambda client: client.send(authentication(3))) as server:
        url = f"postgres://ann@127.0.0.1:{server.port}/shop?sslmode=disable&passfile={file}"
        with ConnectionPool(credentials={"default": url}, environment=False, retries=0) as pool:
            error = cast(Any, pool.run({"action": "monitor"}))["error"]
    assert error["kind"] == "authentication-failed" and "hunter2" not in str(error)
    assert str(file) in error["message"] and "chmod 600" in error["message"]

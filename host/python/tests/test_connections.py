"""Connection texts, the environment and files resolve to what `tests/conformance/connections.json` says."""

from __future__ import annotations

import json
import os
import socket
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archon_pool import ConnectionPool, FaultError, Limits
from archon_pool.connection_config import OPERATOR, Target, ambient, holds_connection_text, parts, resolve
from archon_pool.credentials import CredentialScope, Vault

TABLE: Any = json.loads(
    (Path(__file__).parents[3] / "tests" / "conformance" / "connections.json").read_text("utf-8"),
)

_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("sslrootcert", "sslcert", "sslkey", "sslMaxProtocolVersion", "connectTimeoutMs", "options")),
    "requireAuth": None,
    "channelBinding": "prefer",
    "targetSessionAttrs": "any",
    "sslNegotiation": "postgres",
    "sslMinProtocolVersion": "TLSv1.2",
    "notes": [],
}


@pytest.mark.parametrize("row", TABLE["rows"], ids=lambda row: row["id"])
def test_each_row_resolves_as_in_every_host(row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = json.loads(json.dumps(row).replace("{home}", str(tmp_path)))
    for file in row.get("files", ()):
        path = tmp_path / file["path"].replace("~/", "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file["text"].encode())
        path.chmod(int(file.get("mode", "0600"), 8))
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in {"HOME": str(tmp_path), **row.get("environment", {})}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ambient, "_os_user", lambda: TABLE["osUser"])
    if "fault" in row:
        with pytest.raises(FaultError) as raised:
            resolved(row)
        fault = raised.value.fault
        assert fault.kind == row["fault"]["kind"]
        for word in row["fault"]["words"]:
            assert word in fault.message
        for secret in row["fault"].get("without", ()):
            assert secret not in str(raised.value)
    else:
        expected = {**_DEFAULTS, **row["out"]}
        expected.setdefault("passwords", [expected.pop("password", None)] * len(expected["hosts"]))
        expected.pop("password", None)
        assert told(resolved(row)) == expected


def resolved(row: Any) -> Target:
    url, key = row.get("url"), row.get("key")
    if row.get("request"):
        return CredentialScope(Vault(), url, key, None).lookup(None).target
    vault = Vault() if url is None else Vault({"default": {"url": url, "key": key}})
    return CredentialScope(vault, None, None, None).lookup(None).target


def told(target: Target) -> dict[str, Any]:
    return {
        "hosts": [[each.host, each.port, *([each.address] if each.address else [])] for each in target.hosts],
        "passwords": [each.password for each in target.hosts],
        "user": target.user,
        "database": target.database,
        "sslmode": target.sslmode,
        "sslrootcert": target.sslrootcert,
        "sslcert": target.sslcert,
        "sslkey": target.sslkey,
        "sslMinProtocolVersion": target.ssl_min_protocol_version,
        "sslMaxProtocolVersion": target.ssl_max_protocol_version,
        "sslNegotiation": target.sslnegotiation,
        "channelBinding": target.channel_binding,
        "requireAuth": None if target.require_auth is None else list(target.require_auth),
        "targetSessionAttrs": target.target_session_attrs,
        "connectTimeoutMs": target.connect_timeout_s * 1_000 if target.connect_timeout_s else None,
        "options": target.options,
        "notes": list(target.notes),
    }


def test_a_list_of_hosts_is_shown_without_user_or_password() -> None:
    target = resolve(parts("postgres://ann:hunter2@h1,h2:2/d?options=hunter3"), OPERATOR)
    assert str(target) == "h1:5432,h2:2"
    assert "hunter" not in repr(target) + "".join(map(repr, target.each()))


def test_a_text_of_any_length_is_read_in_one_pass() -> None:
    assert parts("host=h " * 50_000).get("host") == "h"
    for text in ("postgres+" * 50_000, "a" * 400_000 + "=", "'" * 400_000, "host='" + "\\'" * 200_000):
        with pytest.raises(FaultError):
            parts(text)
        assert not holds_connection_text(text)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("postgres://u:\ud800hunter2@127.0.0.1:1/d", None),
        ("postgres://u@h/d?options=\udfff&password=hunter2", None),
        ("host=h user=u password=hunter2\udc80", None),
        ("postgres://u@h/d", "hunter2\ud800"),
        ("https://abcdefghijklmnopqrst.supabase.co", "hunter2\ud800"),
    ],
)
def test_a_lone_surrogate_is_a_fault_that_repeats_nothing(url: str, key: str | None) -> None:
    params: Any = {"action": "monitor", "supabaseUrl": url, "supabaseKey": key}
    with ConnectionPool(environment=False, retries=0) as pool:
        error: Any = pool.run(params)["error"]
    assert error["kind"] == "credential-invalid" and "lone surrogate" in error["message"]
    assert "hunter2" not in repr(error)


def test_a_variable_that_is_no_unicode_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2\udcff")
    with pytest.raises(FaultError, match="PGPASSWORD: the password holds a lone surrogate"):
        resolved({"url": "postgres://u@h/d"})


@pytest.mark.parametrize(
    "listed", ["postgres://u@{}/d", "postgres://u@/d?host={}", "host={} user=u", "hostaddr={} user=u"]
)
def test_no_more_hosts_are_taken_than_a_cluster_has(listed: str) -> None:
    one = "127.0.0.1" if listed.startswith("hostaddr") else "h"
    assert len(resolved({"url": listed.format(",".join([one] * 16))}).hosts) == 16
    for many in (17, 100_000):
        with pytest.raises(FaultError, match="at most 16 hosts may be named"):
            resolved({"url": listed.format(",".join([one] * many))})
    with pytest.raises(FaultError, match="at most 16 hosts may be named"):
        resolved({"url": "postgres://u@/d?" + "&".join(["host=h:1"] * 17)})


def test_the_zone_of_an_address_is_part_of_a_host() -> None:
    for zone in ("eth0", "br-lan", "eth0.100", "2"):
        assert resolved({"url": f"postgres://u@[fe80::1%25{zone}]/d"}).first.host == f"fe80::1%{zone}"
    for wrong in ("fe80::1%25", "fe80::1%25a%3Bb", "h%25eth0"):
        with pytest.raises(FaultError, match="the host holds one of"):
            resolved({"url": f"postgres://u@[{wrong}]/d"})


def test_a_home_that_is_not_absolute_has_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".pgpass").write_text("*:*:*:*:hunter2\n")
    (tmp_path / ".pgpass").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    for home, password in ((str(tmp_path), "hunter2"), (".", None)):
        monkeypatch.setenv("HOME", home)
        assert resolved({"url": "postgres://u@h/d"}).first.password == password


def test_names_of_a_silent_name_server_take_two_look_ups_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = list[str](), threading.Event()

    def silent(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        answered.wait()
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    quick = Limits(connect_timeout=timedelta(milliseconds=300))
    names = ",".join(f"h{place}.invalid" for place in range(16))
    try:
        with ConnectionPool(credentials={"default": f"postgres://u@{names}/d"}, limits=quick, retries=0) as pool:
            error: Any = pool.run({"action": "monitor"})["error"]
    finally:
        answered.set()
    assert error["kind"] == "server-unreachable" and len(asked) == 2, asked

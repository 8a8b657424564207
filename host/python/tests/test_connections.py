"""Connection texts, the environment and files resolve to what `tests/conformance/connections.json` says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from archon_pool import FaultError
from archon_pool.connection_config import OPERATOR, Target, ambient, holds_connection_text, parts, resolve
from archon_pool.credentials import Lent, Vault

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
        return Lent(Vault(), url, key, None).lookup(None).target
    vault = Vault() if url is None else Vault({"default": {"url": url, "key": key}})
    return Lent(vault, None, None, None).lookup(None).target


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

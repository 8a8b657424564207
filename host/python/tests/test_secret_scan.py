"""A secret in any field of a request but its own two never reaches a component; names and patterns do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from archon_pool import ConnectionPool
from archon_pool.secret_scan import holds_secret, is_secret

NAMES = [
    *("dbPassword", "db_password", "SUPABASE_DB_PASSWORD", "databasePassword", "POSTGRES_PASSWORD"),
    *("SUPABASE_SERVICE_ROLE_KEY", "serviceRoleKey", "SUPABASE_ANON_KEY", "anonKey", "jwt"),
    *("jwtSecret", "secretKey", "SECRET_ACCESS_KEY", "authorization", "x-api-key"),
    *("credentials", "apiToken", "idToken", "bearerToken", "personalAccessToken"),
    *("POSTGRES_URL", "connectionUrl", "connection_url", "sslpassword", "private_key_pem"),
    *("userPassphrase", "DATABASE_URL"),
]

CREDENTIALS = [
    *("https://u:hunter2@h/", "redis://:hunter2@h", "redis://u:hunter2@h", "x,https://u:hunter2@h/a@b"),
    *("postgres%3A%2F%2Fu%3Ahunter2%40h", "https%3A%2F%2Fu%3Ahunter2%40h", "u:hunter2@host/db", "u:hunter2@db.example"),
    *("u:hunter2@localhost", "u:hunter2@h:5432", "u:hunt@er2@10.0.0.1", "u:p@x:hunter2@h:1"),
    "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl",
    "the key is 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl'",
    *("sbp_" + "0123456789" * 4, "key=sbp_" + "0123456789" * 5),
    *(
        "Bearer hunter2",
        "authorization: bearer hunter2",
        "password: hunter2",
        "Password = hunter2",
        "PGPASSWORD=hunter2",
    ),
]

HARMLESS = [
    *("app:web@node", "app:web@node-1", "celery@worker.example", "puma: cluster worker 0: 12345 [shop]", "10.0.0.0/8"),
    *("fe80::1/64", "2001:db8::/32", "https://example.com/a@b.c", "https://user@example.com", "password_reset"),
    *("reset password:", "forgot your password?", "bearer", "sbp_reports", "eyJust.a.name", "eyJ.file", "100%"),
    *("order-service@2.1.0", "node:18", "%", "", "\ud800%ff", "a:@b.c", "billing*", "u:x@"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_holds_a_secret_word_is_a_secret_s(name: str) -> None:
    with ConnectionPool(environment=False, retries=0) as pool:
        params: Any = {"action": "monitor", "options": {name: "hunter2"}}
        error: Any = pool.run(params)["error"]
    assert error["kind"] == "secret-in-params" and "hunter2" not in repr(error)


@pytest.mark.parametrize("text", CREDENTIALS)
def test_a_credential_is_found_by_its_form(text: str) -> None:
    for value in (text, [text], {"include": {"applications": [text]}}, {text: 1}):
        assert holds_secret(value), value


@pytest.mark.parametrize("text", HARMLESS)
def test_names_and_patterns_are_no_secrets(text: str) -> None:
    assert not holds_secret({"include": {"applications": [text]}})


def test_no_name_of_the_contract_is_a_secret_s() -> None:
    with ConnectionPool(environment=False) as pool:
        names = list(_properties(pool.describe()["input"]))
    found = {name for name in names if is_secret(name, None)}
    assert len(names) > 20 and found == {"supabaseUrl", "supabaseKey"}


def _properties(schema: Any) -> Any:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from _properties(each)


@pytest.mark.parametrize("part", ["@", ":@", "://", "a:b@", "eyJ.", "sbp_", "password ", "bearer ", "%3A", "x"])
def test_a_text_of_any_length_is_scanned_in_one_pass(part: str) -> None:
    started = time.process_time()
    holds_secret(part * (500_000 // len(part)))
    assert time.process_time() - started < 3

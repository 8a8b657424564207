"""A secret in any field of a request but its own two never reaches a component; names and patterns do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from archon_pool import ConnectionPool
from archon_pool.secret_scan import holds_secret, is_secret

KIT: Any = json.loads((Path(__file__).parents[3] / "tests" / "conformance" / "secrets.json").read_text("utf-8"))


@pytest.mark.parametrize("name", KIT["names"])
def test_a_name_that_holds_a_secret_word_is_a_secret_s(name: str) -> None:
    with ConnectionPool(environment=False, retries=0) as pool:
        params: Any = {"action": "monitor", "options": {name: "hunter2"}}
        error: Any = pool.run(params)["error"]
    assert error["kind"] == "secret-in-params" and "hunter2" not in repr(error)


@pytest.mark.parametrize("name", KIT["plainNames"])
def test_another_name_is_no_secret_s(name: str) -> None:
    assert not holds_secret({name: 1})


@pytest.mark.parametrize("text", KIT["texts"])
def test_a_credential_is_found_by_its_form(text: str) -> None:
    for value in (text, [text], {"include": {"applications": [text]}}, {text: 1}):
        assert holds_secret(value), value


@pytest.mark.parametrize("text", [*KIT["plainTexts"], "\ud800%ff"])
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

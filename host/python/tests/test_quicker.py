"""The faster conversion of large answers works with this version of wasmtime, and changes no answer."""

from __future__ import annotations

from typing import Any

import pytest
from wasmtime.component import ListType, String

from archon_pool import quicker


def test_a_type_reads_its_cases_once() -> None:
    assert quicker.__doc__
    read: list[str] = []

    class Type:
        def cases(self) -> list[str]:
            read.append("cases")
            return ["null", "text"]

    once = quicker._once(Type.cases)
    one, other = Type(), Type()
    assert once(one) == once(one) == once(other) == ["null", "text"]
    assert len(read) == 2


def test_the_methods_that_are_remembered_are_those_of_the_package() -> None:
    for kind, name in quicker._PARTS:
        found = getattr(kind, name)
        method: Any = getattr(found, "fget", found)
        assert method.__qualname__.startswith("_once"), f"wasmtime has another {name} now: large answers will be slow"


def test_lists_and_texts_are_stored_at_once() -> None:
    lists: Any = ListType.convert_to_c
    assert lists.__qualname__.startswith("_at_once"), "wasmtime has other lists now: large answers will be slow"
    assert quicker.as_text("é".encode()) == "é".encode(), "wasmtime has other texts now: they will take more memory"


def test_with_another_version_texts_are_passed_as_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(String, "convert_to_c", lambda *_: None)
    assert quicker.as_text("é".encode()) == "é"

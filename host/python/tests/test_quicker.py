"""What makes large answers bearable is in place with this version of wasmtime."""

from __future__ import annotations

from typing import Any

from wasmtime.component import VariantType

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
    for name in ("_cases", "_tagged"):
        method: Any = getattr(VariantType, name)
        assert method.__qualname__.startswith("_once"), f"wasmtime has another {name} now: large answers will be slow"

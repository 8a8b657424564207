"""Row sets as components get them, by a component that returns what it got."""

from __future__ import annotations

import math
from typing import Any

import pytest
from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Variant

from archon_pool.linking import _row_set
from archon_pool.row_set import from_rows
from archon_pool.wire import Timestamp, Value

# Its types are those of wit/database.wit.
ECHO = """(component
  (import "it" (instance $it
    (type $texts-is (record (field "ends" (list u32)) (field "text" string)))
    (export "texts" (type $texts (eq $texts-is)))
    (type $byte-strings-is (record (field "ends" (list u32)) (field "bytes" (list u8))))
    (export "byte-strings" (type $byte-strings (eq $byte-strings-is)))
    (type $cells-is (variant (case "all-null") (case "booleans" (list u8)) (case "int64s" (list s64))
      (case "float64s" (list f64)) (case "texts" $texts) (case "byte-strings" $byte-strings)
      (case "timestamps" (list s64))))
    (export "cells" (type $cells (eq $cells-is)))
    (type $column-is (record (field "name" string) (field "type-oid" u32) (field "nulls" (list u8))
      (field "cells" $cells)))
    (export "column" (type $column (eq $column-is)))
    (type $set-is (record (field "columns" (list $column)) (field "count" u32) (field "truncated" bool)))
    (export "row-set" (type $set (eq $set-is)))
    (export "give" (func (result $set)))))
  (alias export $it "row-set" (type $set))
  (core module $c (memory (export "memory") 100)
    (global $end (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $end)
      (global.set $end (i32.and (i32.add (i32.add (global.get $end) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $c (instantiate $c))
  (core func $give (canon lower (func $it "give") (memory (core memory $c "memory"))
    (realloc (core func $c "realloc"))))
  (core module $m (import "" "give" (func $give (param i32)))
    (func (export "run") (result i32) (call $give (i32.const 16)) (i32.const 16)))
  (core instance $m (instantiate $m (with "" (instance (export "give" (func $give))))))
  (func (export "run") (result $set)
    (canon lift (core func $m "run") (memory (core memory $c "memory")))))"""


ENGINE = Engine()


@pytest.fixture(scope="module")
def echo() -> Component:
    return Component(ENGINE, ECHO)


def got(echo: Component, *columns: list[Value]) -> Any:
    """The row set of these columns, as the component has got it."""
    rows = [list(row) for row in zip(*columns)]
    given = _row_set(from_rows([(f"c{index}", index) for index in range(len(columns))], rows, truncated=True))
    store, linker = Store(ENGINE), Linker(ENGINE)
    with linker.root() as root, root.add_instance("it") as it:
        it.add_func("give", lambda _: given)
    instance = linker.instantiate(store, echo)
    index = instance.get_export_index(store, "run")
    assert index is not None
    run = instance.get_func(store, index)
    assert run is not None
    back: Any = run(store)
    linker.close()
    assert back.truncated is True
    assert [(column.name, getattr(column, "type-oid")) for column in back.columns] == [
        (f"c{index}", index) for index in range(len(columns))
    ]
    return back


def test_a_component_gets_columns_of_every_kind(echo: Component) -> None:
    times: list[Value] = [Timestamp(-(2**63)), Timestamp(2**63 - 1), None, Timestamp(0)]
    back = got(
        echo,
        [None, None, None, None],
        [True, None, False, True],
        [-(2**63), 2**63 - 1, None, -1],
        [0.1, -math.inf, None, -0.0],
        ["é", "", None, "a🐘"],
        [b"\0\xff", b"", b"a", b""],
        times,
    )
    assert back.count == 4
    nulls = [column.nulls for column in back.columns]
    assert nulls == [b"", b"\0\1\0\0", *[b"\0\0\1\0"] * 3, b"", b"\0\0\1\0"]
    nothing, booleans, integers, floats, texts, strings, timestamps = (column.cells for column in back.columns)
    assert nothing == Variant("all-null")
    assert booleans == Variant("booleans", b"\1\0\0\1")
    assert integers == Variant("int64s", [-(2**63), 2**63 - 1, 0, -1])
    assert floats == Variant("float64s", [0.1, -math.inf, 0.0, -0.0]) and math.copysign(1, floats.payload[3]) == -1
    assert texts.tag == "texts" and vars(texts.payload) == {"ends": [2, 2, 2, 7], "text": "éa🐘"}
    assert strings.tag == "byte-strings" and vars(strings.payload) == {"ends": [2, 2, 3, 3], "bytes": b"\0\xffa"}
    assert timestamps == Variant("timestamps", [-(2**63), 2**63 - 1, 0, 0])


def test_not_a_number_is_one_to_a_component_too(echo: Component) -> None:
    (column,) = got(echo, [math.nan, 1.0]).columns
    assert math.isnan(column.cells.payload[0]) and column.cells.payload[1] == 1.0


def test_a_component_gets_no_rows(echo: Component) -> None:
    back = got(echo, [], [])
    assert back.count == 0 and [column.cells for column in back.columns] == [Variant("all-null")] * 2
    assert got(echo).columns == []


def test_a_component_gets_long_columns_whole(echo: Component) -> None:
    numbers: list[Value] = list(range(20_000))
    back = got(echo, numbers, [str(number) for number in numbers])
    assert back.columns[0].cells.payload == numbers
    assert back.columns[1].cells.payload.text == "".join(map(str, numbers))

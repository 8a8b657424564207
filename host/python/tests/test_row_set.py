"""Row sets: what is in a column, and what comes back by rows."""

from __future__ import annotations

import json
import math
import struct
import tracemalloc
from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_pool.cassette.format import decode_rows, encode_rows
from archon_pool.row_set import Builder, from_rows, rows_of
from archon_pool.text import UTF8, TextEncoding
from archon_pool.values import check_row
from archon_pool.wire import Column, Parts, Row, RowSet, Timestamp, Value

_MIN, _MAX = -(2**63), 2**63 - 1
BOOL, BYTEA, INT8, TEXT, OID, FLOAT4, FLOAT8, TIMESTAMPTZ, JSONB = 16, 17, 20, 25, 26, 700, 701, 1184, 3802


def read(oids: list[int], *rows: list[bytes | None], text: TextEncoding = UTF8) -> RowSet:
    """Columns made of a server's rows."""
    return collected(oids, rows, text)


def collected(oids: list[int], rows: Iterable[list[bytes | None]], text: TextEncoding = UTF8) -> RowSet:
    columns = [(f"c{index}", oid) for index, oid in enumerate(oids)]
    builder = Builder(columns)
    for row in rows:
        builder.add(check_row(columns, row, text, 1_000_000)[0])
    return builder.finish(truncated=False)


def column(oid: int, *cells: bytes | None, text: TextEncoding = UTF8) -> tuple[str, Any, bytes]:
    """Returns the kind, cells and nulls of a column made of these cells."""
    answer = read([oid], *([cell] for cell in cells), text=text)
    assert answer.count == len(cells)
    (found,) = answer.columns
    assert (found.name, found.type_oid) == ("c0", oid)
    return found.kind, found.cells, found.nulls


def test_texts_end_by_their_bytes_in_utf8() -> None:
    texts = ["", "é", "", "a🐘", "日本", ""]
    joined = "".join(texts).encode()
    assert column(TEXT, *(text.encode() for text in texts)) == ("texts", Parts([0, 2, 2, 7, 13, 13], joined), b"")
    assert column(TEXT, b"ab", b"", b"c") == ("texts", Parts([2, 2, 3], b"abc"), b"")


def test_texts_in_another_encoding_are_converted_one_by_one() -> None:
    latin1 = TextEncoding("LATIN1", {"LATIN1": "windows-1252"})
    assert column(TEXT, b"caf\xe9", "é".encode(), text=latin1) == ("texts", Parts([5, 7], "caféé".encode()), b"")
    # Together these bytes would be one character.
    assert column(TEXT, b"\xc3", b"\xa9") == ("texts", Parts([3, 6], "\ufffd\ufffd".encode()), b"")


def test_the_version_of_a_jsonb_is_no_part_of_its_text() -> None:
    assert column(JSONB, b'\1{"a":"\xc3\xa9"}', None, b"\1[]") == (
        "texts",
        Parts([10, 10, 12], '{"a":"é"}[]'.encode()),
        b"\0\1\0",
    )


def test_bytes_are_any() -> None:
    assert column(BYTEA, b"\0\xff", b"", None, b"\xc3") == (
        "byte-strings",
        Parts([2, 2, 2, 3], b"\0\xff\xc3"),
        b"\0\0\1\0",
    )


def test_numbers_keep_their_extremes() -> None:
    numbers = [_MIN, -1, 0, _MAX]
    assert column(INT8, *(struct.pack("!q", number) for number in numbers)) == ("int64s", numbers, b"")
    assert column(OID, b"\xff" * 4) == ("int64s", [2**32 - 1], b"")
    assert column(BOOL, b"\1", b"\0", b"\2") == ("booleans", b"\1\0\1", b"")


def test_floats_keep_nan_infinity_and_the_sign_of_zero() -> None:
    numbers = [math.nan, math.inf, -math.inf, -0.0, 5e-324]
    kind, cells, nulls = column(FLOAT8, *(struct.pack("!d", number) for number in numbers))
    assert (kind, nulls) == ("float64s", b"")
    assert math.isnan(cells[0]) and cells[1:] == numbers[1:] and math.copysign(1, cells[3]) == -1
    assert column(FLOAT4, struct.pack("!f", 1.5)) == ("float64s", [1.5], b"")


def test_times_count_from_1970_and_infinity_is_the_largest() -> None:
    raw = [struct.pack("!q", micros) for micros in (0, _MIN, _MAX, _MAX - 1)]
    assert column(TIMESTAMPTZ, *raw) == ("timestamps", [946_684_800_000_000, _MIN, _MAX, _MAX], b"")


@pytest.mark.parametrize(
    ("oid", "cell", "kind", "cells"),
    [
        (BOOL, b"\1", "booleans", b"\0\1\0"),
        (INT8, struct.pack("!q", 7), "int64s", [0, 7, 0]),
        (FLOAT8, struct.pack("!d", 0.5), "float64s", [0.0, 0.5, 0.0]),
        (TEXT, b"ab", "texts", Parts([0, 2, 2], b"ab")),
        (BYTEA, b"\xff", "byte-strings", Parts([0, 1, 1], b"\xff")),
        (TIMESTAMPTZ, struct.pack("!q", 1), "timestamps", [0, 946_684_800_000_001, 0]),
    ],
)
def test_a_null_has_an_empty_entry(oid: int, cell: bytes, kind: str, cells: Any) -> None:
    assert column(oid, None, cell, None) == (kind, cells, b"\1\0\1")
    assert column(oid, None, None) == column(oid) == ("all-null", None, b"")


def test_without_rows_there_may_be_columns() -> None:
    assert read([TEXT]) == RowSet([Column("c0", TEXT)], 0, False)
    assert read([]) == RowSet([], 0, False)
    assert read([], [], []) == RowSet([], 2, False) and rows_of(read([], [], [])) == [[], []]


@pytest.mark.parametrize("text", ["é", "", "日本"])
def test_columns_of_values_are_those_of_a_server(text: str) -> None:
    encoded = text.encode()
    answer = from_rows([("c0", TEXT)], [[None], [text], ["b"]], truncated=True)
    parts = Parts([0, len(encoded), len(encoded) + 1], encoded + b"b")
    assert answer == RowSet([Column("c0", TEXT, "texts", parts, b"\1\0\0")], 3, True)
    assert rows_of(answer) == [[None], [text], ["b"]]


def test_a_large_answer_is_in_memory_once() -> None:
    size, count = 50_000, 200
    tracemalloc.start()
    try:
        answer = collected([TEXT], ([b"a" * size] for _ in range(count)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.count == count and peak < 1.3 * size * count


CELLS: list[st.SearchStrategy[Any]] = [
    st.booleans(),
    st.integers(_MIN, _MAX),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.builds(Timestamp, st.integers(_MIN, _MAX)),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[Row]]:
    """Rows whose columns have one type each, and the number of these columns."""
    types = draw(st.lists(st.sampled_from(CELLS), max_size=4))
    return len(types), draw(st.lists(st.tuples(*(st.none() | cell for cell in types)).map(list), max_size=6))


@settings(derandomize=True, deadline=None, database=None)
@given(tables())
def test_rows_come_back_as_they_were(table: tuple[int, list[Row]]) -> None:
    width, rows = table
    answer = from_rows([("c", TEXT)] * width, rows, truncated=False)
    back = rows_of(answer)
    assert (answer.count, back) == (len(rows), rows)
    assert [list(map(type, row)) for row in back] == [list(map(type, row)) for row in rows]
    for each in answer.columns:
        assert not each.nulls or (1 in each.nulls and 0 in each.nulls and len(each.nulls) == len(rows))


def test_a_column_has_values_of_one_type() -> None:
    mixed: list[list[Value]] = [[1, True], [None, 1, Timestamp(1)], ["a", b"a"], [0.5, 1]]
    for values in mixed:
        with pytest.raises(ValueError, match="values of several types"):
            from_rows([("c", TEXT)], [[value] for value in values], truncated=False)
    for rows in ([[1, 2], [1]], [[1, 2, 3]]):
        with pytest.raises(ValueError, match="another number of values"):
            from_rows([("c", TEXT), ("d", TEXT)], cast(Any, rows), truncated=False)


VALUES: list[Value] = [True, -1, 0.1, "Grüße\n", b"\0\xff", Timestamp(_MAX)]


def test_a_cassette_keeps_rows_as_rows() -> None:
    rows: list[Row] = [[*VALUES, None], [None] * 7, [*VALUES, None]]
    answer = from_rows([(f"c{index}", 20 + index) for index in range(7)], rows, truncated=True)
    encoded = encode_rows(answer)
    cells = [True, {"i": "-1"}, {"f": "0.1"}, "Grüße\n", {"b": "00ff"}, {"t": str(_MAX)}, None]
    columns = [[f"c{index}", 20 + index] for index in range(7)]
    assert json.dumps(encoded) == json.dumps(
        {"ok": {"columns": columns, "rows": [cells, [None] * 7, cells], "truncated": True}}
    )
    assert decode_rows(encoded) == answer

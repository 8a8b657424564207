"""Row sets: built by columns, as components take them, and read back by rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import accumulate
from typing import Any, Callable, TypeVar

from .values import decode_column, kind_of
from .wire import Cells, Column, Parts, Row, RowSet, Timestamp, Value

T = TypeVar("T")

_KINDS: dict[type, str] = {
    bool: "booleans",
    int: "int64s",
    float: "float64s",
    str: "texts",
    bytes: "byte-strings",
    Timestamp: "timestamps",
}
_DECODERS: dict[str, Callable[[Any], Value]] = {
    "booleans": bool,
    "texts": lambda part: str(part, "utf-8"),
    "timestamps": Timestamp,
}
_OF_PARTS = frozenset(["texts", "byte-strings"])


class Builder:
    """Collects a server's rows."""

    def __init__(self, columns: Sequence[tuple[str, int]]) -> None:
        """Starts without rows; `columns` are pairs of name and type OID."""
        self.columns = columns
        self.count = 0
        self._columns: list[tuple[list[Any], BytesIO | None]] = [
            ([], BytesIO() if kind_of(oid) in _OF_PARTS else None) for _, oid in columns
        ]

    def add(self, row: Sequence[bytes | None]) -> None:
        """Appends a row that was checked."""
        self.count += 1
        for (cells, joined), cell in zip(self._columns, row):
            # Texts are joined at once: a large answer must not be in memory twice.
            cells.append(cell if joined is None or cell is None else joined.write(cell))

    def finish(self, *, truncated: bool) -> RowSet:
        """Returns the collected rows."""
        columns = []
        for (name, oid), (cells, joined) in zip(self.columns, self._columns):
            decoded = decode_column(oid, cells) if joined is None else cells
            columns.append(_column(name, oid, kind_of(oid), decoded, b"" if joined is None else joined.getvalue()))
        return RowSet(columns, self.count, truncated)


def from_rows(columns: Sequence[tuple[str, int]], rows: Sequence[Row], *, truncated: bool) -> RowSet:
    """Converts rows. Raises a `ValueError` if they do not fit their columns."""
    types = types_of(len(columns), rows, type)
    made = []
    for index, ((name, oid), found) in enumerate(zip(columns, types)):
        values = [row[index] for row in rows]
        made.append(Column(name, oid) if found is None else _of_values(name, oid, _KINDS[found], values))
    return RowSet(made, len(rows), truncated)


def types_of(columns: int, rows: Sequence[Sequence[Any]], type_of: Callable[[Any], T]) -> list[T | None]:
    """Returns the type of each column; None if all of its values are null.

    Raises a `ValueError` if a row has another number of values, or a column has values of several types.
    """
    if any(len(row) != columns for row in rows):
        raise ValueError("a row has another number of values than there are columns")
    found: list[T | None] = []
    for index in range(columns):
        types = {type_of(row[index]) for row in rows if row[index] is not None}
        if len(types) > 1:
            raise ValueError("a column has values of several types")
        found.append(next(iter(types), None))
    return found


def rows_of(answer: RowSet) -> list[Row]:
    """Returns the rows of a row set."""
    if not answer.columns:
        return [[] for _ in range(answer.count)]
    return [list(row) for row in zip(*(_values_of(column, answer.count) for column in answer.columns))]


def _of_values(name: str, oid: int, kind: str, values: Sequence[Value]) -> Column:
    joined = BytesIO()

    def encoded(value: Value) -> object:
        if isinstance(value, str):
            return joined.write(value.encode())
        if isinstance(value, bytes):
            return joined.write(value)
        return value.micros if isinstance(value, Timestamp) else value

    cells = [None if value is None else encoded(value) for value in values]
    return _column(name, oid, kind, cells, joined.getvalue())


def _values_of(column: Column, count: int) -> Sequence[Value]:
    if column.cells is None:
        return [None] * count
    cells: Iterable[Any] = _split(column.cells) if isinstance(column.cells, Parts) else column.cells
    if column.kind in _DECODERS:
        cells = map(_DECODERS[column.kind], cells)
    if not column.nulls:
        return list(cells)
    return [None if is_null else cell for cell, is_null in zip(cells, column.nulls)]


def _column(name: str, oid: int, kind: str, cells: Sequence[Any], joined: bytes) -> Column:
    """Packs the cells of a column: numbers, booleans, or the sizes of the parts of `joined`. None stands for null."""
    null_count = cells.count(None)
    if null_count == len(cells):
        return Column(name, oid)
    nulls = b""
    if null_count > 0:
        nulls = bytes([cell is None for cell in cells])
        empty = 0.0 if kind == "float64s" else 0
        cells = [empty if cell is None else cell for cell in cells]
    return Column(name, oid, kind, _packed(kind, cells, joined), nulls)


def _packed(kind: str, cells: Sequence[Any], joined: bytes) -> Cells:
    if kind in _OF_PARTS:
        return Parts(list(accumulate(cells)), joined)
    return bytes(cells) if kind == "booleans" else list(cells)


def _split(parts: Parts) -> Iterator[bytes]:
    start = 0
    for end in parts.ends:
        yield parts.joined[start:end]
        start = end

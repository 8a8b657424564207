"""Conversion between PostgreSQL's binary format and the contract's seven types."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from .faults import QUERY_FAILED, UNEXPECTED_ANSWER, UNSUPPORTED_TYPE, FaultError, fail
from .text import UTF8, TextEncoding
from .text import weight as text_weight
from .wire import Timestamp, Value

# Type OIDs of PostgreSQL's pg_type.dat.
BOOL, BYTEA, INT8, TEXT, UNKNOWN = 16, 17, 20, 25, 705
INT4, FLOAT8, TIMESTAMPTZ = 23, 701, 1184
TEXT_ARRAY, INT4_ARRAY = 1009, 1007

_EPOCH_MICROS = 946_684_800_000_000
"""Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01."""
_MIN, _MAX = -(2**63), 2**63 - 1


_FIXED = {
    BOOL: ("booleans", "?"),
    21: ("int64s", "h"),
    INT4: ("int64s", "i"),
    INT8: ("int64s", "q"),
    26: ("int64s", "I"),
    700: ("float64s", "f"),
    FLOAT8: ("float64s", "d"),
    TIMESTAMPTZ: ("timestamps", "q"),
    1114: ("timestamps", "q"),
}
"""Kind of column and format of `struct` for each type of a fixed size."""
_SIZES = {oid: struct.calcsize(f"!{code}") for oid, (_, code) in _FIXED.items()}

_TEXTS = frozenset([TEXT, 1043, 19, 1042, 18, UNKNOWN, 114])
_JSONB = 3802

# Names for faults only: the server is never queried for them.
_OTHER_NAMES = """
    22 int2vector 24 regproc 27 tid 28 xid 29 cid 30 oidvector 142 xml 194 pg_node_tree 600 point 650 cidr 790 money
    829 macaddr 869 inet 1000 _bool 1003 _name 1005 _int2 1007 _int4 1009 _text 1015 _varchar 1016 _int8
    1022 _float8 1028 _oid 1033 aclitem 1034 _aclitem 1082 date 1083 time 1186 interval 1266 timetz 1560 bit
    1562 varbit 1700 numeric 2202 regprocedure 2205 regclass 2206 regtype 2249 record 2950 uuid 2970 txid_snapshot
    3220 pg_lsn 4072 jsonpath 4089 regnamespace 4096 regrole 5038 pg_snapshot 5069 xid8
"""

VALUE_BYTES = 96
"""Approximate overhead of a value that is decoded and passed to a component: an object in Python, one in the runtime,
and one in the component.
"""


def check_columns(columns: list[tuple[str, int]]) -> None:
    """Checks that all columns have supported types."""
    for name, oid in columns:
        if oid not in _FIXED and oid not in _TEXTS and oid not in (_JSONB, BYTEA):
            known = _other_types().get(oid)
            kind = "a type of its own" if known is None else f"type {known}"
            raise fail(UNSUPPORTED_TYPE, f"column '{name}' has {kind} (OID {oid}): cast it in the statement")


@lru_cache(maxsize=1)
def _other_types() -> dict[int, str]:
    words = _OTHER_NAMES.split()
    return dict(zip(map(int, words[::2]), words[1::2]))


class RowTooLargeError(Exception):
    """Error for a row that exceeds the remaining size."""


def check_row(
    columns: Sequence[tuple[str, int]], raw: Sequence[bytes | None], text: TextEncoding, most_bytes: int
) -> tuple[list[bytes | None], int]:
    """Checks one row of supported columns, and returns it with all texts in UTF-8, and its size. Never uses more than
    `most_bytes`.
    """
    weight = VALUE_BYTES * len(raw) + sum(map(len, filter(None, raw)))
    if weight > most_bytes:
        raise RowTooLargeError
    row = list(raw)
    for index, ((_, oid), cell) in enumerate(zip(columns, raw)):
        if cell is None or oid == BYTEA:
            continue
        size = _SIZES.get(oid)
        if size is not None:
            if len(cell) != size:
                raise _invalid(index, f"unpack requires a buffer of {size} bytes")
            continue
        encoded = cell
        if oid == _JSONB:
            # The binary format of jsonb is a version number and the text.
            if cell[:1] != b"\x01":
                raise _invalid(index, "jsonb of an unknown version")
            row[index] = encoded = cell[1:]
        if not encoded.isascii():
            decoded = text.decode_within(encoded, most_bytes - weight + len(cell))
            if decoded is None:
                raise RowTooLargeError
            weight += max(0, text_weight(decoded) - len(cell))
            row[index] = decoded.encode()
    if weight > most_bytes:
        raise RowTooLargeError
    return row, weight


def _invalid(index: int, why: str) -> FaultError:
    return fail(UNEXPECTED_ANSWER, f"error deserializing column {index}: {why}")


def kind_of(oid: int) -> str:
    """Returns the kind of column for a supported type."""
    if oid in _FIXED:
        return _FIXED[oid][0]
    return "byte-strings" if oid == BYTEA else "texts"


def decode_column(oid: int, cells: Sequence[bytes | None]) -> Sequence[Any]:
    """Decodes the checked cells of a column of numbers or booleans."""
    kind, code = _FIXED[oid]
    present = [cell for cell in cells if cell is not None]
    numbers: Sequence[Any] = struct.unpack(f"!{len(present)}{code}", b"".join(present))
    if kind == "timestamps":
        numbers = list(map(_to_unix, numbers))
    if len(present) == len(cells):
        return numbers
    following = iter(numbers)
    return [None if cell is None else next(following) for cell in cells]


def _to_unix(micros: int) -> int:
    # Exact to the microsecond; `infinity` and `-infinity` become the largest and smallest number.
    return micros if micros == _MIN else min(micros + _EPOCH_MICROS, _MAX)


def encode_param(value: Value, text: TextEncoding = UTF8) -> tuple[int, bytes | None]:
    """Encodes a parameter: type and bytes. The server infers the type of null."""
    if value is None:
        return UNKNOWN, None
    if isinstance(value, bool):
        return BOOL, b"\1" if value else b"\0"
    if isinstance(value, int):
        return INT8, struct.pack("!q", value)
    if isinstance(value, float):
        return FLOAT8, struct.pack("!d", value)
    if isinstance(value, str):
        return TEXT, text.encode(value)
    if isinstance(value, bytes):
        return BYTEA, value
    return TIMESTAMPTZ, _to_server(value)


def _to_server(value: Timestamp) -> bytes:
    micros = value.micros
    if micros not in (_MIN, _MAX):
        micros -= _EPOCH_MICROS
        if micros <= _MIN:
            raise fail(QUERY_FAILED, "the timestamp is out of range")
    return struct.pack("!q", micros)


def encode_array(element: int, values: list[bytes]) -> bytes:
    """Encodes a one-dimensional array without nulls in binary format."""
    if not values:
        return struct.pack("!iiI", 0, 0, element)
    head = struct.pack("!iiIii", 1, 0, element, len(values), 1)
    return head + b"".join(struct.pack("!i", len(value)) + value for value in values)


def weight(value: Value) -> int:
    """Returns the size of a value for the limit `request_bytes`."""
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return len(value)
    return 1 if isinstance(value, bool) else 8

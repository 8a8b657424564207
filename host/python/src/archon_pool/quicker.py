"""Faster conversions in wasmtime's Python package.

The package reads what a type consists of again for each value, up to half a millisecond, takes almost a microsecond to
store a number of a list, and copies a text several times. With an incompatible version of the package everything still
works, without this.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from typing import Any, Callable

from wasmtime import _ffi
from wasmtime.component import F64, S64, U8, U32, ListType, RecordType, String, VariantType

_PARTS: list[tuple[Any, str]] = [
    (VariantType, "_cases"),
    (VariantType, "_tagged"),
    (RecordType, "fields"),
    (ListType, "element"),
]
"""Methods and properties of types, which do not change."""
_WORD_BYTES = 8
_AT_ONCE = 64 << 10
"""Most values of a list that are prepared at the same time."""

Convert = Callable[[Any, Any, Any, Any], None]
"""Conversion of a value: type, store, value and place."""


def convert_faster() -> None:
    """Installs the conversions once."""
    for kind, name in _PARTS:
        read = getattr(kind, name, None)
        if isinstance(read, property) and read.fget is not None and read.fget.__name__ == name:
            setattr(kind, name, property(_once(read.fget)))
        elif callable(read) and read.__name__ == name:
            setattr(kind, name, _once(read))
    if _has_known_layout():
        for kind, faster in ((ListType, _at_once), (String, _in_utf8)):
            convert = getattr(kind, "convert_to_c", None)
            if convert is not None and convert.__name__ == "convert_to_c":
                setattr(kind, "convert_to_c", faster(convert))  # noqa: B010


def as_text(encoded: bytes) -> object:
    """Returns a text to pass to a component. Decoded, one wide character would make all of it four times as large."""
    return encoded if String.convert_to_c.__qualname__.startswith(_in_utf8.__name__) else encoded.decode()


def _once(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    kept = f"_archon_pool{read.__name__}"

    def reading(kind: Any) -> Any:
        if kept not in kind.__dict__:
            setattr(kind, kept, read(kind))
        return kind.__dict__[kept]

    return reading


def _has_known_layout() -> bool:
    """Returns true if a value is some words, the lowest byte first: its kind, then what it holds."""
    value: Any = getattr(_ffi, "wasmtime_component_val_t", None)
    has_words = value is not None and value.of.offset == _WORD_BYTES and ctypes.sizeof(value) % _WORD_BYTES == 0
    return has_words and sys.byteorder == "little"


def _at_once(convert: Convert) -> Convert:
    def words(given: Any) -> array[int]:
        return array("q", given)

    cases: dict[type, tuple[int, type | None, Callable[[Any], array[int]]]] = {
        S64: (_ffi.WASMTIME_COMPONENT_S64.value, list, words),
        U32: (_ffi.WASMTIME_COMPONENT_U32.value, list, words),
        F64: (_ffi.WASMTIME_COMPONENT_F64.value, list, lambda given: words(array("d", given).tobytes())),
        U8: (_ffi.WASMTIME_COMPONENT_U8.value, bytes, lambda given: words(array("B", given))),
    }
    words_each = ctypes.sizeof(_ffi.wasmtime_component_val_t) // _WORD_BYTES

    def converting(self: Any, store: Any, given: Any, into: Any) -> None:
        kind, wanted, packed = cases.get(type(self.element), (0, None, words))
        is_known = bool(given) and type(given) is wanted
        if not is_known:
            convert(self, store, given, into)
            return
        made = _ffi.wasmtime_component_vallist_t()
        _ffi.wasmtime_component_vallist_new_uninit(made, len(given))
        values = ctypes.c_int64 * (words_each * len(given))
        view = memoryview(values.from_address(ctypes.addressof(made.data.contents))).cast("B").cast("q")
        for at in range(0, len(given), _AT_ONCE):
            chunk = packed(given[at : at + _AT_ONCE])
            place = view[at * words_each : (at + len(chunk)) * words_each]
            place[::words_each] = words([kind]) * len(chunk)
            place[1::words_each] = chunk
        into.contents.kind = _ffi.WASMTIME_COMPONENT_LIST
        into.contents.of.list = made

    return converting


def _in_utf8(convert: Convert) -> Convert:
    def converting(self: Any, store: Any, given: Any, into: Any) -> None:
        if type(given) is not bytes:
            convert(self, store, given, into)
            return
        made = _ffi.wasm_byte_vec_t()
        _ffi.wasm_byte_vec_new_uninitialized(ctypes.byref(made), len(given))
        ctypes.memmove(made.data, given, len(given))
        into.contents.kind = _ffi.WASMTIME_COMPONENT_STRING
        into.contents.of.string = made

    return converting

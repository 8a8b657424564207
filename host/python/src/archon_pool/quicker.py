"""Makes wasmtime's Python package remember what a variant type is made of.

It reads the cases of a variant anew for each value that is handed over, in ctypes, twice: half a millisecond a
value, six seconds for five hundred sessions. A type does not change, so here each reads its cases once. Should
another version of the package look different, all works as before, only slower.
"""

from __future__ import annotations

from typing import Any, Callable

from wasmtime.component import VariantType


def _once(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    kept = f"_archon_pool{read.__name__}"

    def reading(variant: Any) -> Any:
        if kept not in variant.__dict__:
            setattr(variant, kept, read(variant))
        return variant.__dict__[kept]

    return reading


def remember_cases() -> None:
    """Does it, once."""
    for name in ("_cases", "_tagged"):
        read = getattr(VariantType, name, None)
        if read is not None and read.__name__ == name:
            setattr(VariantType, name, _once(read))

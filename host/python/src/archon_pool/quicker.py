"""Cache for the cases of variant types in wasmtime's Python package.

The package reads a variant's cases again for each value, which takes half a millisecond; types do not change. With an
incompatible version of the package everything still works, without the cache.
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
    """Installs the cache once."""
    for name in ("_cases", "_tagged"):
        read = getattr(VariantType, name, None)
        if read is not None and read.__name__ == name:
            setattr(VariantType, name, _once(read))

"""Bundled files of the package: the component and its guard."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "components"

MANAGER = "pool-manager.wasm"
ANALYSER = "pool-analyser.wasm"


def file(name: str) -> Path:
    """Returns the path of a file that the build added to the package."""
    path = _FOLDER / name
    if not path.exists():
        message = f"{path} is missing: install the wheel, or build it with host/python/build.sh"
        raise FileNotFoundError(message)
    return path

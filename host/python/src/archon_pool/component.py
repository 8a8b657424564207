"""The files that come with the package: the component itself and its guard."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "components"

MANAGER = "pool-manager.wasm"
ANALYSER = "pool-analyser.wasm"


def file(name: str) -> Path:
    """A file that the build put into the package."""
    path = _FOLDER / name
    if not path.exists():
        message = f"{path} is missing: install the wheel, or build it with host/python/build.sh"
        raise FileNotFoundError(message)
    return path

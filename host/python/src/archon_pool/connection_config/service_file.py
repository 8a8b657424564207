"""Service files of libpq: named sections of parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..files import FileError, read_regular
from .parts import Parts
from .target import invalid


def fill(service: str, named: Path | None, others: Sequence[Path], parts: Parts) -> None:
    """Fills unset settings from the first file with the service. A file named explicitly must exist."""
    tried = [*([] if named is None else [named]), *others]
    for path in tried:
        content = _read(path, path == named)
        if content is not None and _take(content, path, service, parts):
            return
    places = ", ".join(map(str, tried)) or "no service file"
    raise invalid(f"service {_shown(service)} not found; tried: {places}")


def _read(path: Path, is_named: bool) -> str | None:
    try:
        content, _ = read_regular(path)
    except FileNotFoundError:
        if is_named:
            raise invalid(f"service file {path}: it does not exist") from None
        return None
    except FileError as error:
        raise invalid(f"service file {path}: {error.strerror}") from None
    except OSError as error:
        raise invalid(f"service file {path}: it cannot be read: {error.strerror}") from None
    return content.decode("utf-8", "replace")


def _take(content: str, path: Path, service: str, parts: Parts) -> bool:
    """Adds the section of a service; returns false if the file has none."""
    found = False
    for number, whole in enumerate(content.split("\n"), 1):
        line, place = whole.strip(), f"service file {path}, line {number}"
        if line.startswith("["):
            if found:
                break
            name, closed, _ = line[1:].partition("]")
            found = bool(closed) and name == service
        elif found and line and not line.startswith("#"):
            _take_line(line, place, parts)
    return found


def _take_line(line: str, place: str, parts: Parts) -> None:
    if line.startswith("ldap"):
        raise invalid(f"{place}: LDAP is not supported; write the parameters there")
    name, equals, value = line.partition("=")
    if not equals:
        raise invalid(f"{place}: it must be name=value")
    if name.strip() in ("service", "servicefile"):
        raise invalid(f"{place}: a service cannot name another service")
    parts.behind(name.strip(), value.strip(), place, is_variable=False)


def _shown(service: str) -> str:
    """Quotes a plain name. Anything else may be a misplaced secret and is not shown."""
    return f"'{service}'" if re.fullmatch(r"[\w. -]{1,64}", service) else "that is no plain name"

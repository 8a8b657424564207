"""Pass file of libpq: lines of `host:port:database:user:password`, of which the first match applies."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..files import FileError, read_regular
from .hosts import SOCKETS
from .target import Target

_FIELD = re.compile(rb"((?:[^:\\]|\\.|\\$)*)(?::|$)", re.DOTALL)


def passwords(path: Path, target: Target) -> tuple[list[str | None], str | None]:
    """Returns the password of each host, and the reason why the file is ignored. A missing file has no passwords."""
    content, why = _read(path)
    if content is None:
        return [None] * len(target.hosts), None if why is None else f"pass file {path} is passed over: {why}"
    found = []
    for each in target.hosts:
        # The default socket is listed as the local machine.
        host = "localhost" if each.host in SOCKETS else each.host
        found.append(_password(content, [host, str(each.port), target.database, target.user]))
    return found, None


def _read(path: Path) -> tuple[bytes | None, str | None]:
    try:
        content, found = read_regular(path)
    except FileNotFoundError:
        return None, None
    except FileError as error:
        return None, str(error.strerror)
    except OSError as error:
        return None, f"it cannot be read: {error.strerror}"
    mode = found.st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        return None, f"others may read it (mode {mode:04o}): run `chmod 600` on it"
    return content, None


def _password(content: bytes, wanted: Sequence[str]) -> str | None:
    for line in content.split(b"\n"):
        if line.startswith(b"#"):
            continue
        rest: bytes | None = line[:-1] if line.endswith(b"\r") else line
        for field in wanted:
            rest = None if rest is None else _behind(rest, field.encode())
        if rest is not None:
            return _unescaped(rest)
    return None


def _behind(line: bytes, wanted: bytes) -> bytes | None:
    """Returns the rest of a line after a matching field."""
    if line.startswith(b"*:"):
        return line[2:]
    place = 0
    for byte in wanted:
        if line[place : place + 1] == b"\\":
            place += 1
        if line[place : place + 1] != bytes([byte]):
            return None
        place += 1
    return line[place + 1 :] if line[place : place + 1] == b":" else None


def _unescaped(text: bytes) -> str | None:
    """Returns the password up to an unescaped ':'."""
    field = _FIELD.match(text)
    password = re.sub(rb"\\(.)", rb"\1", b"" if field is None else field[1], flags=re.DOTALL)
    try:
        return password.decode("utf-8") or None
    except UnicodeDecodeError:
        return None

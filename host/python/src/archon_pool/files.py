"""Operator's files: read only if small and regular, written owner-only and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Union

MOST_BYTES = 1 << 20
"""Maximum size of a file of settings or certificates."""

AnyPath = Union[str, "os.PathLike[str]"]

_MODE = 0o600
_OTHERS_WRITE = 0o022
# Missing on Windows. Without O_NONBLOCK a pipe without a reader would block the process.
_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


class FileError(OSError):
    """Error for a file with unexpected properties. The message names it and the fix."""


def read_regular(path: AnyPath, most_bytes: int = MOST_BYTES) -> tuple[bytes, os.stat_result]:
    """Reads a small regular file. Refuses devices and pipes, which may block or never end. Raises an `OSError`."""
    handle = os.open(path, os.O_RDONLY | _NO_WAIT | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise FileError(errno.EINVAL, "it is no regular file")
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise FileError(errno.EFBIG, f"it is larger than {most_bytes} bytes")
    return content, found


def create_private(path: AnyPath) -> int:
    """Creates an owner-only file and returns its handle. Fails when a file or link exists."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, _MODE)


def append_private(path: AnyPath, content: bytes) -> None:
    """Appends to a private file and syncs it to disk. Creates the file if needed."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK | _NO_WAIT, _MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileError(errno.ELOOP, f"{path} is a link: name the file itself") from None
        raise
    try:
        _require_own(path, os.fstat(handle))
        # In one write if possible, so that lines of two processes do not mix.
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_private(path: AnyPath, content: bytes) -> None:
    """Replaces a file atomically: readers see the old or the new content."""
    fresh = Path(f"{os.fspath(path)}.{os.getpid()}.{os.urandom(8).hex()}")
    handle = create_private(fresh)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink()
        raise


def own_folder(path: Path) -> Path | None:
    """Returns a folder that only its owner can enter; None if another user could have written to it.

    Parents are checked too: a user who can write to one could replace the folder.
    """
    if os.name != "posix":
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None
        for parent in path.resolve().parents:
            above = os.stat(parent)
            is_shared = above.st_mode & _OTHERS_WRITE and not above.st_mode & stat.S_ISVTX
            if is_shared or above.st_uid not in (0, os.geteuid()):
                return None
    except OSError:
        return None
    return path


def _require_own(path: AnyPath, found: os.stat_result) -> None:
    """Checks that no other user owns the file or can write to it."""
    if not stat.S_ISREG(found.st_mode):
        raise FileError(errno.EINVAL, f"{path} is no regular file")
    if os.name != "posix":
        return
    if found.st_uid not in (0, os.geteuid()):
        raise FileError(errno.EPERM, f"{path} belongs to another user")
    if found.st_mode & _OTHERS_WRITE:
        raise FileError(errno.EPERM, f"{path} can be written by others: run `chmod go-w` on it")

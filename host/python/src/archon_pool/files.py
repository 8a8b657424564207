"""Files of the operator: read when they are small and regular, written for their owner alone and through no link."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Union

MOST_BYTES = 1 << 20
"""No file of settings or certificates is longer."""

AnyPath = Union[str, "os.PathLike[str]"]

_MODE = 0o600
_OTHERS_WRITE = 0o022
# Windows has neither. Without the second, a pipe with nobody at its other end would hold the process up.
_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


class FileError(OSError):
    """A file is not what it must be. The text names it and says what helps."""


def read_regular(path: AnyPath, most_bytes: int = MOST_BYTES) -> tuple[bytes, os.stat_result]:
    """Reads a file, by default a small one. A device would have no end, a pipe never begin. Raises an `OSError`."""
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
    """Creates a file for its owner alone and returns its handle. Fails where there is one already, or a link."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, _MODE)


def append_private(path: AnyPath, content: bytes) -> None:
    """Appends to a file of our own, and sees it to the disk. Creates the file where there is none."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK | _NO_WAIT, _MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileError(errno.ELOOP, f"{path} is a link: name the file itself") from None
        raise
    try:
        _require_own(path, os.fstat(handle))
        # In one piece where the system takes it, so that the lines of two processes do not mix.
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_private(path: AnyPath, content: bytes) -> None:
    """Puts a file in the place of another in one step: whoever reads it finds the old or the new one, whole."""
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
    """A folder that its owner alone can enter; none where another user could have put something into it.

    Its parents are checked, too: whoever can write one of them can put another folder in its place.
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
    """Refuses a file that others can write, or that another user owns."""
    if not stat.S_ISREG(found.st_mode):
        raise FileError(errno.EINVAL, f"{path} is no regular file")
    if os.name != "posix":
        return
    if found.st_uid not in (0, os.geteuid()):
        raise FileError(errno.EPERM, f"{path} belongs to another user")
    if found.st_mode & _OTHERS_WRITE:
        raise FileError(errno.EPERM, f"{path} can be written by others: run `chmod go-w` on it")

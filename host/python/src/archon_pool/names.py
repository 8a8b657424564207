"""Names as the server truncates them: NAMEDATALEN - 1 bytes, and only printable ASCII for application names."""

from __future__ import annotations

from .guard_spec import guard


def name_bytes() -> int:
    """Returns the length to which names are truncated, bytes."""
    return guard().name_bytes


def kept(name: str) -> str:
    """Truncates a name like the server, between characters."""
    return name.encode()[: name_bytes()].decode("utf-8", "ignore")


def is_too_long(glob: str) -> bool:
    """Returns true if a pattern has more literal bytes than a name can have, so that it can never match."""
    return len(glob.replace("*", "").encode()) > name_bytes()


def role_glob(glob: str) -> str:
    """Converts a role pattern for the guard. Non-ASCII characters become `*`: their bytes depend on the database's
    encoding.
    """
    return "".join(letter if _is_plain(letter) else "*" for letter in glob)


def application_glob(glob: str) -> str:
    r"""Converts an application name pattern for the guard.

    The server stores each byte that is not printable ASCII as `?` before version 16 and as `\xNN` since then, and
    truncates the result; a possibly truncated rest becomes `*`.
    """
    shown, longest = "", 0
    for letter in glob:
        if letter != "*":
            longest += 1 if _is_plain(letter) else 4 * len(letter.encode())
        if longest > name_bytes():
            return shown + "*"
        shown += letter if _is_plain(letter) else "*"
    return shown


def _is_plain(letter: str) -> bool:
    return " " <= letter <= "~"

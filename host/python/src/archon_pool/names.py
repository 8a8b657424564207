"""Names as the server keeps them: 63 bytes (NAMEDATALEN - 1), and of an application's only printable ASCII."""

from __future__ import annotations

NAME_BYTES = 63


def kept(name: str) -> str:
    """The part of a name that the server keeps, cut between two letters."""
    return name.encode()[:NAME_BYTES].decode("utf-8", "ignore")


def is_too_long(glob: str) -> bool:
    """Checks that no kept name can match a pattern letter by letter: it has more of them than are kept."""
    return len(glob.replace("*", "").encode()) > NAME_BYTES


def role_glob(glob: str) -> str:
    """A role's pattern as the guard compares it. The bytes of other letters depend on the encoding of its database."""
    return "".join(letter if _is_plain(letter) else "*" for letter in glob)


def application_glob(glob: str) -> str:
    r"""An application's pattern as the guard compares it.

    For each byte that is not printable ASCII the server keeps `?` before version 16 and `\xNN` since then, and cuts the
    name behind that: what may have been cut off is left open.
    """
    shown, longest = "", 0
    for letter in glob:
        if letter != "*":
            longest += 1 if _is_plain(letter) else 4 * len(letter.encode())
        if longest > NAME_BYTES:
            return shown + "*"
        shown += letter if _is_plain(letter) else "*"
    return shown


def _is_plain(letter: str) -> bool:
    return " " <= letter <= "~"

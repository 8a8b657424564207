"""Names as the server keeps them: NAMEDATALEN - 1 bytes of a name, and of an application's only printable ASCII."""

from __future__ import annotations

from .guard_spec import guard


def name_bytes() -> int:
    """Bytes of a name that are kept."""
    return guard().name_bytes


def kept(name: str) -> str:
    """The part of a name that the server keeps, cut between two letters."""
    return name.encode()[: name_bytes()].decode("utf-8", "ignore")


def is_too_long(glob: str) -> bool:
    """Checks that no kept name can match a pattern letter by letter: it has more of them than are kept."""
    return len(glob.replace("*", "").encode()) > name_bytes()


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
        if longest > name_bytes():
            return shown + "*"
        shown += letter if _is_plain(letter) else "*"
    return shown


def _is_plain(letter: str) -> bool:
    return " " <= letter <= "~"

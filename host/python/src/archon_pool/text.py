"""Texts of a server, in any encoding and cut anywhere.

Sessions ask for no conversion (`client_encoding = SQL_ASCII`), so that the server can refuse none. A text that is
UTF-8 stays as it is; any other is read in the encoding of the connected database, and what cannot be read is U+FFFD.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping

_CODECS = {"windows-874": "cp874", "euc-kr": "cp949", "gbk": "gb18030", "big5": "big5hkscs"}
"""Labels of the WHATWG under which Python has another codec, or none."""

_SYMBOLS = {"euc-jp": str.maketrans("〜‖−¢£¬", "～∥－￠￡￢")}  # noqa: RUF001 - these are what differs
"""Symbols that the WHATWG reads as Windows does, and Python as JIS."""

_CONTROLS = "archon-pool-controls"


def _control(error: UnicodeError) -> tuple[str, int]:
    """Bytes that a Windows code page leaves open are control characters to the WHATWG."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start]
    return chr(byte) if 0x80 <= byte < 0xA0 else "\ufffd", error.start + 1


codecs.register_error(_CONTROLS, _control)


class TextEncoding:
    """Encoding of a database's texts."""

    def __init__(self, server_encoding: str | None = None, labels: Mapping[str, str] | None = None) -> None:
        """`labels` has the WHATWG label of each of PostgreSQL's encodings."""
        label = (labels or {}).get(server_encoding or "", "utf-8")
        self._codec = _CODECS.get(label, label)
        self._symbols = _SYMBOLS.get(label, {})
        self._errors = _CONTROLS if label.startswith("windows-") else "replace"

    def decode(self, raw: bytes) -> str:
        """A text as far as it can be read. A row of another database need not be in this one's encoding."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode(self._codec, self._errors).translate(self._symbols)

    def encode(self, text: str) -> bytes:
        """A parameter. A character that the database cannot hold becomes `?`, which equals no name with it."""
        return text.encode(self._codec, "replace")


UTF8 = TextEncoding()

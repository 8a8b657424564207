"""Bodies of PostgreSQL messages: every received length and terminator is checked."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

from .frames import ProtocolError

Param = tuple[int, "bytes | None"]
"""Type OID and the value in its binary format."""
Column = tuple[bytes, int]
"""Name and type OID of a column."""

_VERSION_3 = 196_608
_SSL_REQUEST, _CANCEL_REQUEST = 80_877_103, 80_877_102
_BINARY = 1
_MOST_TOLD = 4_096
"""Maximum length of error texts and column names, which appear in faults and reports."""
_MOST_COLUMNS = 1_664
"""PostgreSQL's MaxTupleAttributeNumber."""
_MOST_FIELDS = 64
"""Maximum number of fields of an error, and of mechanisms of a login: PostgreSQL has 18 and 3."""
_FIELD = struct.Struct("!IhIhih")
_INT16, _INT32 = struct.Struct("!h"), struct.Struct("!i")


class Body:
    """Message body, read from start to end."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        """Reads `size` bytes."""
        end = self._at + size
        if size < 0 or end > len(self._raw):
            raise ProtocolError("it sent a message that is shorter than it says")
        taken = self._raw[self._at : end]
        self._at = end
        return taken

    def int16(self) -> int:
        """Reads a number of two bytes."""
        return int(_INT16.unpack(self.take(2))[0])

    def int32(self) -> int:
        """Reads a number of four bytes."""
        return int(_INT32.unpack(self.take(4))[0])

    def text(self) -> bytes:
        """Reads a text up to its terminator, which is skipped."""
        end = self._raw.find(0, self._at)
        if end < 0:
            raise ProtocolError("it sent a text without its end")
        taken = self._raw[self._at : end]
        self._at = end + 1
        return taken

    def rest(self) -> bytes:
        """Reads all remaining bytes."""
        return self.take(len(self._raw) - self._at)

    def end(self) -> None:
        """Checks that no bytes are left."""
        if self._at != len(self._raw):
            raise ProtocolError("it sent a message that is longer than it says")


@dataclass(frozen=True)
class ServerError:
    """Error returned by a server."""

    message: bytes
    sqlstate: str | None = None
    """None if the server sent none or an invalid one."""
    detail: bytes | None = None
    is_fatal: bool = False
    """True when the error ends the session."""
    is_withheld: bool = False
    """True when its texts contain the password: some servers and poolers quote their input."""


def server_error(raw: bytes, is_password_in: Callable[[bytes], bool] = lambda _: False) -> ServerError:
    """Reads an ErrorResponse."""
    # Each field ends in a zero byte, and so does their list.
    if raw.count(0) > _MOST_FIELDS + 1:
        raise ProtocolError("it sent an error of too many fields")
    body, fields = Body(raw), dict[bytes, bytes]()
    while True:
        code = body.take(1)
        if code == b"\0":
            break
        fields.setdefault(code, body.text())
    body.end()
    # Servers before 9.6 and some poolers send only the translated severity.
    severity = fields.get(b"V", fields.get(b"S", b""))
    sqlstate = fields.get(b"C", b"")
    return ServerError(
        message=fields.get(b"M", b"")[:_MOST_TOLD],
        sqlstate=sqlstate.decode() if re.fullmatch(b"[0-9A-Z]{5}", sqlstate) else None,
        detail=fields[b"D"][:_MOST_TOLD] if b"D" in fields else None,
        is_fatal=severity in (b"FATAL", b"PANIC"),
        is_withheld=any(is_password_in(fields.get(code, b"")) for code in (b"M", b"D")),
    )


def authentication(raw: bytes) -> tuple[int, bytes]:
    """Reads an Authentication message: its request code and data."""
    body = Body(raw)
    return body.int32(), body.rest()


def mechanisms(raw: bytes) -> list[bytes]:
    """Reads the names of SASL mechanisms."""
    if raw.count(0) > _MOST_FIELDS + 1:
        raise ProtocolError("it sent too many SASL mechanisms")
    body, names = Body(raw), list[bytes]()
    while name := body.text():
        names.append(name)
    body.end()
    return names


def parameter_status(raw: bytes) -> tuple[bytes, bytes]:
    """Reads a ParameterStatus."""
    body = Body(raw)
    name, value = body.text(), body.text()
    body.end()
    return name, value


def cancel_key(raw: bytes) -> bytes:
    """Reads a BackendKeyData: process id and secret, as a CancelRequest repeats them."""
    if not 8 <= len(raw) <= 260:
        raise ProtocolError("it sent a cancel key of an invalid length")
    return raw


def ready(raw: bytes) -> None:
    """Reads a ReadyForQuery."""
    if raw not in (b"I", b"T", b"E"):
        raise ProtocolError("it sent an unknown state of the transaction")


def row_description(raw: bytes) -> list[Column]:
    """Reads a RowDescription."""
    body = Body(raw)
    columns: list[Column] = []
    for _ in range(_counted(body)):
        name = body.text()
        if len(name) > _MOST_TOLD:
            raise ProtocolError("it sent a column's name that is too long")
        _, _, oid, _, _, _ = _FIELD.unpack(body.take(_FIELD.size))
        columns.append((name, oid))
    body.end()
    return columns


def data_row(raw: bytes, columns: int) -> list[bytes | None]:
    """Reads a DataRow with this number of columns."""
    if len(raw) < 2 or _INT16.unpack_from(raw)[0] != columns:
        raise ProtocolError("it sent a row with another number of columns than announced")
    at, end, cells = 2, len(raw), list["bytes | None"]()
    for _ in range(columns):
        if at + 4 > end:
            raise ProtocolError("it sent a row that is shorter than it says")
        (size,) = _INT32.unpack_from(raw, at)
        at += 4
        if size == -1:
            cells.append(None)
            continue
        if size < 0 or at + size > end:
            raise ProtocolError("it sent a value with an invalid length")
        cells.append(raw[at : at + size])
        at += size
    if at != end:
        raise ProtocolError("it sent a row that is longer than it says")
    return cells


def _counted(body: Body) -> int:
    count = body.int16()
    if not 0 <= count <= _MOST_COLUMNS:
        raise ProtocolError("it sent a number of columns that no row has")
    return count


def startup(parameters: Mapping[str, str]) -> bytes:
    """Encodes a StartupMessage."""
    pairs = b"".join(_text(name) + _text(value) for name, value in parameters.items())
    return _packet(_VERSION_3, pairs + b"\0")


def ssl_request() -> bytes:
    """Encodes an SSLRequest."""
    return _packet(_SSL_REQUEST)


def cancel_request(key: bytes) -> bytes:
    """Encodes a CancelRequest."""
    return _packet(_CANCEL_REQUEST, key)


def password(answer: bytes) -> bytes:
    """Encodes a PasswordMessage."""
    return _message(b"p", answer + b"\0")


def sasl_initial(mechanism: str, first: bytes) -> bytes:
    """Encodes a SASLInitialResponse."""
    return _message(b"p", _text(mechanism) + _INT32.pack(len(first)) + first)


def sasl_response(answer: bytes) -> bytes:
    """Encodes a SASLResponse."""
    return _message(b"p", answer)


def simple_query(sql: str) -> bytes:
    """Encodes a Query."""
    return _message(b"Q", _text(sql))


def statement(sql: str, params: Sequence[Param] = ()) -> bytes:
    """Encodes Parse, Bind, Describe and Execute of an unnamed statement, with all values in binary format."""
    oids = b"".join(struct.pack("!I", oid) for oid, _ in params)
    count = _INT16.pack(len(params))
    values = b"".join(b"\xff\xff\xff\xff" if value is None else _INT32.pack(len(value)) + value for _, value in params)
    formats = _INT16.pack(1) + _INT16.pack(_BINARY)
    return (
        _message(b"P", b"\0" + _text(sql) + count + oids)
        + _message(b"B", b"\0\0" + formats + count + values + formats)
        + _message(b"D", b"P\0")
        + _message(b"E", b"\0" + _INT32.pack(0))
    )


SYNC = b"S\0\0\0\x04"
TERMINATE = b"X\0\0\0\x04"


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    if b"\0" in encoded:
        raise ValueError("a text with a zero byte cannot be sent")
    return encoded + b"\0"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + _INT32.pack(4 + len(body)) + body


def _packet(code: int, body: bytes = b"") -> bytes:
    return _INT32.pack(8 + len(body)) + _INT32.pack(code) + body

"""SCRAM-SHA-256 of RFC 5802 and 7677, client side, with channel binding to TLS if both sides support it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata

MOST_ITERATIONS = 1_000_000
"""Maximum number of iterations, which take less than a second. PostgreSQL's default is 4,096."""

PLAIN, BOUND = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"


class ScramError(Exception):
    """Error for a failed exchange. The message is the host's own."""


class Scram:
    """One exchange: `first`, then `final` with the server's first message, then `verify` with its last, once each."""

    def __init__(self, password: str, header: str, binding: bytes = b"", nonce: str | None = None) -> None:
        """Begins an exchange; `header` is the GS2 header, `binding` the channel binding data if the header names a
        type.
        """
        self._password = _prepared(password)
        self._header = header.encode()
        self._binding = binding
        self._nonce = (nonce or secrets.token_urlsafe(18)).encode()
        self._signature = b""
        self.is_verified = False
        """True when the server has proved that it has the password."""

    @property
    def first(self) -> bytes:
        """Returns the client's first message."""
        return self._header + self._bare

    @property
    def _bare(self) -> bytes:
        # PostgreSQL uses the user name of the startup packet.
        return b"n=,r=" + self._nonce

    def final(self, server_first: bytes) -> bytes:
        """Returns the client's last message."""
        # Each challenge costs as many iterations as the server requests.
        if self._signature:
            raise ScramError("the server sent a second SCRAM challenge")
        found = re.fullmatch(rb"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([0-9]{1,20})", server_first)
        if found is None:
            raise ScramError("the server's SCRAM challenge is malformed")
        nonce, iterations = found[1], int(found[3])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramError("the server's SCRAM challenge repeats another nonce")
        if not 1 <= iterations <= MOST_ITERATIONS:
            why = f"the server asks for {iterations} SCRAM iterations, between 1 and {MOST_ITERATIONS} are allowed"
            raise ScramError(why)
        salted = hashlib.pbkdf2_hmac("sha256", self._password, _decoded(found[2]), iterations)
        without_proof = b"c=" + base64.b64encode(self._header + self._binding) + b",r=" + nonce
        exchanged = b",".join([self._bare, server_first, without_proof])
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), exchanged)
        self._signature = _hmac(_hmac(salted, b"Server Key"), exchanged)
        proof = bytes(one ^ other for one, other in zip(client_key, signature))
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> None:
        """Checks the server's proof that it also has the password."""
        if self.is_verified:
            raise ScramError("the server sent its SCRAM signature twice")
        if not self._signature or not server_final.startswith(b"v="):
            raise ScramError("the server's SCRAM signature is missing")
        if not hmac.compare_digest(_decoded(server_final[2:]), self._signature):
            raise ScramError("the server's SCRAM signature is wrong: it does not know the password")
        self.is_verified = True


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ScramError("the server's SCRAM message is not in base64") from None


_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def _prepared(password: str) -> bytes:
    """Applies SASLprep (RFC 4013). As in PostgreSQL, a password that it does not allow is used unchanged."""
    raw = password.encode("utf-8", "surrogatepass")
    if password.isascii():
        return raw
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(prohibited(letter) for letter in prepared for prohibited in _PROHIBITED):
        return raw
    right_to_left = [stringprep.in_table_d1(letter) for letter in prepared]
    if any(right_to_left):
        mixed = any(map(stringprep.in_table_d2, prepared))
        if mixed or not right_to_left[0] or not right_to_left[-1]:
            return raw
    return prepared.encode("utf-8", "surrogatepass")

"""TLS contexts for `sslmode` and related settings, and the data for channel binding."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any

from .connection_config import Target
from .files import FileError, read_regular

_ALPN = "postgresql"
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}

# OIDs of signature algorithms in DER, by the digest with which RFC 5929 hashes the certificate.
_RSA, _ECDSA = bytes.fromhex("2a864886f70d0101"), bytes.fromhex("2a8648ce3d0403")
_DIGESTS = {
    # MD5 and SHA-1 are replaced by SHA-256.
    **dict.fromkeys((_RSA + b"\x04", _RSA + b"\x05", _RSA + b"\x0b", _ECDSA + b"\x02"), "sha256"),
    bytes.fromhex("2a8648ce3d0401"): "sha256",
    **dict.fromkeys((_RSA + b"\x0c", _ECDSA + b"\x03"), "sha384"),
    **dict.fromkeys((_RSA + b"\x0d", _ECDSA + b"\x04"), "sha512"),
    **dict.fromkeys((_RSA + b"\x0e", _ECDSA + b"\x01"), "sha224"),
}
_SEQUENCE, _OBJECT_IDENTIFIER = 0x30, 0x06


class EncryptionError(Exception):
    """Error for TLS that is not possible with the given settings."""


def server_name(host: str) -> str | None:
    """Returns the server name to send; None for an address."""
    return None if not host or _address(host) is not None else host


def context_of(target: Target) -> ssl.SSLContext:
    """Returns the TLS context of a target with one host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # `check_peer` verifies the name, because OpenSSL does not match addresses with the common name.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # OpenSSL's own default. Python's refuses keys of 1,024 bits, even without verification. LibreSSL does not support
    # levels.
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("DEFAULT:@SECLEVEL=1")
    context.set_alpn_protocols([_ALPN])
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    context.minimum_version = _VERSIONS[target.ssl_min_protocol_version]
    if target.ssl_max_protocol_version is not None:
        context.maximum_version = _VERSIONS[target.ssl_max_protocol_version]
    try:
        _trust(context, target)
        _present(context, target)
    except FileNotFoundError as error:
        raise EncryptionError(f'certificate file "{error.filename}" does not exist') from None
    except FileError as error:
        raise EncryptionError(f"a certificate file cannot be used: {error.strerror}") from None
    except OSError as error:
        raise EncryptionError(_said(error)) from None
    return context


def missing_roots(target: Target) -> str | None:
    """Returns a missing CA file that, as in libpq, disables verification below `verify-ca`."""
    root, verifies = target.sslrootcert, target.sslmode in ("verify-ca", "verify-full")
    return root if root not in (None, "system") and not verifies and not Path(root or "").exists() else None


def _trust(context: ssl.SSLContext, target: Target) -> None:
    verifies, root = target.sslmode in ("verify-ca", "verify-full"), target.sslrootcert
    if root == "system" or (root is None and verifies):
        context.load_default_certs()
    elif root is not None and missing_roots(target) is None:
        # Not by OpenSSL: a request can name the file, and a pipe or a device would never end.
        content, _ = read_regular(root)
        context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
    else:
        return
    context.verify_mode = ssl.CERT_REQUIRED


def _present(context: ssl.SSLContext, target: Target) -> None:
    """Adds the client certificate, if there is one."""
    if target.sslcert is None or target.sslkey is None or not Path(target.sslcert).exists():
        return
    for path in (target.sslcert, target.sslkey):
        _, found = read_regular(path)
    forbidden = 0o037 if found.st_uid == 0 else 0o077
    if os.name == "posix" and found.st_mode & forbidden:
        raise EncryptionError(f'private key file "{target.sslkey}" can be read by others: run `chmod 600` on it')

    def no_passphrase() -> str:
        raise EncryptionError(f'private key file "{target.sslkey}" has a passphrase: decrypt it with `openssl pkey`')

    context.load_cert_chain(target.sslcert, target.sslkey, no_passphrase)


def check_peer(session: ssl.SSLObject, target: Target) -> None:
    """Checks the server name, and for direct TLS that the server selected PostgreSQL's protocol."""
    if target.sslnegotiation == "direct" and session.selected_alpn_protocol() != _ALPN:
        raise EncryptionError("the server did not select PostgreSQL's protocol (ALPN): use sslnegotiation=postgres")
    # As in libpq, the system's authorities sign for anyone, so the name must be verified.
    verifies_name = target.sslmode == "verify-full" or (target.sslmode == "verify-ca" and target.sslrootcert is None)
    host = target.first.host
    if verifies_name and not _names(session.getpeercert() or {}, host):
        raise EncryptionError(f'server certificate does not match host name "{host}"')


def _names(certificate: Any, host: str) -> bool:
    """Returns true if a certificate matches a host. The common name counts only without names of that kind."""
    names: list[tuple[str, str]] = list(certificate.get("subjectAltName", ()))
    address = _address(host)
    own_kind = "DNS" if address is None else "IP Address"
    if not any(kind == own_kind for kind, _ in names):
        names += [
            ("DNS", value) for part in certificate.get("subject", ()) for key, value in part if key == "commonName"
        ]
    return any(
        _address(name) == address if kind == "IP Address" else _matches(name, host)
        for kind, name in names
        if kind == "DNS" or (kind == "IP Address" and address is not None)
    )


def _matches(pattern: str, host: str) -> bool:
    pattern, host = pattern.lower(), host.lower()
    if pattern == host:
        return True
    label, dot, domain = host.partition(".")
    # A `*` matches only the first label, and never a part of an address.
    return pattern.startswith("*.") and bool(label and dot) and pattern[2:] == domain and _address(host) is None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def channel_binding(session: ssl.SSLObject) -> bytes | None:
    """Returns `tls-server-end-point` of RFC 5929; None if the certificate's signature has no digest."""
    certificate = session.getpeercert(binary_form=True)
    digest = None if certificate is None else signature_digest(certificate)
    return None if certificate is None or digest is None else hashlib.new(digest, certificate).digest()


def signature_digest(certificate: bytes) -> str | None:
    """Returns the digest of the signature of a certificate in DER."""
    try:
        whole, _ = _element(certificate, _SEQUENCE)
        _, after = _element(whole, _SEQUENCE)
        algorithm, _ = _element(after, _SEQUENCE)
        identifier, _ = _element(algorithm, _OBJECT_IDENTIFIER)
    except ValueError:
        return None
    return _DIGESTS.get(identifier)


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Returns the content of the first element, which must have this tag, and the bytes after it."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError("another element")
    size, start = der[1], 2
    if size >= 0x80:
        start += size & 0x7F
        if not 2 < start <= 6 or len(der) < start:
            raise ValueError("a length that is none")
        size = int.from_bytes(der[2:start], "big")
    if start + size > len(der):
        raise ValueError("too short")
    return der[start : start + size], der[start + size :]


def _said(error: OSError) -> str:
    """Returns OpenSSL's message without its codes."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or type(error).__name__


def reason(error: ssl.SSLError) -> str:
    """Returns the reason of a failed handshake."""
    return _said(error)

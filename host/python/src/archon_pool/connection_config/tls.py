"""TLS settings: `sslmode` and related settings, by the names of libpq and of drivers."""

from __future__ import annotations

from collections.abc import Sequence

from .keywords import one_of, refused
from .parts import Parts
from .target import HostPort, invalid

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_WEAK_MODES = _MODES[:3]
_WORDS = ", ".join(_MODES)
_VERSIONS = ("TLSv1.2", "TLSv1.3")
_OLD_VERSIONS = ("TLSv1", "TLSv1.1")
_TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def truth(text: str) -> bool | None:
    """Parses a boolean as drivers spell it."""
    return _TRUTHS.get(text.lower())


def settle_certificates(parts: Parts) -> None:
    """Converts certificate settings of drivers to libpq's.

    With Prisma's `sslaccept`, `sslcert` is the authority's certificate.
    """
    factory = parts.read("sslfactory", _factory)
    parts.no_verify = factory == "NonValidatingFactory"
    # This factory verifies with Java's own authorities in any mode.
    if factory == "DefaultJavaSSLFactory" and (parts.get("sslmode") or "").lower() != "disable":
        parts.set("sslmode", "verify-full")
        parts.fill("sslrootcert", "system")
    accept = parts.word("sslaccept", ("strict", "accept_invalid_certs"))
    parts.take("sslaccept")
    if accept is None:
        return
    root = None if parts.get("sslkey") else parts.take("sslcert")
    if accept == "strict":
        parts.set("sslmode", "verify-full")
        parts.fill("sslrootcert", root or "")
    else:
        parts.fill("sslmode", "prefer")
        parts.no_verify = True


def _factory(name: str, text: str) -> str:
    factory = text.rpartition(".")[2]
    if factory not in ("NonValidatingFactory", "LibPQFactory", "DefaultJavaSSLFactory"):
        raise refused(name, "a factory class is not supported; give sslmode")
    return factory


def verification(parts: Parts, hosts: Sequence[HostPort]) -> tuple[str, str | None]:
    """Returns `sslmode` and the authorities for verification."""
    mode = _mode(parts)
    root = None if parts.no_verify else parts.get("sslrootcert")
    if root == "system":
        if mode in _WEAK_MODES:
            raise invalid("sslrootcert=system takes sslmode=verify-full: with a weaker one it proves nothing")
        return "verify-full", root
    if mode is None:
        # Supabase always offers TLS, so requiring it never prevents a connection.
        is_supabase = any(each.host.endswith((".supabase.co", ".supabase.com")) for each in hosts)
        mode = "require" if is_supabase else "prefer"
    return mode, root


def _mode(parts: Parts) -> str | None:
    def sslmode(name: str, text: str) -> str:
        if parts.is_jdbc:
            # Java drivers accept the words in any case, and R2DBC as enum constants.
            text = text.lower().replace("_", "-")
        if text == "no-verify":
            parts.no_verify = True
            return "require"
        if text not in _MODES:
            raise one_of(name, _WORDS)
        return text

    def ssl(name: str, text: str) -> str:
        value = truth(text)
        if value is None:
            if not parts.is_jdbc and text != "no-verify" and text not in _MODES:
                raise one_of(name, f"true, false, {_WORDS}")
            return sslmode(name, text)
        if not parts.is_jdbc:
            return "require" if value else "disable"
        verified = "require" if parts.no_verify else "verify-full"
        return verified if value else ""

    def requiressl(name: str, text: str) -> str:
        value = truth(text)
        if value is None:
            raise one_of(name, "true, false")
        return "require" if value else ""

    mode = parts.read("sslmode", sslmode)
    return mode or parts.read("ssl", ssl) or parts.read("requiressl", requiressl) or None


def negotiation(parts: Parts, sslmode: str) -> str:
    """Returns `sslnegotiation`: the start of TLS."""
    found = parts.word("sslnegotiation", ("postgres", "direct")) or "postgres"
    if found == "direct" and sslmode in _WEAK_MODES:
        raise invalid("sslnegotiation=direct takes sslmode=require or a stronger one")
    return found


def versions(parts: Parts) -> tuple[str, str | None]:
    """Returns the oldest and the newest allowed TLS version."""
    words = ", ".join([*_OLD_VERSIONS, *_VERSIONS])
    by_lower = {version.lower(): version for version in (*_OLD_VERSIONS, *_VERSIONS)}

    def version(name: str, text: str) -> str:
        if text.lower() not in by_lower:
            raise one_of(name, words)
        return by_lower[text.lower()]

    def newest(name: str, text: str) -> str:
        found = version(name, text)
        if found in _OLD_VERSIONS:
            raise refused(name, "TLSv1.2 is the oldest version that is supported")
        return found

    least = parts.read("ssl_min_protocol_version", version) or _VERSIONS[0]
    # An older minimum version has the same effect as the oldest supported one.
    least = _VERSIONS[0] if least in _OLD_VERSIONS else least
    most = parts.read("ssl_max_protocol_version", newest)
    if most is not None and most < least:
        raise invalid("ssl_min_protocol_version is above ssl_max_protocol_version: there is no version left")
    return least, most


def client_certificate(parts: Parts) -> tuple[str | None, str | None]:
    """Returns `sslcert` and `sslkey`, or neither."""

    def mode(name: str, text: str) -> str:
        if text == "require":
            raise refused(name, "that the server asks for a certificate is not verified here; leave it out")
        return text

    parts.read("sslcertmode", mode)
    shown = parts.word("sslcertmode", ("disable", "allow", "require"))
    certificate, key = parts.get("sslcert"), parts.get("sslkey")
    # As in libpq, a key without a certificate is not used.
    if certificate is None or shown == "disable":
        return None, None
    if key is None:
        raise invalid("sslcert is given without sslkey: give both")
    return certificate, key

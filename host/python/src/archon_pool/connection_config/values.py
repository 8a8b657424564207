"""Interpretation of the settings' texts. Faults never show a text: it may be a misplaced secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import pass_file, tls
from .ambient import Ambient
from .hosts import hosts
from .keywords import one_of, refused
from .origin import Origin
from .parts import Parts
from .target import HostPort, Target, invalid

_METHODS = ("password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none")
_NOT_SUPPORTED = frozenset(["gss", "sspi", "oauth"])
_BINDINGS = ("disable", "prefer", "require")
_ATTRIBUTES = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_ATTRIBUTES_OF_JDBC = {
    "any": "any",
    "primary": "read-write",
    "secondary": "read-only",
    "preferPrimary": "any",
    "preferSecondary": "prefer-standby",
    "master": "read-write",
    "slave": "read-only",
    "preferSlave": "prefer-standby",
}
_PLACEHOLDERS = frozenset(["[YOUR-PASSWORD]", "[YOUR_PASSWORD]", "<YOUR-PASSWORD>"])


def resolve(parts: Parts, origin: Origin) -> Target:
    """Applies defaults, and interprets the texts."""
    tls.settle_certificates(parts)
    if origin.is_request:
        parts.refuse_files()
    else:
        (origin.ambient or Ambient({}, None, None)).fill(parts)
    where = hosts(parts, origin)
    user = parts.get("user")
    if user is None:
        raise invalid("the connection has no user")
    database = parts.get("dbname") or user
    _check_kind(parts)
    sslmode, sslrootcert = tls.verification(parts, where)
    least, most = tls.versions(parts)
    certificate, key = tls.client_certificate(parts)
    found = Target(
        hosts=tuple(where),
        user=user,
        database=database,
        sslmode=sslmode,
        sslrootcert=sslrootcert,
        sslcert=certificate,
        sslkey=key,
        sslnegotiation=tls.negotiation(parts, sslmode),
        ssl_min_protocol_version=least,
        ssl_max_protocol_version=most,
        channel_binding=parts.word("channel_binding", _BINDINGS) or "prefer",
        require_auth=parts.read("require_auth", _methods),
        target_session_attrs=_session_attrs(parts),
        connect_timeout_s=parts.read("connect_timeout", _seconds),
        options=parts.get("options"),
    )
    with_passwords = _with_passwords(parts, origin, found)
    return replace(found, hosts=tuple(with_passwords), notes=tuple(parts.notes))


def _check_kind(parts: Parts) -> None:
    """Refuses settings that would create another kind of session, and notes the ignored ones."""

    def replication(name: str, text: str) -> None:
        if tls.truth(text) is not False:
            raise refused(name, "a replication session cannot run queries; leave it out")

    def protocol(name: str, text: str) -> None:
        if text != "3.0":
            raise refused(name, "3.0 is the newest protocol version that is supported")

    def gss(name: str, text: str) -> None:
        if text == "require":
            raise refused(name, "GSSAPI encryption is not supported; give sslmode=verify-full")

    parts.read("gssencmode", gss)
    parts.word("gssencmode", _BINDINGS)
    parts.read("replication", replication)
    parts.read("min_protocol_version", protocol)
    for setting in ("gssencmode", "replication", "min_protocol_version"):
        parts.note_passed_over(setting)


def _methods(name: str, text: str) -> tuple[str, ...]:
    """Parses the authentication methods that `require_auth` allows."""
    words = [word.strip() for word in text.split(",")]
    excluded = [word for word in words if word.startswith("!")]
    if excluded and len(excluded) != len(words):
        raise invalid(f"connection parameter '{name}' mixes methods with and without '!'")
    named = {word.lstrip("!") for word in words}
    if not named.issubset(_METHODS):
        raise one_of(name, ", ".join(_METHODS))
    allowed = tuple(method for method in _METHODS if (method in named) != bool(excluded))
    if _NOT_SUPPORTED.issuperset(allowed):
        raise refused(name, "gss, sspi and oauth are not supported; allow scram-sha-256")
    return allowed


def _session_attrs(parts: Parts) -> str:
    attributes = parts.word("target_session_attrs", _ATTRIBUTES)
    of_jdbc = parts.word("targetServerType", list(_ATTRIBUTES_OF_JDBC))
    return attributes or _ATTRIBUTES_OF_JDBC[of_jdbc or "any"]


def _seconds(name: str, text: str) -> int:
    """Parses a time limit in seconds. As in libpq, values that are not positive set no limit."""
    try:
        # Same range as in libpq.
        seconds = int(text[:11])
    except ValueError:
        seconds = 2**31
    if not -(2**31) <= seconds < 2**31:
        raise invalid(f"connection parameter '{name}' must be a number of seconds")
    return max(0, seconds)


def _with_passwords(parts: Parts, origin: Origin, target: Target) -> Sequence[HostPort]:
    """Adds each host's password: the given one, or that of the pass file."""
    password, named = parts.get("password"), parts.get("passfile")
    if password is not None:
        if password in _PLACEHOLDERS:
            raise invalid("the password is still the placeholder [YOUR-PASSWORD]: put the database's in its place")
        return [replace(host, password=password) for host in target.hosts]
    if named is not None:
        path: Path | None = Path(named)
    else:
        path = None if origin.ambient is None else origin.ambient.pass_file()
    if path is None:
        return target.hosts
    passwords, note = pass_file.passwords(path, target)
    if note is not None:
        parts.note(note)
    return [replace(host, password=found) for host, found in zip(target.hosts, passwords)]

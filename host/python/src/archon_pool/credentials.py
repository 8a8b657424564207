"""Connection credentials by name. A component gets a handle; the secret stays in the host.

Sources in order: the request, the host's mapping, the environment. libpq's variables, pass file, service file and
certificates complete the operator's own texts, never a request's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional, Union

from . import connection_config
from .connection_config import OPERATOR, REQUEST, Ambient, Origin, Parts, Target, invalid, resolve, within
from .faults import CREDENTIALS_NOT_FOUND, INVALID_PARAMS, FaultError, fail
from .supabase import access

DEFAULT = "default"
"""Mapping entry used when no name is given."""

_ENVIRONMENT = "environment"
_URLS = ("DATABASE_URL", "SUPABASE_DB_URL")
_PLACES = (
    "environment (DATABASE_URL, SUPABASE_DB_URL, SUPABASE_URL with SUPABASE_KEY, PGSERVICE, PGHOST, PGHOSTADDR, "
    "PGDATABASE)"
)
_POOLER_DATABASE = "pgbouncer"

Entry = Union[str, Mapping[str, Optional[str]]]
"""Connection URL, or a mapping with `url` and optionally `key` and `pooler` (the URL of a PgBouncer's console)."""


@dataclass(frozen=True)
class Credential:
    """Resolved credential."""

    name: str
    target: Target
    console: Target | None = None
    """Admin console of the PgBouncer in front of the database."""


class Vault:
    """Sources of credentials. Their contents are never shown."""

    def __init__(self, credentials: Mapping[str, Entry] | None = None, environment: bool = True) -> None:
        self._entries = dict(credentials) if credentials is not None else None
        self._consults_environment = environment

    def __repr__(self) -> str:
        return f"Vault({sorted(self._entries or ())})"

    def named(self, name: str) -> Credential | None:
        """Returns the entry with this name."""
        if name == _ENVIRONMENT:
            return self._in_environment()
        if self._entries is None or name not in self._entries:
            return None
        entry = self._entries[name]
        given = {"url": entry} if isinstance(entry, str) else dict(entry)
        try:
            url = given.pop("url", None)
            key, pooler = given.pop("key", None), given.pop("pooler", None)
            if url is None or given:
                raise invalid("an entry has url, and perhaps key and pooler")
            origin = self._origin()
            console = None if pooler is None else _console("pooler", pooler, origin)
            return Credential(name, access(url, key, origin), console)
        except FaultError as error:
            raise within(f"credential {shown(name)}", error) from None

    def default(self) -> Credential | None:
        """Returns the credential for a request that names none."""
        return self.named(DEFAULT) or self._in_environment()

    def _in_environment(self) -> Credential | None:
        """Returns the credential of the first variable that is set; if it is invalid, the next does not replace it."""
        origin = self._origin()
        ambient = origin.ambient
        if ambient is None:
            return None
        console = ambient.get("PGBOUNCER_URL")
        opened = None if console is None else _console("PGBOUNCER_URL", console, origin)
        for name in _URLS:
            url = ambient.get(name)
            if url is not None:
                return Credential(_ENVIRONMENT, _of_variable(name, url, None, origin), opened)
        url = ambient.get("SUPABASE_URL")
        if url is not None:
            key = ambient.get("SUPABASE_KEY")
            target = _of_variable("SUPABASE_URL and SUPABASE_KEY", url, key, origin)
            return Credential(_ENVIRONMENT, target, opened)
        return Credential(_ENVIRONMENT, resolve(Parts(), origin), opened) if ambient.names_a_place() else None

    def _origin(self) -> Origin:
        """Returns the origin of the vault's own texts."""
        return Origin(is_request=False, ambient=Ambient.of_process()) if self._consults_environment else OPERATOR

    def not_found(self, name: str | None) -> FaultError:
        """Returns the fault that lists every source tried."""
        tried = ["request (supabaseUrl, supabaseKey)"] if name is None else []
        if self._entries is None:
            tried.append("credentials (none given to the host)")
        else:
            tried.append(f"credentials of the host (no entry {shown(name or DEFAULT)})")
        if name in (None, _ENVIRONMENT):
            tried.append(f"{_PLACES} (none set)" if self._consults_environment else "environment (not consulted)")
        which = "" if name is None else f" under the name {shown(name)}"
        return fail(CREDENTIALS_NOT_FOUND, f"Supabase credentials not found{which}; tried: {', '.join(tried)}")


class CredentialScope:
    """Credentials that one call may use: the one that the request brought or named, or the default."""

    def __init__(self, vault: Vault, url: str | None, key: str | None, name: str | None) -> None:
        if url is not None and name is not None:
            raise fail(INVALID_PARAMS, "supabaseUrl and credential both name a database: give one of them")
        if url is None and key is not None:
            raise invalid("supabaseKey opens nothing by itself: give supabaseUrl with it")
        self._vault = vault
        self._name = name
        self._request = None if url is None else Credential("request", access(url, key, REQUEST))

    def lookup(self, asked: str | None) -> Credential:
        """Finds the credential of this call. Any other name is refused: the operator granted one database, not all of
        them.
        """
        if asked is not None and asked != self._name:
            why = f"Supabase credentials not found: credential {shown(asked)} is not granted to this call"
            raise fail(CREDENTIALS_NOT_FOUND, why)
        if self._request is not None:
            return self._request
        found = self._vault.default() if self._name is None else self._vault.named(self._name)
        if found is None:
            raise self._vault.not_found(self._name)
        return found


def _of_variable(name: str, url: str, key: str | None, origin: Origin) -> Target:
    try:
        return access(url, key, origin)
    except FaultError as error:
        raise within(name, error) from None


def _console(name: str, url: str, origin: Origin) -> Target:
    try:
        console = resolve(connection_config.parts(url), origin)
        if console.database != _POOLER_DATABASE:
            raise invalid("the URL must end in /pgbouncer: that database is the admin console of PgBouncer")
        return console
    except FaultError as error:
        raise within(name, error) from None


def shown(name: str) -> str:
    """Quotes a plain name. Anything else may be a misplaced secret and is not shown."""
    return f"'{name}'" if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "that is no plain name"

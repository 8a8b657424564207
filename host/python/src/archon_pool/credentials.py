"""What opens a connection: named, opaque, and never shown.

A component gets a handle; the secret stays here. Where a credential comes from, in this order: the request,
the mapping that the host was given, the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional, Union

from . import target as targets
from .faults import CREDENTIALS_NOT_FOUND, INVALID_PARAMS, Fault, FaultError, fail
from .target import Target, invalid

DEFAULT = "default"
"""The entry of the mapping that counts when no name is given."""

_ENVIRONMENT = "environment"
_URLS = ("DATABASE_URL", "SUPABASE_DB_URL")
_PLACES = "environment (DATABASE_URL, SUPABASE_DB_URL, SUPABASE_URL with SUPABASE_KEY)"
_WANTED = "the database password is needed (dashboard, Project Settings, Database)"
_POOLER_DATABASE = "pgbouncer"

Entry = Union[str, Mapping[str, Optional[str]]]
"""A connection URL, or a mapping with `url`, and perhaps `key` and `pooler` (the URL of a PgBouncer's console)."""


@dataclass(frozen=True)
class Credential:
    """A credential that was found."""

    name: str
    target: Target
    console: Target | None = None
    """The admin console of the PgBouncer before it."""


def access(url: str, key: str | None) -> Target:
    """Where `supabaseUrl` and `supabaseKey` lead. A pooler's host is never guessed: it is in no URL."""
    url = url.strip()
    if key is not None:
        _refuse_other_keys(key)
    if targets.is_url(url):
        target = targets.parse(url)
        return target if key is None else target.with_password(key)
    project = re.fullmatch(r"https://([a-z]{20})\.supabase\.co/?", url)
    if not project:
        raise invalid("the URL must be https://<project>.supabase.co or a postgres:// connection URL")
    if key is None:
        raise invalid(f"the URL names a project and nothing that opens it came with it: {_WANTED}")
    host = f"db.{project[1]}.supabase.co"
    return Target(host, 5432, "postgres", "postgres", "require", password=key)


def _refuse_other_keys(key: str) -> None:
    # A JSON Web Token: three parts, the first a JSON object in base64.
    token = key.startswith("eyJ") and key.count(".") == 2
    if token or key.startswith(("sb_publishable_", "sb_secret_")):
        raise invalid(
            "the key is an API key: it opens the project's REST API, which shows neither sessions nor "
            f"settings; {_WANTED}"
        )
    if key.startswith("sbp_"):
        raise invalid(f"the key is an access token, which only the Rust host uses; {_WANTED}")


class Vault:
    """Where credentials are looked for. What it was given is never shown."""

    def __init__(self, credentials: Mapping[str, Entry] | None = None, environment: bool = True) -> None:
        self._entries = dict(credentials) if credentials is not None else None
        self._consults_environment = environment

    def __repr__(self) -> str:
        return f"Vault({sorted(self._entries or ())})"

    def named(self, name: str) -> Credential | None:
        """The entry of a name."""
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
            return Credential(name, access(url, key), None if pooler is None else _console("pooler", pooler))
        except FaultError as error:
            raise _within(f"credential {shown(name)}", error) from None

    def default(self) -> Credential | None:
        """What counts when the request names none."""
        return self.named(DEFAULT) or self._in_environment()

    def _in_environment(self) -> Credential | None:
        """The first variable that is set counts; when it is wrong, the next is no substitute for it."""
        if not self._consults_environment:
            return None
        console = os.environ.get("PGBOUNCER_URL")
        opened = None if not console else _console("PGBOUNCER_URL", console)
        for name in _URLS:
            url = os.environ.get(name)
            if url:
                return Credential(_ENVIRONMENT, _of_variable(name, url, None), opened)
        url = os.environ.get("SUPABASE_URL")
        if not url:
            return None
        key = os.environ.get("SUPABASE_KEY") or None
        return Credential(_ENVIRONMENT, _of_variable("SUPABASE_URL and SUPABASE_KEY", url, key), opened)

    def not_found(self, name: str | None) -> FaultError:
        """The fault that names every place that was tried."""
        tried = ["request (supabaseUrl, supabaseKey)"] if name is None else []
        if self._entries is None:
            tried.append("credentials (none given to the host)")
        else:
            tried.append(f"credentials of the host (no entry {shown(name or DEFAULT)})")
        if name in (None, _ENVIRONMENT):
            tried.append(f"{_PLACES} (none set)" if self._consults_environment else "environment (not consulted)")
        which = "" if name is None else f" under the name {shown(name)}"
        return fail(CREDENTIALS_NOT_FOUND, f"Supabase credentials not found{which}; tried: {', '.join(tried)}")


class Lent:
    """The credentials that one call may use: the one that the request brought or named, or the default."""

    def __init__(self, vault: Vault, url: str | None, key: str | None, name: str | None) -> None:
        if url is not None and name is not None:
            raise fail(INVALID_PARAMS, "supabaseUrl and credential both name a database: give one of them")
        if url is None and key is not None:
            raise invalid("supabaseKey opens nothing by itself: give supabaseUrl with it")
        self._vault = vault
        self._name = name
        self._request = None if url is None else Credential("request", access(url, key))

    def lookup(self, asked: str | None) -> Credential:
        """Finds the credential of this call. A component that asks for another name gets none: the operator
        lent it one database, not all of them.
        """
        if asked is not None and asked != self._name:
            why = f"Supabase credentials not found: credential {shown(asked)} is not lent to this call"
            raise fail(CREDENTIALS_NOT_FOUND, why)
        if self._request is not None:
            return self._request
        found = self._vault.default() if self._name is None else self._vault.named(self._name)
        if found is None:
            raise self._vault.not_found(self._name)
        return found


def _of_variable(name: str, url: str, key: str | None) -> Target:
    try:
        return access(url, key)
    except FaultError as error:
        raise _within(name, error) from None


def _console(name: str, url: str) -> Target:
    try:
        console = targets.parse(url)
        if console.database != _POOLER_DATABASE:
            raise invalid("the URL must end in /pgbouncer: that database is the admin console of PgBouncer")
        return console
    except FaultError as error:
        raise _within(name, error) from None


def _within(where: str, error: FaultError) -> FaultError:
    fault = error.fault
    return FaultError(Fault(fault.kind, f"{where}: {fault.message}", fault.sqlstate, fault.retryable))


def shown(name: str) -> str:
    """A name in quotes, as long as it looks like one: what else it is may be a slipped secret."""
    return f"'{name}'" if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "that is no plain name"

"""Targets of `supabaseUrl` and `supabaseKey`: a connection string, a project, or a local stack."""

from __future__ import annotations

import re

from . import connection_config
from .connection_config import REQUEST, Origin, Parts, Target, invalid, resolve, unwrapped
from .faults import FaultError

_WANTED = (
    "the database password is needed (dashboard, Project Settings, Database); an access token opens sessions in the "
    "Rust host alone"
)

_LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):54321(?:/.*)?")
"""API URL of `supabase start`; its database is on the next port, with the same password on each machine."""
_LOCAL_PORT = "54322"
_LOCAL_PASSWORD = "postgres"  # noqa: S105 - it is no secret


def access(url: str, key: str | None, origin: Origin) -> Target:
    """Resolves a URL and its key. A pooler's host is never guessed: no URL contains it."""
    text = unwrapped(url)
    local = _LOCAL.fullmatch(text)
    if local is not None:
        return _local_stack(local[1], key)
    if text.startswith("http://"):
        raise _unknown(text)
    if key is not None and _is_api_key(key):
        raise invalid(
            "the key is an API key: it opens the project's REST API, which shows neither sessions nor "
            f"settings; {_WANTED}"
        )
    if key is not None and key.startswith("sbp_"):
        raise invalid(f"the key is an access token, which only the Rust host uses; {_WANTED}")
    if not text.startswith("https://"):
        parts = connection_config.parts(text)
        if key is not None and parts.get("password") is not None:
            raise invalid("the URL holds a password and the key is another: give one of them")
        parts.fill("password", key or "")
        return resolve(parts, origin)
    project = re.fullmatch(r"https://([a-z]{20})\.supabase\.co(?::443)?(?:[/?#].*)?", text)
    if project is None:
        raise _unknown(text)
    if key is None:
        raise invalid(f"the URL names a project and nothing that opens it came with it: {_WANTED}")
    # The address is complete: nothing of the environment is added.
    return resolve(_parts(f"db.{project[1]}.supabase.co", "5432", key), REQUEST)


def _parts(host: str, port: str, password: str) -> Parts:
    parts = Parts()
    for setting, text in (("host", host), ("port", port), ("user", "postgres"), ("dbname", "postgres")):
        parts.set(setting, text)
    parts.set("password", password)
    return parts


def _local_stack(host: str, key: str | None) -> Target:
    if key is not None and key.startswith("sbp_"):
        raise invalid("a local Supabase stack has no Management API: leave the access token out")
    # Its API keys are the same on each machine, and open no database.
    password = _LOCAL_PASSWORD if key is None or _is_api_key(key) else key
    parts = _parts(host.strip("[]"), _LOCAL_PORT, password)
    parts.note(f"the URL is that of a local Supabase stack: its database at {host}:{_LOCAL_PORT} is used")
    return resolve(parts, REQUEST)


def _unknown(url: str) -> FaultError:
    """Returns the fault for the URL of an API whose database is unknown."""
    if url.startswith("http://"):
        return invalid(
            "the URL is an API's, and its database is not known: give the postgres:// URL that `supabase status` shows"
        )
    if ".supabase.co" in url:
        return invalid(
            "the URL names no project: a project reference has 20 lowercase letters, as in "
            "https://abcdefghijklmnopqrst.supabase.co"
        )
    return invalid("the URL must be https://<project>.supabase.co or a postgres:// connection URL")


def _is_api_key(key: str) -> bool:
    # JSON Web Token: three parts, the first a JSON object in base64.
    return key.startswith(("sb_publishable_", "sb_secret_")) or (key.startswith("eyJ") and key.count(".") == 2)

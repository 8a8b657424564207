"""`guard.json`: the texts and numbers by which the Rust host guards. They are read, never written down again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from . import component


@dataclass(frozen=True)
class Statements:
    """The statements that look and signal."""

    terminate: str
    would_terminate: str
    count: str
    classify: str
    still_there: str


@dataclass(frozen=True)
class Console:
    """What of PgBouncer's console may be named."""

    database: str
    size: str
    views: tuple[str, ...]
    withheld: str


@dataclass(frozen=True)
class Guard:
    """What every host enforces alike, whatever a component claims."""

    application: str
    statements: Statements
    protected_roles: tuple[str, ...]
    """Patterns of SQL's `ILIKE`."""
    protected_applications: tuple[str, ...]
    """Patterns of SQL's `ILIKE`."""
    settings: Mapping[str, str]
    """Of every session."""
    limits: Mapping[str, int]
    """Times in milliseconds."""
    policy: Mapping[str, int]
    """Caps of the host."""
    request: Mapping[str, int]
    """Defaults of the options that decide whom to end."""
    pgbouncer: Console
    encodings: Mapping[str, str]
    """WHATWG label of each of PostgreSQL's encodings that is not UTF-8."""
    secret_names: frozenset[str]
    """Names that a request gives to secrets, in lower case and without separators."""
    secret_words: tuple[str, ...]
    """Words that make a name that of a secret, wherever they stand in it."""


@lru_cache(maxsize=1)
def guard() -> Guard:
    """The guard that lies beside the component."""
    document = json.loads(component.file("guard.json").read_text("utf-8"))
    statements = document["statements"]
    console = document["pgbouncer"]
    return Guard(
        application=document["application"],
        statements=Statements(
            terminate=statements["terminate"],
            would_terminate=statements["wouldTerminate"],
            count=statements["count"],
            classify=statements["classify"],
            still_there=statements["stillThere"],
        ),
        protected_roles=tuple(document["protected"]["roles"]),
        protected_applications=tuple(document["protected"]["applications"]),
        settings=document["session"]["settings"],
        limits=document["limits"],
        policy=document["policy"],
        request=document["request"],
        pgbouncer=Console(
            database=console["database"],
            size=console["size"],
            views=tuple(console["views"]),
            withheld=console["withheld"],
        ),
        encodings=document["encodings"],
        secret_names=frozenset(document["secretNames"]),
        secret_words=tuple(document["secretWords"]),
    )

"""`guard.json`: the texts and numbers by which the Rust host guards. They are read, never written down again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
class SizeOption:
    """Default and range of an option that says how far a pool may be resized."""

    default: int
    least: int
    most: int


@dataclass(frozen=True)
class Reason:
    """Fault of a refused session."""

    id: str
    kind: str
    says: str
    """Template of the message, with the setting or the step that helps."""
    retryable: bool
    """True where the same login can succeed a moment later."""
    after_tls: str | None
    """The reason where TLS was tried, too, or cannot be had."""


@dataclass(frozen=True)
class RefusalRule:
    """Conditions of a refusal, all of which apply. Texts are compared in lower case."""

    reason: str
    sqlstates: tuple[str, ...] | None
    """Any of these, "" for none."""
    equals: str | None
    """The whole text."""
    starts: tuple[str, ...]
    """Begins of the text."""
    any_of: tuple[str, ...]
    """Words of which the text has one."""
    all_of: tuple[str, ...]
    """Words of which the text has each."""
    in_session: bool
    """True for the words of a pooler that has no server connection, also for a statement of an open session."""

    def applies(self, sqlstate: str, text: str) -> bool:
        """Checks an error, its text in lower case."""
        return (
            (self.sqlstates is None or sqlstate in self.sqlstates)
            and (self.equals is None or text == self.equals)
            and text.startswith(self.starts or "")
            and (not self.any_of or any(words in text for words in self.any_of))
            and all(words in text for words in self.all_of)
        )


@dataclass(frozen=True)
class StatementError:
    """Fault of a statement. It applies where one of its conditions does, or where it has none."""

    reasons: tuple[str, ...]
    """By the words of a pooler."""
    sqlstates: tuple[str, ...]
    fatal: tuple[str, ...]
    """By SQLSTATE, where the severity ends the session."""
    kind: str
    says: str
    """Template of the message."""
    retryable: bool
    limit: str
    """The limit that the message names."""

    def applies(self, of_pooler: str | None, sqlstate: str, *, is_fatal: bool) -> bool:
        """Checks an error, with the refusal that a pooler's words are."""
        codes = (*self.sqlstates, *self.fatal) if is_fatal else self.sqlstates
        is_any = not (self.reasons or self.sqlstates or self.fatal)
        return of_pooler in self.reasons or sqlstate in codes or is_any


@dataclass(frozen=True)
class ServerErrors:
    """Errors of servers and poolers and their meaning. All lists are in order."""

    reasons: Mapping[str, Reason]
    rules: tuple[RefusalRule, ...]
    fallbacks: tuple[tuple[tuple[str, ...], str], ...]
    """Refusals that no rule recognises, by the begin of their SQLSTATE."""
    pooler_sqlstates: frozenset[str]
    """SQLSTATEs that poolers have for everything; "" for none."""
    statements: tuple[StatementError, ...]


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
    sizing: Mapping[str, SizeOption]
    """Options that say how far a pool may be resized; `maxSize` is not below `minSize` either."""
    pgbouncer: Console
    encodings: Mapping[str, str]
    """WHATWG label of each of PostgreSQL's encodings that is not UTF-8."""
    name_bytes: int
    """Bytes of a name that a server keeps."""
    server_errors: ServerErrors
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
        sizing={name: SizeOption(**rule) for name, rule in document["sizing"].items()},
        pgbouncer=Console(
            database=console["database"],
            size=console["size"],
            views=tuple(console["views"]),
            withheld=console["withheld"],
        ),
        encodings=document["encodings"],
        name_bytes=document["names"]["bytes"],
        server_errors=_server_errors(document["serverErrors"]),
        secret_names=frozenset(document["secretNames"]),
        secret_words=tuple(document["secretWords"]),
    )


def _server_errors(table: Any) -> ServerErrors:
    def words(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
        return tuple(entry.get(name, ()))

    return ServerErrors(
        reasons={
            name: Reason(name, reason["kind"], reason["message"], reason["retryable"], reason.get("afterTls"))
            for name, reason in table["reasons"].items()
        },
        rules=tuple(
            RefusalRule(
                reason=rule["reason"],
                sqlstates=words(rule, "sqlstates") or None,
                equals=rule.get("equals"),
                starts=words(rule, "starts"),
                any_of=words(rule, "any"),
                all_of=words(rule, "all"),
                in_session=rule.get("inSession", False),
            )
            for rule in table["rules"]
        ),
        fallbacks=tuple((tuple(entry["begins"]), entry["reason"]) for entry in table["fallbacks"]),
        pooler_sqlstates=frozenset(table["poolerSqlstates"]),
        statements=tuple(
            StatementError(
                reasons=words(entry, "reasons"),
                sqlstates=words(entry, "sqlstates"),
                fatal=words(entry, "fatal"),
                kind=entry["kind"],
                says=entry["message"],
                retryable=entry["retryable"],
                limit=entry.get("limit", ""),
            )
            for entry in table["statements"]
        ),
    )

"""Guard data of the Rust host, read from `guard.json` and not duplicated here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from . import component


@dataclass(frozen=True)
class Statements:
    """Statements that find, check and signal sessions."""

    terminate: str
    would_terminate: str
    count: str
    classify: str
    still_there: str


@dataclass(frozen=True)
class Console:
    """Names that may be used on PgBouncer's console."""

    database: str
    size: str
    views: tuple[str, ...]
    withheld: str


@dataclass(frozen=True)
class SizeOption:
    """Default and range of a pool sizing option."""

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
    """True when the same login can succeed a moment later."""
    after_tls: str | None
    """Reason to use when TLS was tried too, or is not available."""


@dataclass(frozen=True)
class RefusalRule:
    """Conditions of a refusal, all of which apply. Texts are compared in lower case."""

    reason: str
    sqlstates: tuple[str, ...] | None
    """SQLSTATEs, one of which applies; "" stands for none."""
    equals: str | None
    """Whole text."""
    starts: tuple[str, ...]
    """Prefixes of the text."""
    any_of: tuple[str, ...]
    """Words of which the text contains at least one."""
    all_of: tuple[str, ...]
    """Words that the text contains all of."""
    in_session: bool
    """True for messages of a pooler without a server connection; they also apply to statements of an open session."""

    def applies(self, sqlstate: str, text: str) -> bool:
        """Returns true if the rule matches an error, whose text is in lower case."""
        return (
            (self.sqlstates is None or sqlstate in self.sqlstates)
            and (self.equals is None or text == self.equals)
            and text.startswith(self.starts or "")
            and (not self.any_of or any(words in text for words in self.any_of))
            and all(words in text for words in self.all_of)
        )


@dataclass(frozen=True)
class StatementError:
    """Fault of a statement. Applies when one of its conditions holds, or when it has none."""

    reasons: tuple[str, ...]
    """Reasons derived from a pooler's message."""
    sqlstates: tuple[str, ...]
    fatal: tuple[str, ...]
    """SQLSTATEs that apply when the severity ends the session."""
    kind: str
    says: str
    """Template of the message."""
    retryable: bool
    limit: str
    """Limit that the message names."""

    def applies(self, of_pooler: str | None, sqlstate: str, *, is_fatal: bool) -> bool:
        """Returns true if the entry matches an error; `of_pooler` is the reason derived from a pooler's message."""
        codes = (*self.sqlstates, *self.fatal) if is_fatal else self.sqlstates
        is_any = not (self.reasons or self.sqlstates or self.fatal)
        return of_pooler in self.reasons or sqlstate in codes or is_any


@dataclass(frozen=True)
class ServerErrors:
    """Errors of servers and poolers and their meaning. All lists are in order."""

    reasons: Mapping[str, Reason]
    rules: tuple[RefusalRule, ...]
    fallbacks: tuple[tuple[tuple[str, ...], str], ...]
    """Reasons for refusals that match no rule, by prefix of the SQLSTATE."""
    pooler_sqlstates: frozenset[str]
    """SQLSTATEs that poolers use for every error; "" for none."""
    statements: tuple[StatementError, ...]


@dataclass(frozen=True)
class Guard:
    """Rules that every host enforces for all components."""

    application: str
    statements: Statements
    protected_roles: tuple[str, ...]
    """Patterns of SQL's `ILIKE`."""
    protected_applications: tuple[str, ...]
    """Patterns of SQL's `ILIKE`."""
    settings: Mapping[str, str]
    """Settings of every session."""
    limits: Mapping[str, int]
    """Default limits; times are in milliseconds."""
    policy: Mapping[str, int]
    """Default caps of the host."""
    request: Mapping[str, int]
    """Defaults of the options that select the sessions to end."""
    sizing: Mapping[str, SizeOption]
    """Bounds of the pool sizing options; `maxSize` must also not be below `minSize`."""
    pgbouncer: Console
    encodings: Mapping[str, str]
    """WHATWG labels of PostgreSQL's encodings other than UTF-8."""
    name_bytes: int
    """Length to which a server truncates names, bytes."""
    server_errors: ServerErrors
    secret_names: frozenset[str]
    """Names of request fields that hold secrets, in lower case without separators."""
    secret_words: tuple[str, ...]
    """Words that mark a name as that of a secret, at any position."""


@lru_cache(maxsize=1)
def guard() -> Guard:
    """Returns the guard that is bundled with the component."""
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

"""Host's part of a request: fields passed on, credentials kept, and changes allowed.

Sessions are ended and pools resized only when the request asks for it, regardless of the component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .credentials import CredentialScope, Vault
from .faults import INVALID_PARAMS, SECRET_IN_PARAMS, FaultError, fail
from .guard.policy import Policy
from .guard_spec import guard
from .secret_scan import holds_secret, is_secret

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

_NO_CHANGES = "the host's policy allows no changes: set the policy's apply"


@dataclass(frozen=True)
class Bounds:
    """Bounds of a resize, from the request and not from the component."""

    min_size: int
    max_size: int
    growth_rate: int
    shrink_rate: int

    def refuse(self, before: int, size: int) -> str | None:
        """Returns the reason why a resize violates the bounds. A size outside the bounds may return to the nearest
        bound at once, without a step limit.
        """
        if size == 0 or (size > self.max_size and size >= before):
            return f"{size} is not within options.maxSize, {self.max_size}"
        if size < self.min_size and size <= before:
            return f"{size} is not within options.minSize, {self.min_size}"
        if before < size <= self.min_size or self.max_size <= size < before:
            return None
        name, rate = ("growthRate", self.growth_rate) if size > before else ("shrinkRate", self.shrink_rate)
        step, most = abs(size - before), max(1, -(-before * rate // 100))
        if step > most:
            return f"from {before} to {size} is a step of {step}, and options.{name}, {rate} %, allows {most}"
        return None


@dataclass(frozen=True)
class Intent:
    """Changes that the request asks for."""

    kill_refusal: str | None
    """Reason why no session may be ended; None when the request asks for that."""
    max_kill_percentage: int
    idle_ms: int
    idle_in_transaction_ms: int
    only: frozenset[tuple[int, int]] | None
    """The only sessions that may be ended, by pid and start; None for all."""
    resize_refusal: str | None
    """Reason why no pool may be changed; None when the request asks for that."""
    bounds: Bounds | str
    """Bounds of a resize, or the reason why an option is invalid."""

    def patience_ms(self, state: str) -> int:
        """Returns the minimum time in a state before a session may be ended."""
        return self.idle_in_transaction_ms if state.startswith("idle in transaction") else self.idle_ms


@dataclass(frozen=True)
class Request:
    """Parsed request."""

    input: Any
    """Input for the component."""
    scope: CredentialScope
    intent: Intent


def take_apart(params: Any, vault: Vault, policy: Policy) -> Request:
    """Parses the host's part of a request."""
    if not isinstance(params, dict):
        if holds_secret(params):
            raise _misplaced()
        # The component reports the exact error.
        return Request(params, CredentialScope(vault, None, None, None), _intent({}, policy))
    fields = dict(params)
    url, key = _secret(fields, "supabaseUrl"), _secret(fields, "supabaseKey")
    name = fields.get("credential")
    if isinstance(name, str) and ("://" in name or "@" in name):
        raise fail(SECRET_IN_PARAMS, "credential: a name is wanted, not a URL")
    # `carry` was written by a component and holds names and statements of the server's sessions.
    if any(name != "carry" and is_secret(name, value) for name, value in fields.items()):
        raise _misplaced()
    scope = CredentialScope(vault, url, key, name if isinstance(name, str) else None)
    return Request(fields, scope, _intent(fields, policy))


def _secret(fields: dict[str, Any], name: str) -> str | None:
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise fail(INVALID_PARAMS, f"{name}: a text is wanted")
    return value


def _misplaced() -> FaultError:
    why = "the request holds a secret where none belongs: its places are supabaseUrl and supabaseKey"
    return fail(SECRET_IN_PARAMS, why)


def _intent(request: Mapping[str, Any], policy: Policy) -> Intent:
    given = request.get("options")
    options = given if isinstance(given, Mapping) else {}
    deciding = guard().request

    def threshold(name: str) -> int:
        value = options.get(name)
        return value if _is_whole(value) else deciding[name]

    try:
        only, unreadable = _selection(options.get("only")), None
    except ValueError as error:
        # With a selection that cannot be read, nothing is ended.
        only, unreadable = frozenset(), str(error)
    return Intent(
        kill_refusal=_unasked(request, policy, "kill-idle", "ends sessions") or _unclear(given, deciding) or unreadable,
        max_kill_percentage=threshold("maxKillPercentage"),
        idle_ms=threshold("idleTimeoutMs"),
        idle_in_transaction_ms=threshold("idleInTransactionTimeoutMs"),
        only=only,
        resize_refusal=_unasked(request, policy, "auto-scale", "changes pools") or _forbidden(options),
        bounds=_bounds(given),
    )


def _unasked(request: Mapping[str, Any], policy: Policy, wanted: str, does: str) -> str | None:
    """Returns the reason why a request does not ask for this action; None when it does."""
    if not policy.apply:
        return _NO_CHANGES
    named = request.get("action")
    action = named if isinstance(named, str) else "full-analysis"
    if action != wanted:
        return f"the request's action is {action}, and only {wanted} {does}"
    options = request.get("options")
    dry_run = options.get("dryRun") if isinstance(options, Mapping) else None
    if dry_run is None or dry_run is False:
        return None
    # Any other value is not a clear consent.
    return (
        "the request asks for a dry run: options.dryRun"
        if dry_run is True
        else "options.dryRun is neither true nor false"
    )


def _unclear(options: object, deciding: Mapping[str, int]) -> str | None:
    """Returns the first option for ending sessions that violates the contract: the component may interpret it
    differently than the host.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        return "options is no object"
    for name in deciding:
        value = options.get(name)
        if value is not None and not _is_whole(value):
            return f"options.{name} is no whole number"
    return None


def _selection(only: object) -> frozenset[tuple[int, int]] | None:
    """Reads the selected sessions; None when none is in particular."""
    if only is None:
        return None
    if not isinstance(only, (list, tuple)) or not all(map(_is_identity, only)):
        raise ValueError("options.only is no list of sessions")
    return frozenset((session["pid"], session["backendStart"]) for session in only)


def _is_identity(session: object) -> bool:
    return (
        isinstance(session, Mapping)
        and session.keys() == {"pid", "backendStart"}
        and all(isinstance(value, int) and not isinstance(value, bool) for value in session.values())
    )


def _forbidden(options: Mapping[str, Any]) -> str | None:
    allowed = options.get("allowAutoScaling")
    if allowed is None or allowed is True:
        return None
    if allowed is False:
        return "options.allowAutoScaling is false"
    return "options.allowAutoScaling is neither true nor false"


def _bounds(given: object) -> Bounds | str:
    """Reads the resize bounds. An invalid option allows no resize."""
    if given is not None and not isinstance(given, Mapping):
        return "options is no object"
    options = given or {}

    def number(name: str, at_least: int = 0) -> int:
        rule, value = guard().sizing[name], options.get(name)
        value = rule.default if value is None else value
        if not _is_whole(value) or not max(rule.least, at_least) <= value <= rule.most:
            raise ValueError(f"options.{name} is not in its range")
        return int(value)

    try:
        min_size = number("minSize")
        return Bounds(min_size, number("maxSize", min_size), number("growthRate"), number("shrinkRate"))
    except ValueError as error:
        return str(error)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

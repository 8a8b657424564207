"""Under what every call of a host is made."""

from __future__ import annotations

from dataclasses import dataclass

from .audit import Audit
from .guard.policy import Hourly, Policy
from .guard_spec import Guard
from .limits import Limits


@dataclass(frozen=True)
class Terms:
    """Under what a call is made."""

    guard: Guard
    limits: Limits
    policy: Policy
    hourly: Hourly
    audit: Audit
    about: dict[str, str]
    """What every audit record says of the component."""
    catalogue: frozenset[str]
    """SHA-256 of every statement that a component may send."""

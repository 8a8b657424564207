"""Context shared by all calls of a host."""

from __future__ import annotations

from dataclasses import dataclass

from .audit import Audit
from .guard.policy import Hourly, Policy
from .guard_spec import Guard
from .limits import Limits


@dataclass(frozen=True)
class Terms:
    """Context of a call."""

    guard: Guard
    limits: Limits
    policy: Policy
    hourly: Hourly
    audit: Audit
    about: dict[str, str]
    """Component data in every audit record."""
    catalogue: frozenset[str]
    """SHA-256 of every statement that a component may send."""

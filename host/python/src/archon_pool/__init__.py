"""A connection pool manager for PostgreSQL and Supabase: one sandboxed component, and the powers it needs."""

from .contract import SkillInput, SkillOutput
from .faults import Fault, FaultError
from .guard.policy import Policy
from .limits import Limits
from .pool import ConnectionPool
from .registry import SkillRegistry, get_skill_registry

__all__ = [
    "ConnectionPool",
    "Fault",
    "FaultError",
    "Limits",
    "Policy",
    "SkillInput",
    "SkillOutput",
    "SkillRegistry",
    "get_skill_registry",
]

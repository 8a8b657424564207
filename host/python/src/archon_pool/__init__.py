"""Connection pool manager for PostgreSQL and Supabase: a host for one sandboxed component and its imports."""

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

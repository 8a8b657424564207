"""Registry of skills by name, with events, one deadline for all attempts, and safe retries."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Callable, Literal, Protocol

from .faults import INVALID_PARAMS, Fault
from .log import Log

NAME = "supabase-connection-pool"
"""Skill name in every SkillOutput."""

EventName = Literal["start", "complete", "error"]
Event = Mapping[str, Any]
"""Mapping `{"skill": …}`, with `result` or `error`."""
Listener = Callable[[Event], object]

Params = Mapping[str, Any]
Output = dict[str, Any]


@dataclass(frozen=True)
class Tried:
    """Result of one attempt."""

    output: Output
    """SkillOutput of the attempt."""
    fault: Fault | None
    """Fault of a failed attempt."""
    signalled: bool = False
    """True when a session may have been signalled or a pool changed: the skill is not retried."""


class Skill(Protocol):
    """Skill that can be executed by name."""

    deadline: timedelta
    retries: int
    back_off: timedelta
    log: Log | None

    def attempt(self, params: Params, end: float) -> Tried:
        """Runs one attempt, which must end by `end` on the monotonic clock."""


class SkillRegistry:
    """Registry of skills by name."""

    def __init__(self) -> None:
        self._skills: dict[str, Skill] = {}
        self._listeners: dict[str, list[Listener]] = {"start": [], "complete": [], "error": []}

    def register(self, name: str, skill: Skill) -> None:
        """Adds a skill, or replaces the one with this name."""
        self._skills[name] = skill

    def names(self) -> list[str]:
        """Returns the names of the registered skills."""
        return sorted(self._skills)

    def on(self, event: EventName, listener: Listener) -> None:
        """Registers a listener for `start`, `complete` or `error` events of a skill."""
        self._listeners[event].append(listener)

    def execute(self, name: str, params: Params | None = None) -> Output:
        """Executes a skill. Always returns a SkillOutput: a fault is `success: false`."""
        given = {} if params is None else params
        # Invalid requests are refused by the skill and have no fields to log.
        readable = given if isinstance(given, Mapping) else {}
        self._tell("start", {"skill": name})
        skill = self._skills.get(name)
        if skill is None:
            known = ", ".join(self.names())
            fault = Fault(INVALID_PARAMS, f"skill '{name}' is unknown: registered are {known}")
            output = failure(fault, "")
            self._tell("error", {"skill": name, "error": fault})
            return output
        started = time.monotonic()
        if skill.log:
            skill.log.started(readable)
        tried = _tries(skill, given, started)
        took_ms = int((time.monotonic() - started) * 1000)
        if tried.fault is None:
            if skill.log:
                skill.log.completed(readable, tried.output, took_ms)
            self._tell("complete", {"skill": name, "result": tried.output})
        else:
            if skill.log:
                skill.log.failed(readable, tried.fault, took_ms)
            self._tell("error", {"skill": name, "error": tried.fault})
        return tried.output

    def _tell(self, event: EventName, what: Event) -> None:
        for listener in self._listeners[event]:
            listener(what)


def _tries(skill: Skill, params: Params, started: float) -> Tried:
    """Retries until success, a fault that is not retryable, or the deadline."""
    end = started + skill.deadline.total_seconds()
    tries = 0
    while True:
        tried = skill.attempt(params, end)
        # Doubles with each attempt; random jitter keeps many callers from retrying together.
        pause_s = skill.back_off.total_seconds() * 2**tries * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        retryable = tried.fault is not None and tried.fault.retryable and not tried.signalled
        if not retryable or tries >= skill.retries or time.monotonic() + pause_s >= end:
            return tried
        time.sleep(pause_s)
        tries += 1


def failure(fault: Fault, version: str) -> Output:
    """Converts a fault of the host to a SkillOutput."""
    return {
        "success": False,
        "error": fault.to_json(),
        "skill": NAME,
        "version": version,
        "duration": 0,
        "timestamp": None,
    }


_REGISTRY = SkillRegistry()


def get_skill_registry() -> SkillRegistry:
    """Returns the registry of the process."""
    return _REGISTRY

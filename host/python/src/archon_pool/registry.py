"""Skills by name, with events, one deadline over all tries, and retries where they do no harm."""

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
"""The skill's name in every SkillOutput."""

EventName = Literal["start", "complete", "error"]
Event = Mapping[str, Any]
"""`{"skill": …}`, and with it `result` or `error`."""
Listener = Callable[[Event], object]

Params = Mapping[str, Any]
Output = dict[str, Any]


@dataclass(frozen=True)
class Tried:
    """What one try came to."""

    output: Output
    """A SkillOutput."""
    fault: Fault | None
    """Why it failed."""
    signalled: bool = False
    """Whether a session may have been signalled, or a pool changed: then it is not tried again."""


class Skill(Protocol):
    """Something that can be executed by name."""

    deadline: timedelta
    retries: int
    back_off: timedelta
    log: Log | None

    def attempt(self, params: Params, end: float) -> Tried:
        """One try, to be done by `end` of the monotonic clock."""


class SkillRegistry:
    """Skills by name."""

    def __init__(self) -> None:
        self._skills: dict[str, Skill] = {}
        self._listeners: dict[str, list[Listener]] = {"start": [], "complete": [], "error": []}

    def register(self, name: str, skill: Skill) -> None:
        """Adds a skill, or replaces the one under this name."""
        self._skills[name] = skill

    def names(self) -> list[str]:
        """The names of the registered skills."""
        return sorted(self._skills)

    def on(self, event: EventName, listener: Listener) -> None:
        """Has a function called at each `start`, `complete` or `error` of a skill."""
        self._listeners[event].append(listener)

    def execute(self, name: str, params: Params | None = None) -> Output:
        """Executes a skill. Always answers with a SkillOutput: a fault is `success: false`."""
        given = {} if params is None else params
        # What is no request is refused by the skill, and has nothing for the log.
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
    """Tries until it works, the fault is one that trying again cannot mend, or the deadline is near."""
    end = started + skill.deadline.total_seconds()
    tries = 0
    while True:
        tried = skill.attempt(params, end)
        # Doubles with each try, and is spread, so that many callers do not come back together.
        pause_s = skill.back_off.total_seconds() * 2**tries * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        retryable = tried.fault is not None and tried.fault.retryable and not tried.signalled
        if not retryable or tries >= skill.retries or time.monotonic() + pause_s >= end:
            return tried
        time.sleep(pause_s)
        tries += 1


def failure(fault: Fault, version: str) -> Output:
    """A fault of the host as a SkillOutput."""
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
    """The registry of this process."""
    return _REGISTRY

"""Tries, and when there is not another one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archon_pool import Fault, SkillRegistry
from archon_pool.log import Log
from archon_pool.registry import Params, Tried, failure


class Flaky:
    """Fails some times before it works, and counts its tries."""

    def __init__(self, failures: int, *, retryable: bool = True, signalled: bool = False, late: bool = False) -> None:
        self.deadline = timedelta(0) if late else timedelta(seconds=60)
        self.retries = 2
        self.back_off = timedelta(milliseconds=1)
        self.log: Log | None = None
        self.tries = 0
        self._failures = failures
        self._fault = Fault("server-unreachable", "no", retryable=retryable)
        self._signalled = signalled

    def attempt(self, params: Params, end: float) -> Tried:
        self.tries += 1
        if self.tries <= self._failures:
            return Tried(failure(self._fault, "1.0.0"), self._fault, self._signalled)
        return Tried({"success": True}, None)


@pytest.mark.parametrize(
    ("skill", "tries", "success"),
    [
        (Flaky(0), 1, True),
        (Flaky(2), 3, True),
        (Flaky(9), 3, False),
        (Flaky(9, retryable=False), 1, False),
        (Flaky(9, signalled=True), 1, False),
        (Flaky(9, late=True), 1, False),
    ],
)
def test_only_what_may_help_and_cannot_harm_is_tried_again(skill: Flaky, tries: int, success: bool) -> None:
    registry = SkillRegistry()
    registry.register("it", skill)
    output = registry.execute("it", {})
    assert (skill.tries, output["success"]) == (tries, success)

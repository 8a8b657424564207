"""Caps on orders, per call and as a percentage of sessions."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..wire import Outcome
from .policy import Policy


@dataclass
class Account:
    """Cap of one database, fixed at a call's first delivery: ending sessions must not raise it."""

    cap: int
    killable: int
    clients: int
    spent: int = 0


@dataclass
class KillCounter:
    """Numbers of sessions that one call has ended, per database and in total."""

    accounts: dict[tuple[int, int], Account] = field(default_factory=dict)
    spent: int = 0


class Caps:
    """Caps of a call: the policy's, and the request's own percentage, which can only lower it."""

    def __init__(self, policy: Policy, requested: int) -> None:
        lower = requested < policy.max_kill_percentage
        self._percentage = requested if lower else policy.max_kill_percentage
        self._setting = "options.maxKillPercentage" if lower else "the policy's max_kill_percentage"
        self._max_kills = policy.max_kills
        self.max_kills_per_hour = policy.max_kills_per_hour

    def account(self, killable: int, clients: int) -> Account:
        """Returns the account of a database: the percentage of the smaller number, rounded down."""
        cap = min(killable, clients) * min(self._percentage, 100) // 100
        return Account(cap, killable, clients)

    def room(self, account: Account, spent: int) -> int | str:
        """Returns the number of further orders allowed after `spent` in total, or the message of the reached cap."""
        left, left_in_all = account.cap - account.spent, self._max_kills - spent
        if left <= 0:
            return (
                f"the cap of {account.cap} ended sessions is reached: {self._setting} is {self._percentage} % of "
                f"{account.killable} killable among {account.clients} client sessions"
            )
        if left_in_all <= 0:
            return f"the cap of {self._max_kills} ended sessions in one call is reached: the policy's max_kills"
        return min(left, left_in_all)

    def over_hour(self) -> Outcome:
        """Returns the outcome of an order that exceeds the hourly cap."""
        why = (
            f"the cap of {self.max_kills_per_hour} ended sessions an hour is reached for this database: "
            "the policy's max_kills_per_hour"
        )
        return Outcome("denied", why)


def counts(outcome: Outcome) -> bool:
    """Returns true if an outcome counts against the caps: the signal was or may have been sent."""
    return outcome.case in ("signalled", "survived", "failed")

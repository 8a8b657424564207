"""Connection pool manager for Python programs."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Optional, cast

from . import json_text
from .audit import Audit
from .audit import Listener as AuditListener
from .cassette.recorder import Recorder
from .cassette.replayer import Cassette
from .component import MANAGER, file
from .contract import PoolStats, SkillInput, SkillOutput
from .credentials import Entry, Vault
from .engine import Engine
from .faults import INCOMPLETE_COVERAGE, INVALID_PARAMS, Fault, FaultError, fail
from .guard.policy import Hourly, Policy
from .guard_spec import guard
from .host import Host, document, fault_of
from .limits import Limits
from .linking import PACKAGE, VERSION
from .log import Log
from .registry import NAME, EventName, Listener, Output, Params, SkillRegistry, Tried, failure
from .request import take_apart
from .shared_hour import SharedHour
from .terms import Terms

_LOG = logging.getLogger("archon_pool")

Path = Optional["str | os.PathLike[str]"]


class ConnectionPool:
    """Connection pool manager for one or more PostgreSQL or Supabase databases.

    ```python
    with ConnectionPool() as pool:
        report = pool.run({"action": "full-analysis"})["data"]
    ```

    Instances are thread-safe; each call has its own store, sessions and limits.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Entry] | None = None,
        environment: bool = True,
        limits: Limits | None = None,
        policy: Policy | None = None,
        retries: int | None = None,
        back_off: timedelta = timedelta(milliseconds=250),
        audit: AuditListener | None = None,
        audit_file: Path = None,
        record: Path = None,
        replay: Path = None,
        component: Path = None,
    ) -> None:
        """Loads the component.

        `credentials` are connection URLs by name, `default` for requests that name none; `environment` enables the
        environment as a further source. `audit` and `audit_file` receive a record before and after each action.
        `record` writes a cassette of every call, `replay` answers from one instead of a server. `component` is another
        file of the same world.
        """
        self._vault = Vault(credentials, environment)
        self._limits = limits or Limits()
        self._audit = Audit(audit, audit_file)
        self._policy = policy or Policy()
        self._hourly = Hourly(SharedHour())
        self._engine = Engine(component or file(MANAGER), self._limits)
        self._recorder: Recorder | None = None
        try:
            cassette = None if replay is None else Cassette(replay)
            if record is not None:
                package = f"{PACKAGE}@{VERSION}"
                self._recorder = Recorder(record, self._engine.name, self._engine.sha256, package)
            self._host = Host(self._engine, self._limits, self._recorder, cassette)
            self._description = self._host.describe()
            own = self._description if component is None else _bundled(self._limits)
            # Not the self-description of another component, which could list any statement.
            self._catalogue = frozenset(statement["sha256"] for statement in own["statements"])
        except BaseException:
            self.close()
            raise
        self.deadline = self._limits.deadline
        self.retries = self._description["retries"] if retries is None else retries
        self.back_off = back_off
        self.log: Log | None = Log(frozenset(self._description["actions"]))
        self._registry = SkillRegistry()
        self._registry.register(NAME, self)

    def __enter__(self) -> ConnectionPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the component, and closes the cassette."""
        if self._recorder is not None:
            self._recorder.close()
        self._engine.close()

    def describe(self) -> dict[str, Any]:
        """Returns name, version, actions, JSON Schemas, fault kinds and every SQL statement of the component."""
        return self._description

    def on(self, event: EventName, listener: Listener) -> None:
        """Registers a listener for `start`, `complete` or `error` events of `run`."""
        self._registry.on(event, listener)

    def run(self, params: SkillInput | None = None) -> SkillOutput:
        """Runs an action and always returns a SkillOutput: a fault is `success: False`.

        Retryable faults are retried within the deadline, unless something may have been signalled.
        """
        return cast(SkillOutput, self._registry.execute(NAME, cast(Params, params)))

    def execute(self, params: SkillInput | None = None) -> SkillOutput:
        """Runs an action once, without events and log lines."""
        tried = self.attempt({} if params is None else cast(Params, params), None)
        return cast(SkillOutput, tried.output)

    def quick_pool_status(self, params: SkillInput | None = None) -> PoolStats:
        """Returns the pool's statistics. Raises a `FaultError` when there are none."""
        stats: PoolStats = self._helped("monitor", params)["poolStats"]
        return stats

    def has_leak_risk(self, params: SkillInput | None = None) -> bool:
        """Returns true if any session is suspected of being leaked. Raises a `FaultError` for incomplete coverage."""
        detection = self._helped("detect-leaks", params)["leakDetection"]
        why = detection["coverage"].get("reason")
        if why is not None:
            raise fail(INCOMPLETE_COVERAGE, why)
        return bool(detection["detected"])

    def get_recommendations(self, params: SkillInput | None = None) -> list[str]:
        """Returns the recommendations of a full analysis, worst first. Raises a `FaultError` when there are none."""
        texts: list[str] = self._helped("full-analysis", params)["recommendations"]
        return texts

    def _helped(self, action: str, params: SkillInput | None) -> Any:
        output = self.run(cast(SkillInput, {**(params or {}), "action": action}))
        fault = fault_of(cast(Output, output))
        if fault is not None:
            raise FaultError(fault)
        return output["data"]

    def attempt(self, params: Params, end: float | None) -> Tried:
        """Runs one attempt, as a registry requires."""
        signalled = False
        try:
            text = _as_json(params)
            # Uses the JSON that the component reads: the caller's objects may behave differently.
            request = take_apart(_parsed(text), self._vault, self._policy)
            answer = self._host.run(request, _as_json(request.input), self._terms(), end)
            signalled = answer.signalled
            if isinstance(answer.output, Fault):
                raise FaultError(answer.output)
            output = document(answer.output, self._engine.name)
        except FaultError as error:
            output = failure(error.fault, self._description["version"])
        fault = fault_of(output)
        if fault is not None and signalled:
            # Repeating a call that signalled sessions may signal others.
            fault = replace(fault, retryable=False)
            output["error"]["retryable"] = False
        return Tried(output, fault, signalled)

    def _terms(self) -> Terms:
        return Terms(
            guard=guard(),
            limits=self._limits,
            policy=self._policy,
            hourly=self._hourly,
            audit=self._audit,
            about={"plugin": self._engine.name, "digest": self._engine.sha256},
            catalogue=self._catalogue,
        )


def _bundled(limits: Limits) -> dict[str, Any]:
    """Returns the self-description of the bundled component."""
    engine = Engine(file(MANAGER), limits)
    try:
        return Host(engine, limits).describe()
    finally:
        engine.close()


def _parsed(text: str) -> Any:
    try:
        return json_text.parse(text)
    except ValueError as error:
        # Only the host's own message is shown: the text was written by `json`.
        raise fail(INVALID_PARAMS, f"the input cannot be read: {error}") from None


def _as_json(params: object) -> str:
    try:
        return json.dumps(
            dict(params) if isinstance(params, Mapping) else params, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError):
        # The error's own message may quote a value.
        raise fail(INVALID_PARAMS, "the input is no JSON: use dicts, lists, texts and numbers alone") from None

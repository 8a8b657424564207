"""One call of the component: a new store, the imports of its world, and all limits."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wasmtime import Store, WasmtimeError
from wasmtime.component import Instance

from . import json_text
from .cassette.recorder import Recorded, Recorder
from .cassette.replayer import Cassette, Player
from .clock import Clock
from .engine import TICK_S, Engine
from .faults import (
    HOST_FAILED,
    PLUGIN_TRAPPED,
    UNEXPECTED_ANSWER,
    WORLD_MISMATCH,
    EndedError,
    Fault,
    FaultError,
    fail,
    limit_reached,
)
from .limits import Limits
from .linking import Linking, exported
from .live import Live
from .request import Request
from .terms import Terms
from .wire import Imports

_LOG = logging.getLogger("archon_pool")

_RUN = "skill.run"


@dataclass(frozen=True)
class Answer:
    """Result of a call."""

    output: str | Fault
    """Text that the component returned, or the host's own fault."""
    signalled: bool = False
    """True when a session may have been signalled or a pool changed: the call must not be repeated blindly."""


class Host:
    """Runs one component with one set of limits."""

    def __init__(
        self, engine: Engine, limits: Limits, recorder: Recorder | None = None, cassette: Cassette | None = None
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._recorder = recorder
        self._cassette = cassette

    def describe(self) -> dict[str, Any]:
        """Returns the component's self-description. Needs no server, and is not recorded."""
        clock = Clock(self._limits.deadline, self._limits.cpu)
        text = self._enter("skill.describe", [], Player([]), clock)
        self._check_size(text)
        return document(text, self._engine.name)

    def run(self, request: Request, text: str, terms: Terms, end: float | None) -> Answer:
        """Runs the component's JSON export with `text` as its input."""
        clock = Clock(self._limits.deadline, self._limits.cpu, end)
        if self._cassette is not None:
            return Answer(self._answered(text, self._cassette.next(_RUN), clock))
        live = Live(terms, request.scope, request.intent, clock)
        if self._recorder is None:
            return Answer(self._answered(text, live, clock), live.signalled)
        recorded = Recorded(live, self._recorder, _RUN, text)
        output = self._answered(text, recorded, clock)
        if isinstance(output, Fault):
            recorded.ended(output)
        else:
            recorded.returned(output)
        return Answer(output, live.signalled)

    def _answered(self, text: str, imports: Imports, clock: Clock) -> str | Fault:
        try:
            output = self._enter(_RUN, [text], imports, clock)
            self._check_size(output)
            return output
        except (FaultError, EndedError) as error:
            return error.fault

    def _check_size(self, output: str) -> None:
        limit = self._limits.report_bytes
        # A text has at least as many bytes as characters: avoids encoding oversized texts.
        if len(output) > limit or len(output.encode("utf-8", "surrogatepass")) > limit:
            raise FaultError(limit_reached(f"the component answered with more than {limit} bytes", "report_bytes"))

    def _enter(self, name: str, arguments: list[str], imports: Imports, clock: Clock) -> str:
        """Calls an exported function of texts, and closes everything that the call opened."""
        engine = self._engine
        with Store(engine.wasmtime) as store:
            store.set_fuel(self._limits.fuel)
            most = self._limits.instances
            store.set_limits(memory_size=self._limits.memory, instances=most, tables=most, memories=most)
            linking = Linking(engine.wasmtime, clock, imports, TICK_S)
            try:
                linking.resume(store)
                instance = linking.linker.instantiate(store, engine.component)
                return str(_function(store, instance, name)(store, *arguments))
            except (FaultError, EndedError):
                raise
            except Exception as error:
                clock.pause()
                raise self._why(error, linking, clock) from None
            finally:
                clock.pause()
                imports.close()
                linking.close()

    def _why(self, error: Exception, linking: Linking, clock: Clock) -> BaseException:
        """Converts an exception to the error of a terminated or refused component."""
        by = linking.ended_by or error
        if isinstance(by, EndedError) or not isinstance(by, Exception):
            return by
        if isinstance(by, WasmtimeError):
            return FaultError(self._fault(str(by), clock))
        # Not its text: a library's message may contain anything.
        where = "".join(traceback.format_tb(by.__traceback__))
        _LOG.error("the host failed with %s\n%s", type(by).__name__, where)
        return fail(HOST_FAILED, f"the host failed with {type(by).__name__}: its log says where")

    def _fault(self, said: str, clock: Clock) -> Fault:
        limits = self._limits
        # wasmtime's Python package reports a trap only as text.
        if "all fuel consumed" in said:
            return limit_reached(f"the component executed more than {limits.fuel} instructions", "fuel")
        if "interrupt" in said:
            return clock.interrupted()
        if "call stack exhausted" in said:
            return limit_reached(f"the component needs more than {limits.stack} bytes of stack", "stack")
        if "exceeds memory limits" in said or "memory minimum size" in said:
            return limit_reached(f"the component needs more than {limits.memory} bytes of memory", "memory")
        if "resource limit exceeded" in said:
            why = f"the component has more than {limits.instances} instances, memories or tables"
            return limit_reached(why, "instances")
        if "fuel allocated for hostcalls" in said:
            return limit_reached("the component passed more than wasmtime allows at once", "message_bytes")
        name = self._engine.name
        if "matching implementation was not found" in said:
            return Fault(WORLD_MISMATCH, f"{name} asks for what no world of the contract has: {said.splitlines()[0]}")
        if "unreachable" in said:
            why = f"{name} was ended: it panicked or ran out of memory (limit `memory`)"
            return Fault(PLUGIN_TRAPPED, why)
        last = [line.strip() for line in said.splitlines() if line.strip()]
        return Fault(PLUGIN_TRAPPED, f"{name} was ended: {last[-1] if last else 'it does not say why'}")


def document(output: str, name: str) -> dict[str, Any]:
    """Parses the SkillOutput that a component returned."""
    try:
        read = json_text.parse(output)
    except json_text.CountError as error:
        raise FaultError(
            limit_reached(f"{name} answered with JSON that is too much: {error}", "report_bytes")
        ) from None
    except ValueError as error:
        raise fail(UNEXPECTED_ANSWER, f"{name} answered with something that is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise fail(UNEXPECTED_ANSWER, f"{name} answered with something that is no object")
    return read


def fault_of(output: Mapping[str, Any]) -> Fault | None:
    """Returns the fault of an unsuccessful SkillOutput."""
    return None if output.get("success") is True else Fault.from_json(output.get("error"))


def _function(store: Store, instance: Instance, name: str) -> Any:
    interface, function = name.split(".")
    outer = instance.get_export_index(store, exported(interface))
    inner = None if outer is None else instance.get_export_index(store, function, outer)
    found = None if inner is None else instance.get_func(store, inner)
    if found is None:
        raise fail(WORLD_MISMATCH, f"the component exports no function {function} in {interface}")
    return found

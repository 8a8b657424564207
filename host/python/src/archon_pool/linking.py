"""Imports for wasmtime's component API.

Record fields keep their WIT names, hyphens included, as attributes. This runtime leaves ending borrowed handles to the
callee. A `result` or `variant` whose cases have the same Python class is passed as a `Variant`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from wasmtime import Engine, Store, StoreContext, WasmtimeError
from wasmtime.component import Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant

from .clock import Clock
from .faults import Fault, FaultError
from .quicker import as_text, convert_faster
from .wire import Column, Imports, Order, Outcome, Parts, ProbeTiming, RowSet, Statement, Timestamp, Value

convert_faster()

PACKAGE = "archon:connection-pool"
VERSION = "1.0.0"

# wasmtime keeps the functions of all linkers in one list, whose changes are not atomic.
_ONE_AT_A_TIME = threading.Lock()

_RESOURCES = {"credential": 1, "session": 2, "console": 3}


def exported(interface: str) -> str:
    """Returns an interface's name as components export it."""
    return f"{PACKAGE}/{interface}@{VERSION}"


class Linking:
    """Imports of one call."""

    def __init__(self, engine: Engine, clock: Clock, imports: Imports, tick_s: float) -> None:
        self._clock = clock
        self._imports = imports
        self._tick_s = tick_s
        self.ended_by: BaseException | None = None
        """Exception that ended the component from within an import."""
        with _ONE_AT_A_TIME:
            self.linker = Linker(engine)
            self._define()

    def close(self) -> None:
        """Removes the imports."""
        with _ONE_AT_A_TIME:
            self.linker.close()

    def resume(self, context: Store | StoreContext) -> None:
        """Starts the component's time, up to the remaining limit."""
        self._clock.resume()
        left_s = self._clock.guest_seconds_left()
        # None left ends it at once; otherwise add the current tick, which is already running.
        ticks = int(left_s / self._tick_s) + 1 if left_s > 0 else 0
        # `StoreContext` lacks the method, but works as the store here.
        Store.set_epoch_deadline(context, ticks)  # type: ignore[arg-type]

    def _define(self) -> None:
        imports = self._imports
        interfaces: dict[str, tuple[list[str], dict[str, Callable[..., object]]]] = {
            "types": ([], {}),
            "credentials": (
                ["credential"],
                {
                    "lookup": lambda name: _own("credential", imports.lookup(name)),
                    "[method]credential.name": imports.credential_name,
                },
            ),
            "database": (
                ["session"],
                {
                    "[static]session.open": lambda using: _own("session", imports.open_session(using)),
                    "[method]session.access-path": imports.session_access_path,
                    "[method]session.notes": imports.session_notes,
                    "[method]session.query": lambda session, batch: [
                        _result(answer, _row_set) for answer in imports.query(session, [_statement(it) for it in batch])
                    ],
                    "probe": lambda using, count, timeout_ms: [
                        _result(answer, _timing) for answer in imports.probe(using, count, timeout_ms)
                    ],
                },
            ),
            "pooler": (
                ["console"],
                {
                    "[static]console.open": lambda using: _own("console", imports.open_console(using)),
                    "[method]console.kind": imports.console_kind,
                    "[method]console.show": lambda console, views: [
                        _result(answer, _row_set) for answer in imports.show(console, views)
                    ],
                },
            ),
            "backends": (
                [],
                {
                    "deliver": lambda on, orders, dry_run: [
                        _outcome(it) for it in imports.deliver(on, [_order(it) for it in orders], dry_run)
                    ]
                },
            ),
            "scaling": (
                [],
                {
                    "resize": lambda on, to, dry_run: _record(
                        **vars(imports.resize(on, to.pool, to.size, to.reason, dry_run))
                    ),
                    "reconnect": lambda on, database, reason, dry_run: _record(
                        **vars(imports.reconnect(on, database, reason, dry_run))
                    ),
                },
            ),
        }
        with self.linker.root() as root:
            for interface, (resources, functions) in interfaces.items():
                with root.add_instance(exported(interface)) as instance:
                    for resource in resources:
                        kind = ResourceType.host(_RESOURCES[resource])
                        instance.add_resource(resource, kind, self._dropping(resource))
                    for name, function in functions.items():
                        # Only the functions of `scaling` have records on both sides of the result.
                        tagged = interface == "scaling"
                        instance.add_func(name, self._lent(function, tagged))

    def _lent(self, function: Callable[..., object], tagged: bool) -> Callable[..., object]:
        def call(context: StoreContext, *arguments: Any) -> object:
            self._clock.pause()
            try:
                answer = function(*[_argument(context, argument) for argument in arguments])
                answer = Variant("ok", answer) if tagged else answer
            except FaultError as error:
                answer = Variant("err", _fault(error.fault)) if tagged else _fault(error.fault)
            except BaseException as error:
                # An escaping exception could surface in the call of another thread.
                self.ended_by = error
                raise WasmtimeError("the host ended the component") from None
            if isinstance(answer, list):
                # The time in which this runtime passes a large answer must not count as the component's.
                return _HandedOver(answer, lambda: self.resume(context))
            self.resume(context)
            return answer

        return call

    def _dropping(self, resource: str) -> Callable[[StoreContext, int], None]:
        def drop(_context: StoreContext, handle: int) -> None:
            try:
                self._imports.drop(resource, handle)
            except BaseException as error:
                self.ended_by = error
                raise WasmtimeError("the host ended the component") from None

        return drop


class _HandedOver(list[object]):
    """List with a callback when its last item was read."""

    def __init__(self, items: list[object], taken: Callable[[], None]) -> None:
        super().__init__(items)
        self._taken = taken

    def __iter__(self) -> Iterator[object]:
        yield from super().__iter__()
        self._taken()


def _argument(context: StoreContext, argument: object) -> object:
    """Converts a borrowed handle to its number, which ends the borrow."""
    return argument.to_host(context).rep if isinstance(argument, ResourceAny) else argument


def _own(resource: str, handle: int) -> ResourceHost:
    return ResourceHost.own(handle, _RESOURCES[resource])


def _record(**fields: object) -> Record:
    made = Record()
    made.__dict__.update({name.replace("_", "-"): value for name, value in fields.items()})
    return made


def _fault(fault: Fault) -> Record:
    return _record(**vars(fault))


def _result(answer: RowSet | ProbeTiming | Fault, record: Callable[[Any], Record]) -> Variant:
    return Variant("err", _fault(answer)) if isinstance(answer, Fault) else Variant("ok", record(answer))


def _row_set(answer: RowSet) -> Record:
    return _record(columns=list(map(_column, answer.columns)), count=answer.count, truncated=answer.truncated)


def _column(column: Column) -> Record:
    cells: object = column.cells
    if isinstance(cells, Parts):
        whole = {"text": as_text(cells.joined)} if column.kind == "texts" else {"bytes": cells.joined}
        cells = _record(ends=cells.ends, **whole)
    kind = Variant(column.kind, cells)
    return _record(name=column.name, type_oid=column.type_oid, nulls=column.nulls, cells=kind)


def _timing(timing: ProbeTiming) -> Record:
    return _record(**vars(timing))


def _statement(given: Any) -> Statement:
    params: Sequence[Variant] = given.params
    return Statement(given.sql, [_param(value) for value in params], getattr(given, "max-rows"))


def _param(value: Variant) -> Value:
    payload: Any = value.payload
    if value.tag == "timestamp":
        return Timestamp(payload)
    given: Value = payload
    return given


def _order(given: Any) -> Order:
    return Order(
        pid=given.target.pid,
        backend_start=getattr(given.target, "backend-start"),
        signal=given.signal,
        state=given.state,
        state_change=getattr(given, "state-change"),
        reason=given.reason,
    )


def _outcome(outcome: Outcome) -> Variant:
    if outcome.fault is not None:
        return Variant(outcome.case, _fault(outcome.fault))
    return Variant(outcome.case, outcome.why)

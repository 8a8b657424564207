"""wasmtime, configured once: interruptible, deterministic, with compiled components cached on disk."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import wasmtime
from wasmtime import Config, WasmtimeError
from wasmtime.component import Component

from .faults import NOT_A_COMPONENT, FaultError, fail, limit_reached
from .limits import Limits

TICK_S = 0.01
"""How often a running component is looked at. A limit on time is overrun by one tick at the most."""


class Engine:
    """Compiles one component. Its clock ticks until it is closed."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits) -> None:
        content = Path(path).read_bytes()
        if len(content) > limits.component_bytes:
            why = f"the component has {len(content)} bytes, {limits.component_bytes} are allowed"
            raise FaultError(limit_reached(why, "component_bytes"))
        self.name = Path(path).name
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.wasmtime = wasmtime.Engine(_config(limits))
        try:
            self.component = Component(self.wasmtime, content)
        except WasmtimeError as error:
            reason = str(error).splitlines()[0]
            raise fail(NOT_A_COMPONENT, f"{path} is not a WebAssembly component: {reason}") from None
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="archon-pool-epoch", daemon=True)
        self._ticker.start()

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            self.wasmtime.increment_epoch()

    def close(self) -> None:
        """Stops the clock."""
        self._over.set()
        self._ticker.join()


def _config(limits: Limits) -> Config:
    config = Config()
    config.epoch_interruption = True
    config.consume_fuel = True
    config.max_wasm_stack = limits.stack
    # The same input gives the same bytes on every processor.
    config.cranelift_nan_canonicalization = True
    config.wasm_relaxed_simd_deterministic = True
    try:
        config.cache = True
    except WasmtimeError:
        # Without a usable folder it compiles every time.
        return config
    return config

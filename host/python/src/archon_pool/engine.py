"""wasmtime engine: interruptible, deterministic, with compiled components cached on disk."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

import wasmtime
from wasmtime import Config, WasmtimeError
from wasmtime.component import Component

from .faults import NOT_A_COMPONENT, FaultError, fail, limit_reached
from .files import own_folder, replace_private
from .limits import Limits

TICK_S = 0.01
"""Interval of the epoch clock. A time limit is exceeded by at most one tick."""


class Engine:
    """Compiled component with a running epoch clock, until it is closed."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits) -> None:
        with Path(path).open("rb") as file:
            content = file.read(limits.component_bytes + 1)
        if len(content) > limits.component_bytes:
            why = f"the component has more than {limits.component_bytes} bytes"
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
    settings = _cache_settings()
    if settings is not None:
        try:
            config.cache = str(settings)
        except WasmtimeError:
            # Without a usable folder the component is compiled every time.
            return config
    return config


def _cache_settings() -> Path | None:
    """Returns the settings of a private cache for compiled code; None without a private folder.

    Cached code is executed unchecked, so nobody else may be able to write to the folder.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if not os.path.isabs(home):
        return None
    folder = own_folder(Path(home) / "archon-pool" / "python")
    if folder is None:
        return None
    settings = folder / "cache.toml"
    text = f"[cache]\ndirectory = {json.dumps(str(folder / 'compiled'))}\n".encode()
    try:
        if not settings.is_file() or settings.read_bytes() != text:
            replace_private(settings, text)
    except OSError:
        return None
    return settings

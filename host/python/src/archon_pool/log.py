"""Log lines of the contract, one JSON object each, through `logging`."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from . import connection_config
from .audit import now
from .faults import Fault, FaultError

LOGGER = "connection-pool-manager"
"""Logger name, in `logging` and in every line."""

_LOG = logging.getLogger(LOGGER)
# Programs that use the lines add a handler.
_LOG.addHandler(logging.NullHandler())


class Log:
    """Writes the log lines of a call."""

    def __init__(self, actions: frozenset[str]) -> None:
        self._actions = actions

    def started(self, params: Mapping[str, Any]) -> None:
        """Logs the start of a call."""
        context = {"action": self._action(params), "url": _url(params)}
        self._line(logging.INFO, "Connection Pool Manager iniciado", context)

    def completed(self, params: Mapping[str, Any], result: Mapping[str, Any], took_ms: int) -> None:
        """Logs a successful call."""
        # The report comes from the component and may have any shape.
        connections = _at(result, "data", "poolStats", "connections")
        actions = _at(result, "data", "actions")
        executed = [_at(action, "executed") is True for action in actions] if isinstance(actions, list) else []
        context = {
            "action": self._action(params),
            "poolSize": _count(_at(connections, "total")),
            "activeConnections": _count(_at(connections, "active")),
            "leaksDetected": _count(_at(result, "data", "leakDetection", "totalSuspected")),
            "actionsExecuted": sum(executed),
            "duration": took_ms,
        }
        self._line(logging.INFO, "Connection Pool analysis completed", context)

    def failed(self, params: Mapping[str, Any], fault: Fault, took_ms: int) -> None:
        """Logs a failed call."""
        context = {
            "action": self._action(params),
            "url": _url(params),
            "kind": fault.kind,
            "error": fault.message,
            "sqlstate": fault.sqlstate,
            "duration": took_ms,
        }
        self._line(logging.ERROR, "Connection Pool analysis failed", context)

    def _action(self, params: Mapping[str, Any]) -> str:
        """Returns the request's action, or "unknown": any other text may be a misplaced secret."""
        action = params.get("action", "full-analysis")
        return action if isinstance(action, str) and action in self._actions else "unknown"

    def _line(self, level: int, message: str, context: Mapping[str, Any]) -> None:
        line = {
            "timestamp": now(),
            "skill": LOGGER,
            "level": logging.getLevelName(level).lower(),
            "message": message,
            "context": context,
        }
        _LOG.log(level, "%s", json.dumps(line, ensure_ascii=False, separators=(",", ":")))


def _at(value: object, *path: str) -> object:
    """Returns the value at a path, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _url(params: Mapping[str, Any]) -> str:
    """Returns the hosts of the request's URL, or "from-vault" without one. Never returns a secret."""
    url = params.get("supabaseUrl")
    if not isinstance(url, str):
        return "from-vault"
    text = connection_config.unwrapped(url)
    try:
        api = re.match(r"https?://([^/?#:@]*)(?!.*@)", text)
        # Only the hosts that a connection would use, so that no other part of the text is shown.
        host = api[1] if api else connection_config.parts(text).get("host")
    except FaultError:
        host = None
    return host if host and re.fullmatch(r"[A-Za-z0-9.:_,-]+", host) else "unreadable"

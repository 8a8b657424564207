"""Origin of a connection string: a request or the operator."""

from __future__ import annotations

from dataclasses import dataclass

from .ambient import Ambient


@dataclass(frozen=True)
class Origin:
    """Origin of a connection string, which determines the sources it may use."""

    is_request: bool
    """True for a request, which cannot use anything of this machine."""
    ambient: Ambient | None = None
    """Operator's environment, if it is a source."""


REQUEST = Origin(is_request=True)
OPERATOR = Origin(is_request=False)

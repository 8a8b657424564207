"""The author of a connection text."""

from __future__ import annotations

from dataclasses import dataclass

from .ambient import Ambient


@dataclass(frozen=True)
class Origin:
    """The author of a text, who decides what it may draw upon."""

    is_request: bool
    """A request's: nothing of this machine counts for it."""
    ambient: Ambient | None = None
    """The environment, where that is a source of the operator's."""


REQUEST = Origin(is_request=True)
OPERATOR = Origin(is_request=False)

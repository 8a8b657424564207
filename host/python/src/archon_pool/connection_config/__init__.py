"""Connection settings with libpq's forms and precedence.

    URL or key=value text ─┐
    service file           ├─ Parts (one text per setting; the first source wins) ─ Target
    PG… variables          │
    ~/.pgpass, ~/.postgresql ┘

libpq itself reads none of these: every setting comes from the target. Variables, pass files, service files and client
certificates belong to the operator and are never added to a request, which could otherwise send the operator's
password to a server of its choice.
"""

from .ambient import Ambient
from .origin import OPERATOR, REQUEST, Origin
from .parts import Parts, within
from .target import HostPort, Target, invalid
from .text import holds_connection_text, parts, unwrapped
from .values import resolve

__all__ = [
    "OPERATOR",
    "REQUEST",
    "Ambient",
    "HostPort",
    "Origin",
    "Parts",
    "Target",
    "holds_connection_text",
    "invalid",
    "parts",
    "resolve",
    "unwrapped",
    "within",
]

"""Connection settings with libpq's forms and precedence.

    URL or key=value text ─┐
    service file           ├─ Parts (one text per setting; the first source wins) ─ Target
    PG… variables          │
    ~/.pgpass, ~/.postgresql ┘

libpq itself reads neither: it gets every setting from the target. Variables, pass files, service files and client
certificates are the operator's: a request gets none of them, so that nobody can have the operator's password sent
to a server of their own.
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

"""Detection of misplaced secrets in a request: a component gets all fields but `supabaseUrl` and `supabaseKey`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from .connection_config import holds_connection_text
from .guard_spec import guard

_URL_LOGIN = re.compile(r"://[^/?#:]*:[^/?#]+@")
_SEGMENT = re.compile(r"([^:/]+)(?=(:[0-9]|/)?)")
_ACCESS_TOKEN = re.compile("sbp_[0-9a-fA-F]{40}")
"""Supabase access token."""
_NO_TOKEN_LETTER = re.compile("[^A-Za-z0-9_.-]")
_VALUE = re.compile(r"bearer\s+\S|password\s*[:=]\s*\S", re.IGNORECASE)

_SHORTEST_HEADER = 13
"""Minimum length of a JSON Web Token's header: longer than `{"alg":""}` in base64."""


def is_secret(name: object, value: object) -> bool:
    """Returns true if a field, or anything in it, has the name of a secret or holds one."""
    return _is_name(str(name)) or holds_secret(name) or holds_secret(value)


def holds_secret(value: object) -> bool:
    """Returns true if anything in a value has the name of a secret or holds one."""
    if isinstance(value, str):
        return any(holds_connection_text(text) or _holds_credential(text) for text in {value, unquote(value)})
    if isinstance(value, Mapping):
        return any(is_secret(name, inner) for name, inner in value.items())
    return isinstance(value, (list, tuple)) and any(map(holds_secret, value))


def _is_name(name: str) -> bool:
    plain = re.sub("[^A-Za-z0-9]", "", name).lower()
    return plain in guard().secret_names or any(word in plain for word in guard().secret_words)


def _holds_credential(text: str) -> bool:
    """Returns true if a text contains a credential, by its form: a login in a URL or before an address, an access
    token, a JSON Web Token, a bearer token, or a value after `password`.
    """
    return _VALUE.search(text) is not None or any(_is_login(word) or _is_token(word) for word in text.split())


def _is_login(word: str) -> bool:
    """Returns true for `scheme://user:password@`, and for `user:password@host` if the host has a dot, a port or a path:
    `app:web@node` is an application name.
    """
    if "://" in word:
        return _URL_LOGIN.search(word) is not None
    _, colon, password = word.partition(":")
    # The password has at least one character.
    return bool(colon) and any(_is_address(found[1], found[2]) for found in _SEGMENT.finditer(password, 1))


def _is_address(segment: str, behind: str | None) -> bool:
    """Returns true for a host after an '@' that is followed by a port or a path, has a dot, or is localhost."""
    _, _, host = segment.partition("@")
    return bool(host) and ("." in host or segment.endswith("@localhost") or behind is not None)


def _is_token(word: str) -> bool:
    return _ACCESS_TOKEN.search(word) is not None or any(map(_is_json_web_token, _NO_TOKEN_LETTER.split(word)))


def _is_json_web_token(run: str) -> bool:
    parts = [part for part in run.split(".") if part]
    return len(parts) == 3 and parts[0].startswith("eyJ") and len(parts[0]) >= _SHORTEST_HEADER

"""Settings as given: one text each, from the first source that sets it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, TypeVar

from ..faults import Fault, FaultError
from . import keywords
from .keywords import Honoured, PassedOver, Refused, SocketFile
from .target import invalid, is_unicode

T = TypeVar("T")

_RIVALS = (("sslmode", "ssl", "requiressl", "sslaccept"), ("target_session_attrs", "targetServerType"))
"""Groups of settings that exclude each other: one that is given counts for all of them."""

_FILES = ("passfile", "service", "servicefile", "sslcert", "sslkey")


@dataclass(frozen=True)
class _Given:
    """Text of one setting."""

    name: str
    """Name by which it was given."""
    text: str = field(repr=False)
    place: str = ""
    """Variable, or line of a service file; empty for a connection string."""
    is_variable: bool = False


def within(place: str, error: FaultError) -> FaultError:
    """Adds the place of the text to a fault's message."""
    fault = error.fault
    return FaultError(Fault(fault.kind, f"{place}: {fault.message}", fault.sqlstate, fault.retryable))


class Parts:
    """Settings as given."""

    def __init__(self, *, is_jdbc: bool = False) -> None:
        self._given: dict[str, _Given] = {}
        self.notes: list[str] = []
        self.is_jdbc = is_jdbc
        """True when `ssl` has JDBC's meaning."""
        self._has_password_parameter = False
        self.no_verify = False
        """True when no certificate is verified, even with a known authority."""

    def set(self, setting: str, text: str) -> None:
        """Sets or replaces a setting. An empty text leaves it unset."""
        self._put(setting, _Given(setting, text))

    def fill(self, setting: str, text: str) -> None:
        """Sets a setting that is not set."""
        if self._is_open(setting):
            self.set(setting, text)

    def get(self, setting: str) -> str | None:
        """Returns the text of a setting."""
        given = self._given.get(setting)
        return None if given is None else given.text

    def take(self, setting: str) -> str | None:
        """Removes a setting and returns its text."""
        text = self.get(setting)
        self._given.pop(setting, None)
        return text

    def read(self, setting: str, reading: Callable[[str, str], T]) -> T | None:
        """Reads a setting by its given name and text. Faults name its place."""
        given = self._given.get(setting)
        if given is None:
            return None
        try:
            return reading(given.name, given.text.strip())
        except FaultError as error:
            raise within(given.place, error) if given.place else error from None

    def word(self, setting: str, words: Sequence[str]) -> str | None:
        """Reads a setting that must be one of `words`."""

        def reading(name: str, text: str) -> str:
            if text not in words:
                raise keywords.one_of(name, ", ".join(words))
            return text

        return self.read(setting, reading)

    def note_passed_over(self, setting: str) -> None:
        """Adds a note for an ignored setting. Variables get none, as they also serve other programs."""
        given = self._given.get(setting)
        if given is not None and not given.is_variable:
            self.note(keywords.passed_over(given.name))

    def parameter(self, name: str, value: str | None) -> None:
        """Adds a parameter of a connection string. A name without a value may be a part of a password."""
        meaning = keywords.meaning(name)
        is_shown = value is not None and not self._has_password_parameter
        if isinstance(meaning, Honoured):
            # A framework's `ssl` without a value requests TLS, and so does JDBC's empty one.
            if meaning.setting == "ssl" and (value is None or (self.is_jdbc and not value)):
                value = "true"
            if value is None:
                raise keywords.without_value(name)
            self._put(meaning.setting, _Given(name, value))
            # Later parameters may be the rest of an unescaped password.
            self._has_password_parameter |= meaning.setting == "password"
        elif isinstance(meaning, SocketFile):
            self._put_socket(_Given(name, value or ""))
        elif isinstance(meaning, PassedOver) or (is_shown and keywords.is_of_migrations(name)):
            self.note(keywords.passed_over(name))
        elif isinstance(meaning, Refused):
            # An empty value counts as unset everywhere.
            if value != "":
                raise keywords.refused(name, meaning.reason)
        else:
            raise keywords.unknown(name, is_shown=is_shown)

    def behind(self, name: str, value: str, place: str, *, is_variable: bool) -> None:
        """Adds a parameter of a later source, if earlier sources left it unset."""
        meaning = keywords.meaning(name)
        if isinstance(meaning, Honoured):
            if self._is_open(meaning.setting):
                self._put(meaning.setting, _Given(name, value, place, is_variable))
        elif isinstance(meaning, SocketFile):
            if self._is_open("host"):
                self._put_socket(_Given(name, value, place, is_variable))
        elif isinstance(meaning, PassedOver):
            if not is_variable:
                self.note(keywords.passed_over(name))
        elif isinstance(meaning, Refused):
            if value:
                raise within(place, keywords.refused(name, meaning.reason))
        else:
            raise within(place, keywords.unknown(name, is_shown=True))

    def note(self, note: str) -> None:
        """Adds a note once."""
        if note not in self.notes:
            self.notes.append(note)

    def refuse_files(self) -> None:
        """Refuses files and secrets of this machine in a request, without checking that they exist."""
        # `system` does not name a file.
        roots = () if self.get("sslrootcert") == "system" else ("sslrootcert",)
        for setting in (*_FILES, *roots):
            if setting in self._given:
                reason = "it names a file of this machine, which a request may not; give it to the host's credentials"
                raise keywords.refused(self._given[setting].name, reason)

    def _is_open(self, setting: str) -> bool:
        rivals = next((group for group in _RIVALS if setting in group), (setting,))
        return not any(rival in self._given for rival in rivals)

    def _put_socket(self, given: _Given) -> None:
        """Splits the path of a socket."""
        if not given.text:
            return
        found = re.fullmatch(r"(/.*)/\.s\.PGSQL\.([0-9]+)", given.text)
        if found is None:
            why = f"connection parameter '{given.name}' must be a path that ends in /.s.PGSQL.PORT: give host and port"
            raise invalid(why)
        self._put("host", replace(given, text=found[1]))
        self._put("port", replace(given, text=found[2]))

    def _put(self, setting: str, given: _Given) -> None:
        if not is_unicode(given.text):
            place = f"{given.place}: " if given.place else ""
            raise invalid(f"{place}the {given.name} holds a lone surrogate, which is no character")
        if given.text:
            self._given[setting] = given

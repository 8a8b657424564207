"""Settings of the operator's environment, as libpq finds them.

These are variables, service files, `~/.pgpass` and `~/.postgresql`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path

from . import service_file
from .parts import Parts

_VARIABLES = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGPASSFILE": "passfile",
    "PGREQUIREAUTH": "require_auth",
    "PGCHANNELBINDING": "channel_binding",
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGOPTIONS": "options",
    "PGGSSENCMODE": "gssencmode",
    "PGSSLMODE": "sslmode",
    "PGREQUIRESSL": "requiressl",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCRL": "sslcrl",
    "PGSSLCRLDIR": "sslcrldir",
    "PGREQUIREPEER": "requirepeer",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGMINPROTOCOLVERSION": "min_protocol_version",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
}
"""Variables of libpq, and the parameter that each is."""

PLACES = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE")
"""Variables that say which server is meant: one of them is a credential by itself."""

_SYSTEM_FOLDERS = ("/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc")
"""Folders of the system's service file: Debian's, Red Hat's, and that of PostgreSQL's own builds."""


class Ambient:
    """The operator's environment. Files are read when they are needed."""

    def __init__(self, variables: Mapping[str, str], home: Path | None, user: str | None) -> None:
        self._variables = variables
        self._home = home
        self._user = user

    @classmethod
    def of_process(cls) -> Ambient:
        """The environment as it is now."""
        try:
            home: Path | None = Path.home()
        except RuntimeError:
            home = None
        # One that is not absolute would be the working directory's.
        return cls(dict(os.environ), home if home is not None and home.is_absolute() else None, _os_user())

    def get(self, name: str) -> str | None:
        """The value of a variable that is set and not empty."""
        return self._variables.get(name) or None

    def names_a_place(self) -> bool:
        """Checks that libpq's variables alone lead to a server."""
        return any(self.get(name) for name in PLACES)

    def pass_file(self) -> Path | None:
        """The user's own pass file."""
        return self._in_home(".pgpass")

    def fill(self, parts: Parts) -> None:
        """Fills what is open: first by the service, then by the variables, then by what libpq finds by itself."""
        service = parts.get("service") or self.get("PGSERVICE")
        if service is not None:
            named = parts.get("servicefile") or self.get("PGSERVICEFILE")
            service_file.fill(service, None if named is None else Path(named), self._service_files(named), parts)
        for name, keyword in _VARIABLES.items():
            value = self.get(name)
            if value is not None:
                parts.behind(keyword, value, name, is_variable=True)
        parts.fill("user", self._user or "")
        self._fill_certificates(parts)

    def _service_files(self, named: str | None) -> list[Path]:
        of_user = self._in_home(".pg_service.conf") if named is None else None
        folder = self.get("PGSYSCONFDIR")
        # Without an environment nothing but a named file counts.
        usual = () if self._home is None else _SYSTEM_FOLDERS
        folders = usual if folder is None else (folder,)
        return [*([] if of_user is None else [of_user]), *(Path(folder) / "pg_service.conf" for folder in folders)]

    def _fill_certificates(self, parts: Parts) -> None:
        parts.fill("sslrootcert", self._certificate("root.crt"))
        certificate = parts.get("sslcert") or self._certificate("postgresql.crt")
        key = parts.get("sslkey") or self._certificate("postgresql.key")
        if certificate and key:
            parts.fill("sslcert", certificate)
            parts.fill("sslkey", key)

    def _certificate(self, name: str) -> str:
        path = self._in_home(f".postgresql/{name}")
        return str(path) if path is not None and path.is_file() else ""

    def _in_home(self, name: str) -> Path | None:
        return None if self._home is None else self._home / name


def _os_user() -> str | None:
    # Not `getpass` first: it asks variables, and libpq asks the system.
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None

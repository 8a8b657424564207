"""Settings from the operator's environment, as in libpq: variables, service files, `~/.pgpass` and `~/.postgresql`."""

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
"""Parameter of each of libpq's variables."""

PLACES = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE")
"""Variables that name a server: one of them is enough for a credential."""

_SYSTEM_FOLDERS = ("/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc")
"""Folders of the system's service file: those of Debian, Red Hat and PostgreSQL's own builds."""


class Ambient:
    """Operator's environment. Files are read when they are needed."""

    def __init__(self, variables: Mapping[str, str], home: Path | None, user: str | None) -> None:
        self._variables = variables
        self._home = home
        self._user = user

    @classmethod
    def of_process(cls) -> Ambient:
        """Returns the current environment of the process."""
        try:
            home: Path | None = Path.home()
        except RuntimeError:
            home = None
        # A relative home would select files of the working directory.
        return cls(dict(os.environ), home if home is not None and home.is_absolute() else None, _os_user())

    def get(self, name: str) -> str | None:
        """Returns the value of a variable that is set and not empty."""
        return self._variables.get(name) or None

    def names_a_place(self) -> bool:
        """Returns true if libpq's variables alone name a server."""
        return any(self.get(name) for name in PLACES)

    def pass_file(self) -> Path | None:
        """Returns the path of the user's own pass file."""
        return self._in_home(".pgpass")

    def fill(self, parts: Parts) -> None:
        """Fills unset settings from the service, then the variables, then libpq's default files."""
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
        # Without a home folder only explicitly named files are used.
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
    # Not `getpass` first: it reads variables, whereas libpq queries the system.
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None

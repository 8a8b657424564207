"""Parameters of connection strings of libpq, drivers, frameworks and providers, and their treatment."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..faults import FaultError
from .target import invalid


@dataclass(frozen=True)
class Honoured:
    """Parameter that sets a setting, by libpq's name if it has one."""

    setting: str


@dataclass(frozen=True)
class SocketFile:
    """Parameter with the path of a Unix socket: a folder, and a name with the port."""


@dataclass(frozen=True)
class PassedOver:
    """Parameter without an effect here, which a note states."""


@dataclass(frozen=True)
class Refused:
    """Parameter that would change the session's security or kind and is not supported."""

    reason: str


_HONOURED = {
    # libpq, in the order of its documentation.
    **{
        name: name
        for name in (
            *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth"),
            *("channel_binding", "connect_timeout", "options", "replication", "gssencmode", "sslmode", "requiressl"),
            *("sslnegotiation", "sslcert", "sslkey", "sslcertmode", "sslrootcert", "ssl_min_protocol_version"),
            *("ssl_max_protocol_version", "min_protocol_version", "service", "servicefile", "target_session_attrs"),
        )
    },
    # Other names for settings of libpq.
    "ssl": "ssl",
    "ssl_require": "requiressl",
    "ssl_root_cert": "sslrootcert",
    "ssl_ca": "sslrootcert",
    "database": "dbname",
    "username": "user",
    "connectTimeout": "connect_timeout",
    "targetServerType": "targetServerType",
    "sslfactory": "sslfactory",
    "sslaccept": "sslaccept",
}

_NO_REVOCATION = "certificate revocation lists are not supported; leave it out"
_NO_SCRAM_KEYS = "SCRAM keys are not supported; give the password"
_NO_OAUTH = "OAuth logins are not supported; give a password"
_NO_OTHER_ROLE = "sessions run as the role that logs in; give that role as user"

_SOCKET_FACTORY = (
    "a socket factory of Java is not supported; start the Cloud SQL Auth Proxy or the like, and give its address"
)

_REFUSED = {
    "cloudSqlInstance": _SOCKET_FACTORY,
    "socketFactory": _SOCKET_FACTORY,
    "socketFactoryArg": _SOCKET_FACTORY,
    "sslkeylogfile": "it would write the session's TLS secrets to a file; leave it out",
    "sslpassword": "a key with a passphrase is not supported; decrypt it with `openssl pkey`",
    "sslcrl": _NO_REVOCATION,
    "sslcrldir": _NO_REVOCATION,
    "requirepeer": "the socket's owner is not verified here; leave it out",
    "scram_client_key": _NO_SCRAM_KEYS,
    "scram_server_key": _NO_SCRAM_KEYS,
    "oauth_issuer": _NO_OAUTH,
    "oauth_client_id": _NO_OAUTH,
    "oauth_client_secret": _NO_OAUTH,
    "oauth_scope": _NO_OAUTH,
    "sslidentity": "a PKCS #12 file is not supported; give sslcert and sslkey as PEM files",
    "sslinline": "certificates within the text are not supported; give sslcert and sslkey as files",
    "sslhostnameverifier": "a verifier class is not supported; give sslmode",
    "role": _NO_OTHER_ROLE,
    "session_authorization": _NO_OTHER_ROLE,
}

_PASSED_OVER = """
    client_encoding application_name fallback_application_name keepalives keepalives_idle keepalives_interval
    keepalives_count tcp_user_timeout sslcompression sslsni max_protocol_version krbsrvname gsslib gssdelegation
    load_balance_hosts authtype tty

    statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout
    search_path timezone datestyle intervalstyle extra_float_digits bytea_output client_min_messages
    default_transaction_isolation default_transaction_read_only default_transaction_deferrable
    standard_conforming_strings synchronous_commit row_security jit plan_cache_mode work_mem maintenance_work_mem geqo
    tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count log_statement

    supa workaround

    pgbouncer schema connection_limit pool_timeout socket_timeout statement_cache_size max_connection_lifetime
    max_idle_connection_lifetime single_use_connections

    prepared_statement_cache_size prepared_statement_name_func max_cached_statement_lifetime
    max_cacheable_statement_size command_timeout prepare_threshold async_fallback executemany_mode max_overflow
    pool_recycle pool_pre_ping min_size max_size timeout

    conn_max_age conn_health_checks disable_server_side_cursors

    adapter pool encoding charset reconnect prepared_statements statement_limit advisory_locks checkout_timeout
    reaping_frequency idle_timeout schema_search_path min_messages max_connections min_connections connection_retries
    database_tasks

    pool_size pool_count queue_target queue_interval prepare

    pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter
    pool_max_conn_idle_time pool_health_check_period default_query_exec_mode statement_cache_mode
    statement_cache_capacity description_cache_capacity prefer_simple_protocol binary_parameters
    disable_prepared_binary_result

    uselibpqcompat max min keepAlive idleTimeoutMillis connectionTimeoutMillis query_timeout max_lifetime fetch_types
    binary

    serverVersion

    keepalives_retries

    currentSchema prepareThreshold preparedStatementCacheQueries preparedStatementCacheSizeMiB
    databaseMetadataCacheFields databaseMetadataCacheFieldsMiB defaultRowFetchSize loginTimeout socketTimeout
    cancelSignalTimeout tcpKeepAlive tcpNoDelay ApplicationName readOnly readOnlyMode autosave cleanupSavepoints
    stringtype reWriteBatchedInserts loadBalanceHosts hostRecheckSeconds binaryTransfer binaryTransferEnable
    binaryTransferDisable preferQueryMode assumeMinServerVersion disableColumnSanitiser escapeSyntaxCallMode
    hideUnprivilegedObjects logUnclosedConnections logServerErrorDetail loggerLevel loggerFile maxResultBuffer
    adaptiveFetch receiveBufferSize sendBufferSize unknownLength quoteReturningIdentifiers allowEncodingChanges
    jaasLogin useSpnego sslResponseTimeout wrapperPlugins wrapperDialect
"""
"""Ignored parameters, one paragraph each: libpq; settings of the server that drivers send; Supabase and Vercel; Prisma;
Python; Django; Rails; Ecto; Go; Node; Symfony; tokio-postgres; JDBC.
"""


def _plain(name: str) -> str:
    """Normalises a name to lower case without `-` and `_`: `sslmode`, `ssl-mode` and `sslMode` are equal."""
    return name.replace("-", "").replace("_", "").lower()


_MEANINGS: dict[str, Honoured | PassedOver | Refused | SocketFile] = {
    "unix_sock": SocketFile(),
    **{name: Honoured(setting) for name, setting in _HONOURED.items()},
    **{name: PassedOver() for name in _PASSED_OVER.split()},
    **{name: Refused(reason) for name, reason in _REFUSED.items()},
}
_BY_PLAIN_NAME = {_plain(name): meaning for name, meaning in _MEANINGS.items()}


def meaning(name: str) -> Honoured | PassedOver | Refused | SocketFile | None:
    """Returns the treatment of a known parameter."""
    return _BY_PLAIN_NAME.get(_plain(name))


_REPEATED = {"user": "user", "dbname": "database name"}


def repeated_part(name: str) -> str | None:
    """Returns the part of messages that a parameter sets, where a raw separator may begin a password."""
    found = meaning(name)
    return _REPEATED.get(found.setting) if isinstance(found, Honoured) else None


def is_of_migrations(name: str) -> bool:
    """Returns true for names that migration tools use, such as `x-migrations-table`."""
    return re.fullmatch("x-[A-Za-z0-9-]{1,38}", name) is not None


def without_value(name: str) -> FaultError:
    """Returns the fault for a parameter that needs a value."""
    return invalid(f"connection parameter '{name}' has no value: write it as {name}=…")


def passed_over(name: str) -> str:
    """Returns the note on an ignored parameter."""
    return f"connection parameter '{name}' is passed over: it changes nothing here"


def refused(name: str, reason: str) -> FaultError:
    """Returns the fault for an unsupported parameter."""
    return invalid(f"connection parameter '{name}' is refused: {reason}")


def one_of(name: str, words: str) -> FaultError:
    """Returns the fault for an invalid word, which is not shown: it may be a misplaced secret."""
    return invalid(f"connection parameter '{name}' must be one of {words}")


def unknown(name: str, *, is_shown: bool) -> FaultError:
    """Returns the fault for an unknown name.

    The name is shown only if `is_shown`: after a raw `&` or blank it may be a part of a password.
    """
    if not is_shown or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", name):
        return invalid("a connection parameter is unknown: remove it, or percent-encode '&' and '=' in a password")
    near = _nearest(name)
    hint = "remove it" if near is None else f"did you mean '{near}'?"
    return invalid(f"connection parameter '{name}' is unknown: {hint}")


def _nearest(name: str) -> str | None:
    """Returns the nearest known name, at most two edits and a third of its length away."""
    wanted = _plain(name)
    distances = {known: _distance(wanted, _plain(known)) for known in _MEANINGS}
    near = min(distances, key=lambda known: distances[known])
    return near if distances[near] <= min(2, len(wanted) // 3) else None


def _distance(one: str, other: str) -> int:
    """Returns the Levenshtein distance."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, row[0] = row[0], place
        for at, against in enumerate(other, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (letter != against))
    return row[-1]

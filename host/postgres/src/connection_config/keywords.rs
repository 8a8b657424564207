//! Parameters of connection texts: those of libpq, of drivers, frameworks and providers, and the treatment of each.

use archon_pool_contract::fault::Fault;

use super::fault::invalid;
use super::setting::Meaning::{self, Is, PassedOver, Refused, SocketFile};
use super::setting::Setting;

const SOCKET_FACTORY: &str =
    "a socket factory of Java is not supported; start the Cloud SQL Auth Proxy or the like, and give its address";

/// Every known parameter. Names are compared by [`plain`]; of several similar ones the first is suggested.
pub(crate) const KEYWORDS: &[(&str, Meaning)] = &[
    // libpq, in the order of its documentation.
    ("host", Is(Setting::Host)),
    ("hostaddr", Is(Setting::HostAddr)),
    ("port", Is(Setting::Port)),
    ("dbname", Is(Setting::Database)),
    ("user", Is(Setting::User)),
    ("password", Is(Setting::Password)),
    ("passfile", Is(Setting::PassFile)),
    ("require_auth", Is(Setting::RequireAuth)),
    ("channel_binding", Is(Setting::ChannelBinding)),
    ("connect_timeout", Is(Setting::ConnectTimeout)),
    ("client_encoding", PassedOver),
    ("options", Is(Setting::Options)),
    ("application_name", PassedOver),
    ("fallback_application_name", PassedOver),
    ("keepalives", PassedOver),
    ("keepalives_idle", PassedOver),
    ("keepalives_interval", PassedOver),
    ("keepalives_count", PassedOver),
    ("tcp_user_timeout", PassedOver),
    ("replication", Is(Setting::Replication)),
    ("gssencmode", Is(Setting::GssEncMode)),
    ("sslmode", Is(Setting::SslMode)),
    ("requiressl", Is(Setting::RequireSsl)),
    ("sslnegotiation", Is(Setting::SslNegotiation)),
    ("sslcompression", PassedOver),
    ("sslcert", Is(Setting::SslCert)),
    ("sslkey", Is(Setting::SslKey)),
    ("sslkeylogfile", Refused("it would write the session's TLS secrets to a file; leave it out")),
    ("sslpassword", Refused("a key with a passphrase is not supported; decrypt it with `openssl pkey`")),
    ("sslcertmode", Is(Setting::SslCertMode)),
    ("sslrootcert", Is(Setting::SslRootCert)),
    ("sslcrl", Refused("certificate revocation lists are not supported; leave it out")),
    ("sslcrldir", Refused("certificate revocation lists are not supported; leave it out")),
    ("sslsni", PassedOver),
    ("requirepeer", Refused("the socket's owner is not verified here; leave it out")),
    ("ssl_min_protocol_version", Is(Setting::SslMinVersion)),
    ("ssl_max_protocol_version", Is(Setting::SslMaxVersion)),
    ("min_protocol_version", Is(Setting::MinProtocolVersion)),
    ("max_protocol_version", PassedOver),
    ("krbsrvname", PassedOver),
    ("gsslib", PassedOver),
    ("gssdelegation", PassedOver),
    ("scram_client_key", Refused("SCRAM keys are not supported; give the password")),
    ("scram_server_key", Refused("SCRAM keys are not supported; give the password")),
    ("service", Is(Setting::Service)),
    ("servicefile", Is(Setting::ServiceFile)),
    ("target_session_attrs", Is(Setting::TargetSessionAttrs)),
    ("load_balance_hosts", PassedOver),
    ("oauth_issuer", Refused("OAuth logins are not supported; give a password")),
    ("oauth_client_id", Refused("OAuth logins are not supported; give a password")),
    ("oauth_client_secret", Refused("OAuth logins are not supported; give a password")),
    ("oauth_scope", Refused("OAuth logins are not supported; give a password")),
    ("authtype", PassedOver),
    ("tty", PassedOver),
    // Other names for settings of libpq.
    ("ssl", Is(Setting::Ssl)),
    ("ssl_require", Is(Setting::RequireSsl)),
    ("ssl_root_cert", Is(Setting::SslRootCert)),
    ("ssl_ca", Is(Setting::SslRootCert)),
    ("database", Is(Setting::Database)),
    ("username", Is(Setting::User)),
    ("connectTimeout", Is(Setting::ConnectTimeout)),
    ("targetServerType", Is(Setting::TargetServerType)),
    ("unix_sock", SocketFile),
    ("sslfactory", Is(Setting::SslFactory)),
    ("sslaccept", Is(Setting::SslAccept)),
    ("sslidentity", Refused("a PKCS #12 file is not supported; give sslcert and sslkey as PEM files")),
    ("sslinline", Refused("certificates within the text are not supported; give sslcert and sslkey as files")),
    ("cloudSqlInstance", Refused(SOCKET_FACTORY)),
    ("socketFactory", Refused(SOCKET_FACTORY)),
    ("socketFactoryArg", Refused(SOCKET_FACTORY)),
    ("sslhostnameverifier", Refused("a verifier class is not supported; give sslmode")),
    ("role", Refused("sessions run as the role that logs in; give that role as user")),
    ("session_authorization", Refused("sessions run as the role that logs in; give that role as user")),
    // Settings of the server that drivers send from a text: a session of this host sets its own.
    ("statement_timeout", PassedOver),
    ("lock_timeout", PassedOver),
    ("idle_in_transaction_session_timeout", PassedOver),
    ("idle_session_timeout", PassedOver),
    ("transaction_timeout", PassedOver),
    ("search_path", PassedOver),
    ("timezone", PassedOver),
    ("datestyle", PassedOver),
    ("intervalstyle", PassedOver),
    ("extra_float_digits", PassedOver),
    ("bytea_output", PassedOver),
    ("client_min_messages", PassedOver),
    ("default_transaction_isolation", PassedOver),
    ("default_transaction_read_only", PassedOver),
    ("default_transaction_deferrable", PassedOver),
    ("standard_conforming_strings", PassedOver),
    ("synchronous_commit", PassedOver),
    ("row_security", PassedOver),
    ("jit", PassedOver),
    ("plan_cache_mode", PassedOver),
    ("work_mem", PassedOver),
    ("maintenance_work_mem", PassedOver),
    ("geqo", PassedOver),
    ("tcp_keepalives_idle", PassedOver),
    ("tcp_keepalives_interval", PassedOver),
    ("tcp_keepalives_count", PassedOver),
    ("log_statement", PassedOver),
    // Supabase and Vercel.
    ("supa", PassedOver),
    ("workaround", PassedOver),
    // Prisma.
    ("pgbouncer", PassedOver),
    ("schema", PassedOver),
    ("connection_limit", PassedOver),
    ("pool_timeout", PassedOver),
    ("socket_timeout", PassedOver),
    ("statement_cache_size", PassedOver),
    ("max_connection_lifetime", PassedOver),
    ("max_idle_connection_lifetime", PassedOver),
    ("single_use_connections", PassedOver),
    // SQLAlchemy, asyncpg, psycopg, databases.
    ("prepared_statement_cache_size", PassedOver),
    ("prepared_statement_name_func", PassedOver),
    ("max_cached_statement_lifetime", PassedOver),
    ("max_cacheable_statement_size", PassedOver),
    ("command_timeout", PassedOver),
    ("prepare_threshold", PassedOver),
    ("async_fallback", PassedOver),
    ("executemany_mode", PassedOver),
    ("max_overflow", PassedOver),
    ("pool_recycle", PassedOver),
    ("pool_pre_ping", PassedOver),
    ("min_size", PassedOver),
    ("max_size", PassedOver),
    ("timeout", PassedOver),
    // Django.
    ("conn_max_age", PassedOver),
    ("conn_health_checks", PassedOver),
    ("disable_server_side_cursors", PassedOver),
    // Rails.
    ("adapter", PassedOver),
    ("pool", PassedOver),
    ("encoding", PassedOver),
    ("charset", PassedOver),
    ("reconnect", PassedOver),
    ("prepared_statements", PassedOver),
    ("statement_limit", PassedOver),
    ("advisory_locks", PassedOver),
    ("checkout_timeout", PassedOver),
    ("reaping_frequency", PassedOver),
    ("idle_timeout", PassedOver),
    ("schema_search_path", PassedOver),
    ("min_messages", PassedOver),
    ("max_connections", PassedOver),
    ("min_connections", PassedOver),
    ("connection_retries", PassedOver),
    ("database_tasks", PassedOver),
    // Ecto.
    ("pool_size", PassedOver),
    ("pool_count", PassedOver),
    ("queue_target", PassedOver),
    ("queue_interval", PassedOver),
    ("prepare", PassedOver),
    // Go: pgx and pq.
    ("pool_max_conns", PassedOver),
    ("pool_min_conns", PassedOver),
    ("pool_min_idle_conns", PassedOver),
    ("pool_max_conn_lifetime", PassedOver),
    ("pool_max_conn_lifetime_jitter", PassedOver),
    ("pool_max_conn_idle_time", PassedOver),
    ("pool_health_check_period", PassedOver),
    ("default_query_exec_mode", PassedOver),
    ("statement_cache_mode", PassedOver),
    ("statement_cache_capacity", PassedOver),
    ("description_cache_capacity", PassedOver),
    ("prefer_simple_protocol", PassedOver),
    ("binary_parameters", PassedOver),
    ("disable_prepared_binary_result", PassedOver),
    // node-postgres, postgres.js and what is built on them.
    ("uselibpqcompat", PassedOver),
    ("max", PassedOver),
    ("min", PassedOver),
    ("keepAlive", PassedOver),
    ("idleTimeoutMillis", PassedOver),
    ("connectionTimeoutMillis", PassedOver),
    ("query_timeout", PassedOver),
    ("max_lifetime", PassedOver),
    ("fetch_types", PassedOver),
    ("binary", PassedOver),
    // Symfony.
    ("serverVersion", PassedOver),
    // tokio-postgres.
    ("keepalives_retries", PassedOver),
    // JDBC.
    ("currentSchema", PassedOver),
    ("prepareThreshold", PassedOver),
    ("preparedStatementCacheQueries", PassedOver),
    ("preparedStatementCacheSizeMiB", PassedOver),
    ("databaseMetadataCacheFields", PassedOver),
    ("databaseMetadataCacheFieldsMiB", PassedOver),
    ("defaultRowFetchSize", PassedOver),
    ("loginTimeout", PassedOver),
    ("socketTimeout", PassedOver),
    ("cancelSignalTimeout", PassedOver),
    ("tcpKeepAlive", PassedOver),
    ("tcpNoDelay", PassedOver),
    ("ApplicationName", PassedOver),
    ("readOnly", PassedOver),
    ("readOnlyMode", PassedOver),
    ("autosave", PassedOver),
    ("cleanupSavepoints", PassedOver),
    ("stringtype", PassedOver),
    ("reWriteBatchedInserts", PassedOver),
    ("loadBalanceHosts", PassedOver),
    ("hostRecheckSeconds", PassedOver),
    ("binaryTransfer", PassedOver),
    ("binaryTransferEnable", PassedOver),
    ("binaryTransferDisable", PassedOver),
    ("preferQueryMode", PassedOver),
    ("assumeMinServerVersion", PassedOver),
    ("disableColumnSanitiser", PassedOver),
    ("escapeSyntaxCallMode", PassedOver),
    ("hideUnprivilegedObjects", PassedOver),
    ("logUnclosedConnections", PassedOver),
    ("logServerErrorDetail", PassedOver),
    ("loggerLevel", PassedOver),
    ("loggerFile", PassedOver),
    ("maxResultBuffer", PassedOver),
    ("adaptiveFetch", PassedOver),
    ("receiveBufferSize", PassedOver),
    ("sendBufferSize", PassedOver),
    ("unknownLength", PassedOver),
    ("quoteReturningIdentifiers", PassedOver),
    ("allowEncodingChanges", PassedOver),
    ("jaasLogin", PassedOver),
    ("useSpnego", PassedOver),
    ("sslResponseTimeout", PassedOver),
    ("wrapperPlugins", PassedOver),
    ("wrapperDialect", PassedOver),
];

/// Folds a name to lower case without `-` and `_`: `sslmode`, `ssl-mode` and `sslMode` are one name.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_')).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Returns true if a parameter of a text may be a password.
pub(crate) fn holds_password(text: &str) -> bool {
    let text = secrecy::zeroize::Zeroizing::new(text.to_ascii_lowercase());
    text.contains("pass") || text.contains("pwd")
}

/// Returns the treatment of a known parameter.
pub(crate) fn meaning(name: &str) -> Option<Meaning> {
    let wanted = plain(name);
    KEYWORDS.iter().find(|(known, _)| plain(known) == wanted).map(|(_, meaning)| *meaning)
}

/// Recognises the names that migration tools reserve for themselves, as in `x-migrations-table`.
pub(crate) fn is_of_migrations(name: &str) -> bool {
    let rest = name.strip_prefix("x-").unwrap_or_default();
    !rest.is_empty() && name.len() <= 40 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Returns the note on a parameter that changes nothing.
pub(crate) fn passed_over(name: &str) -> String {
    format!("connection parameter '{name}' is passed over: it changes nothing here")
}

/// Creates the fault of an unknown name, which is repeated only when `shown`: after a raw `&` or blank it may be a part
/// of a password.
pub(crate) fn unknown(name: &str, shown: bool) -> Fault {
    let is_name = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !shown || !is_name {
        return invalid("a connection parameter is unknown: remove it, or percent-encode '&' and '=' in a password");
    }
    match nearest(name) {
        Some(near) => invalid(format!("connection parameter '{name}' is unknown: did you mean '{near}'?")),
        None => invalid(format!("connection parameter '{name}' is unknown: remove it")),
    }
}

/// Finds the most similar known name, at most two edits and a third of the name away.
fn nearest(name: &str) -> Option<&'static str> {
    let wanted = plain(name);
    let distance = |known: &str| strsim::levenshtein(&wanted, &plain(known));
    let near = |distance: &usize| *distance <= 2 && distance * 3 <= wanted.len();
    let known = KEYWORDS.iter().map(|(known, _)| (distance(known), *known));
    known.filter(|(distance, _)| near(distance)).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_each_name_once() {
        for (place, (name, meaning)) in KEYWORDS.iter().enumerate() {
            let twin = KEYWORDS[..place].iter().find(|(known, _)| plain(known) == plain(name));
            assert!(twin.is_none_or(|(_, other)| other == meaning), "{name} has two meanings");
        }
    }

    #[test]
    fn suggests_only_near_names() {
        assert_eq!(nearest("sslmod"), Some("sslmode"));
        assert_eq!(nearest("channelbindng"), Some("channel_binding"));
        assert_eq!(nearest("x"), None);
        assert_eq!(nearest("frobnicate"), None);
    }
}

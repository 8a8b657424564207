//! Classification of a refused login: by SQLSTATE first, then by the words of the poolers and providers.
//!
//! `tests/conformance/refusals.json` has the texts; the hosts in Node and Python read the same table.

use archon_pool_contract::fault::{Fault, kind};

/// Why a server or a pooler refused a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No slot, client or pooled connection is free.
    NoRoom,
    /// The pooler had no connection to the server for a login in time: it is full, paused or without a server.
    NoServer,
    /// The server or the pooler has no such database.
    NoDatabase,
    /// Wrong role, password or token.
    Login,
    /// `pg_hba.conf` or an allow list has no entry for this client.
    Address,
    /// The role may not connect to this database.
    Privilege,
    /// PgBouncer's console admits only roles that its settings name.
    Console,
    /// Only encrypted sessions are admitted.
    NeedsTls,
    /// The pooler knows neither the project nor the endpoint.
    Project,
    /// A startup parameter is not supported or not permitted.
    Parameter,
    /// It answers, but the server behind it, or it itself, takes no sessions now.
    Unavailable,
    /// The database, the pool or the endpoint is disabled by its operator.
    Disabled,
}

impl Refusal {
    /// The kind of the fault.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::NoRoom => kind::TOO_MANY_CONNECTIONS,
            Self::NoDatabase => kind::DATABASE_NOT_FOUND,
            Self::Login | Self::Address => kind::AUTHENTICATION_FAILED,
            Self::Privilege | Self::Console => kind::INSUFFICIENT_PRIVILEGE,
            Self::NeedsTls => kind::TLS_FAILED,
            Self::Project | Self::Parameter => kind::CREDENTIAL_INVALID,
            Self::NoServer | Self::Unavailable | Self::Disabled => kind::SERVER_UNREACHABLE,
        }
    }

    /// Whether the same login can succeed a moment later.
    pub(crate) fn retryable(self) -> bool {
        matches!(self, Self::NoRoom | Self::NoServer | Self::Unavailable)
    }

    /// The refusal of a session for which TLS was tried, too: PostgreSQL says "no encryption" to every one without,
    /// whatever else no entry admits.
    pub(crate) fn with_tls_tried(self, message: &str) -> Self {
        if self == Self::NeedsTls && is_by_pg_hba(message) { Self::Address } else { self }
    }
}

/// Whether `pg_hba.conf` refused.
pub(crate) fn is_by_pg_hba(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    PG_HBA.iter().any(|words| text.starts_with(words))
}

/// Classifies the error that a login ended with.
pub(crate) fn classify(sqlstate: &str, message: &str) -> Refusal {
    recognised(sqlstate, message).unwrap_or_else(|| match sqlstate {
        _ if sqlstate.starts_with("28") => Refusal::Login,
        "0A000" | "22023" | "42501" | "42601" | "42704" => Refusal::Parameter,
        "55000" => Refusal::Disabled,
        _ => Refusal::Unavailable,
    })
}

/// The same where it is certain: none for an error that a SQLSTATE or a text does not explain.
pub(crate) fn recognised(sqlstate: &str, message: &str) -> Option<Refusal> {
    let text = message.to_ascii_lowercase();
    match sqlstate {
        "53300" => return Some(Refusal::NoRoom),
        "3D000" => return Some(Refusal::NoDatabase),
        "28P01" => return Some(Refusal::Login),
        "57P01" | "57P02" | "57P03" | "57P05" => return Some(Refusal::Unavailable),
        // An entry that rejects is not about TLS, and neither is what a pooler was told about its own session.
        "28000" if text.starts_with(PG_HBA[0]) && has_one(&text, UNENCRYPTED) => return Some(Refusal::NeedsTls),
        // PgBouncer's whole answer to a role that its console is not for.
        _ if text == "not allowed" => return Some(Refusal::Console),
        _ if is_by_pg_hba(&text) => return Some(Refusal::Address),
        _ if text.starts_with("permission denied for database") => return Some(Refusal::Privilege),
        _ if text.starts_with("role \"") && has_one(&text, UNKNOWN_ROLE) => return Some(Refusal::Login),
        _ => {}
    }
    let found = WORDS.iter().find(|(_, words)| has_one(&text, words)).map(|(refusal, _)| *refusal);
    found.or_else(|| (text.contains("database \"") && text.contains("does not exist")).then_some(Refusal::NoDatabase))
}

/// Recognises the words of a pooler that has no server connection for a statement of an open session.
pub(crate) fn of_statement(sqlstate: &str, message: &str) -> Option<Refusal> {
    let is_of_poolers = matches!(sqlstate, "08P01" | "XX000" | "58000" | "08000" | "08004" | "08006");
    let text = message.to_ascii_lowercase();
    let is_one = |(refusal, words): &&(Refusal, &[&str])| {
        matches!(refusal, Refusal::NoRoom | Refusal::NoServer | Refusal::Unavailable)
            && *words != SERVER_STATES
            && has_one(&text, words)
    };
    match WORDS.iter().filter(|_| is_of_poolers).find(is_one)?.0 {
        // This session had a server connection before, or could have had one.
        Refusal::NoServer => Some(Refusal::NoRoom),
        refusal => Some(refusal),
    }
}

/// Whether a login failed for want of a server connection, which another way in may have.
pub(crate) fn may_be_full(fault: &Fault) -> bool {
    let code = fault.sqlstate.as_deref().unwrap_or_default();
    fault.kind == kind::SERVER_UNREACHABLE && recognised(code, &fault.message) == Some(Refusal::NoServer)
}

/// Whether a text is about the `options` of the startup packet, which not every pooler takes.
pub(crate) fn is_about_options(sqlstate: &str, message: &str) -> bool {
    match recognised(sqlstate, message) {
        Some(refusal) => refusal == Refusal::Parameter,
        None => sqlstate == "08P01",
    }
}

fn has_one(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// How a refusal by `pg_hba.conf` begins: for want of an entry, or by one.
const PG_HBA: [&str; 2] = ["no pg_hba.conf entry", "pg_hba.conf rejects"];

/// What PostgreSQL says of a role that is none, or none that logs in.
const UNKNOWN_ROLE: &[&str] = &["does not exist", "not permitted to log in"];

/// States of a server, which older poolers pass on without its SQLSTATE.
const SERVER_STATES: &[&str] = &[
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
    "the database system is not accepting connections",
];

/// How `pg_hba.conf` describes a session without encryption, since PostgreSQL 14 and before.
const UNENCRYPTED: &[&str] = &["no encryption", "ssl off"];

/// Words by which a refusal is recognised, in lower case and in the order in which they are looked for: a text
/// about a full pool may name the server, and one about a password the database.
const WORDS: &[(Refusal, &[&str])] = &[
    (
        Refusal::NeedsTls,
        &[
            "ssl connection is required",
            "ssl required",
            "ssl is required",
            "essl",
            "requires tls connections",
            "must connect with tls",
            "connection is insecure",
            "only with ssl connections",
        ],
    ),
    (
        Refusal::Parameter,
        &[
            "startup parameter",
            "startup option",
            "estartup",
            "doesn't support the option",
            "unrecognized configuration",
        ],
    ),
    (
        Refusal::Unavailable,
        &[
            // A pooler that has no server to connect to; some also say that no connection could be had.
            "allserversdown",
            "ecircuitbreaker",
            "server login has been failing",
            "server login failed",
            "server_login_retry",
            "cannot connect to server",
            "client_login_timeout",
            "failed to connect to remote server",
            "failed to get remote server connection",
            "couldn't connect to compute node",
            "control plane request failed",
            "edbhandler",
            "epoolterminating",
            "eauthquery",
            "eauthtimeout",
            "etenantbanned",
            "concurrently active endpoints",
        ],
    ),
    (Refusal::Unavailable, SERVER_STATES),
    (Refusal::NoServer, &["query_wait_timeout"]),
    (
        Refusal::NoRoom,
        &[
            "too many clients",
            "too many connections",
            "too many tcp connections",
            "too many active clients",
            "remaining connection slots",
            "no more connections allowed",
            "max_client_conn",
            "client_connections)",
            "emaxclientconn",
            "emaxconnsession",
            "emaxpoolsreached",
            "emaxproxyconn",
            "echeckouttimeout",
            "maxclientsinsessionmode",
            "max clients reached",
            "max client connections reached",
            "checkout timeout",
            "connection limit exceeded",
            "maximum number of client connections",
            "rate of connection to proxy exceeded",
            "too many competing requests",
            "waiting to acquire database connection",
            "could not get connection from the pool",
            "could not get a connection from the pool",
            "failed to acquire permit to connect",
            "too many database connection attempts",
        ],
    ),
    (
        Refusal::Project,
        &[
            "enotfound",
            "tenant or user not found",
            "tenant identifier",
            "endpoint id is not specified",
            "endpoint could not be found",
            "einvaliduserinfo",
        ],
    ),
    (
        Refusal::Disabled,
        &["is disabled", "has been disabled", "not currently accepting connections", "compute time quota"],
    ),
    (Refusal::Address, &["eaddrnotallowed", "not in tenant allow_list", "not allowed to connect", "ip address is not"]),
    (
        Refusal::Login,
        &[
            "authentication failed",
            "auth failed",
            "no such user",
            "wrong password",
            "incorrect password",
            "invalid password",
            "supports only iam",
            "ewrongpassword",
            "ejitunauthorized",
            "no credentials for the role",
            "provided for the role",
            "is wrong, or the database does not exist",
            "login rejected",
        ],
    ),
    (Refusal::NoDatabase, &["no such database", "no pool configured for database", "route for "]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        says: Says,
        kind: String,
        retryable: bool,
        who: String,
        /// Of an open session, where it is not of a login.
        at: Option<String>,
        /// "tried": TLS was tried, too.
        tls: Option<String>,
    }

    #[derive(Deserialize)]
    struct Says {
        sqlstate: String,
        message: String,
    }

    fn table() -> Vec<Case> {
        serde_json::from_str(include_str!("../../../../tests/conformance/refusals.json")).unwrap()
    }

    #[test]
    fn every_refusal_of_the_table_is_classified() {
        let wrong: Vec<_> = table()
            .into_iter()
            .filter(|case| case.at.is_none())
            .filter_map(|case| {
                let mut refusal = classify(&case.says.sqlstate, &case.says.message);
                if case.tls.is_some() {
                    refusal = refusal.with_tls_tried(&case.says.message);
                }
                let found = (refusal.kind(), refusal.retryable());
                (found != (case.kind.as_str(), case.retryable))
                    .then(|| format!("{}: {} -> {found:?}", case.who, case.says.message))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_poolers_say_to_a_statement_is_classified() {
        for Case { says: Says { sqlstate, message }, kind, retryable, .. } in
            table().into_iter().filter(|case| case.at.is_some())
        {
            let fault = crate::error::said(&sqlstate, kind == kind::CONNECTION_LOST, message);
            assert_eq!((&fault.kind, fault.retryable), (&kind, retryable), "{fault}");
        }
    }

    #[test]
    fn no_refusal_is_a_failed_query() {
        for sqlstate in ["08P01", "XX000", "58000", "22000", "", "0A000", "57014"] {
            assert_ne!(classify(sqlstate, "something new").kind(), kind::QUERY_FAILED, "{sqlstate}");
        }
    }

    #[test]
    fn only_a_refusal_about_options_is_read_as_one() {
        for (sqlstate, message, about) in [
            ("08P01", "unsupported startup parameter in options: lock_timeout", true),
            ("08P01", "unsupported startup parameter: options", true),
            ("0A000", "Feature not supported: RDS Proxy currently doesn't support the option search_path.", true),
            ("08P01", "invalid startup packet", true),
            ("08P01", "no such database: shop", false),
            ("08P01", "no more connections allowed (max_client_conn)", false),
            ("08P01", "query_wait_timeout", false),
            ("08P01", "server login has been failing, cached error: connect failed (server_login_retry)", false),
            ("28P01", "password authentication failed for user \"options\"", false),
        ] {
            assert_eq!(is_about_options(sqlstate, message), about, "{message}");
        }
    }
}

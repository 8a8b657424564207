//! Classification of a refused login: by SQLSTATE first, then by the texts of poolers and providers.
//!
//! `tests/conformance/refusals.json` has the texts; the hosts in Node and Python read the same table.

use archon_pool_contract::fault::{Fault, kind};

use super::table::{Reason, Refusal, TABLE};

impl Refusal {
    /// Returns the fault's kind and message.
    pub(super) fn reason(self) -> &'static Reason {
        &TABLE.reasons[&self]
    }

    /// Returns the refusal of a session for which TLS was tried, too: PostgreSQL reports "no encryption" for every one
    /// without, whatever the entries are.
    pub(crate) fn after_tls(self) -> Self {
        self.reason().after_tls.unwrap_or(self)
    }

    /// Returns true if the same login may be admitted with another encryption.
    pub(crate) fn may_depend_on_tls(self) -> bool {
        matches!(self, Self::NeedsTls | Self::NeedsTlsOrEntry | Self::NoEntry | Self::Address)
    }
}

/// Classifies the error that a login ended with.
pub(crate) fn classify(sqlstate: &str, message: &str) -> Refusal {
    let begins = |words: &Vec<String>| words.iter().any(|begin| sqlstate.starts_with(begin));
    recognised(sqlstate, message)
        .or_else(|| TABLE.fallbacks.iter().find(|it| begins(&it.begins)).map(|it| it.reason))
        .unwrap_or(Refusal::Unavailable)
}

/// Classifies an error if it is certain: none if neither its SQLSTATE nor its text is known.
pub(crate) fn recognised(sqlstate: &str, message: &str) -> Option<Refusal> {
    let text = message.to_ascii_lowercase();
    TABLE.rules.iter().find(|rule| rule.applies(sqlstate, &text)).map(|rule| rule.reason)
}

/// Recognises the error of a pooler that has no server connection for a statement of an open session.
pub(crate) fn of_statement(sqlstate: &str, message: &str) -> Option<Refusal> {
    let is_of_poolers = TABLE.pooler_sqlstates.iter().any(|code| code == sqlstate);
    let text = message.to_ascii_lowercase();
    let mut rules = TABLE.rules.iter().filter(|rule| is_of_poolers && rule.in_session);
    rules.find(|rule| rule.applies(sqlstate, &text)).map(|rule| rule.reason)
}

/// Returns true if a login failed for lack of a server connection, which another access path may have.
pub(crate) fn may_be_full(fault: &Fault) -> bool {
    let code = fault.sqlstate.as_deref().unwrap_or_default();
    fault.kind == kind::SERVER_UNREACHABLE && recognised(code, &fault.message) == Some(Refusal::NoServer)
}

/// Returns true if a text is about the startup packet's `options`, which not every pooler accepts.
pub(crate) fn is_about_options(sqlstate: &str, message: &str) -> bool {
    match recognised(sqlstate, message) {
        Some(refusal) => refusal == Refusal::Parameter,
        None => sqlstate == "08P01",
    }
}

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
        /// Context: a statement of an open session; a login by default.
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
                    refusal = refusal.after_tls();
                }
                let found = (refusal.reason().kind.as_str(), refusal.reason().retryable);
                (found != (case.kind.as_str(), case.retryable))
                    .then(|| format!("{}: {} -> {found:?}", case.who, case.says.message))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn errors_of_poolers_for_a_statement_are_classified() {
        for Case { says: Says { sqlstate, message }, kind, retryable, .. } in
            table().into_iter().filter(|case| case.at.is_some())
        {
            let fault = crate::error::said(&sqlstate, kind == kind::CONNECTION_LOST, &message);
            assert_eq!((&fault.kind, fault.retryable), (&kind, retryable), "{fault}");
        }
    }

    #[test]
    fn an_error_that_ends_the_session_is_not_a_failed_query() {
        let kind_of = |sqlstate, message| crate::error::said(sqlstate, true, message).kind;
        assert_eq!(kind_of("XX000", "(ETERMINATED) closed"), kind::CONNECTION_LOST);
        assert_eq!(kind_of("", "query_wait_timeout"), kind::TOO_MANY_CONNECTIONS);
    }

    #[test]
    fn no_refusal_is_classified_as_a_failed_query() {
        for sqlstate in ["08P01", "XX000", "58000", "22000", "", "0A000", "57014"] {
            assert_ne!(classify(sqlstate, "something new").reason().kind, kind::QUERY_FAILED, "{sqlstate}");
        }
    }

    #[test]
    fn only_a_refusal_of_startup_options_is_classified_as_one() {
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

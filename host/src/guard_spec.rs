//! `guard.json`: statements, limits and names of this host's guard, which hosts in other languages read beside the
//! components.

use serde_json::{Map, Value, json};

use archon_pool_core::audit_sink::NAME_BYTES;
use archon_pool_core::guard_sql::{CLASSIFY, COUNT, STILL_THERE, TERMINATE, WOULD_TERMINATE};
use archon_pool_core::host::kill_options;
use archon_pool_core::limits::Limits;
use archon_pool_core::policy::Policy;
use archon_pool_core::pooler::view::{SIZE, View, WITHHELD};
use archon_pool_core::scaling::size_options;
use archon_pool_core::secret_scan;
use archon_pool_postgres::credentials::CONSOLE_DATABASE;
use archon_pool_postgres::error::SERVER_ERRORS;
use archon_pool_postgres::session;
use archon_pool_postgres::text::ENCODINGS;

/// Name of the file.
pub(crate) const FILE_NAME: &str = "guard.json";

/// Returns the file's text.
pub(crate) fn text() -> String {
    let (policy, limits) = (Policy::default(), Limits::default());
    let settings: Map<String, Value> =
        session::settings(&limits).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let encodings: Map<String, Value> =
        ENCODINGS.iter().map(|(server, label)| ((*server).to_owned(), (*label).into())).collect();
    let request: Map<String, Value> =
        kill_options().into_iter().map(|(name, default)| (name.to_owned(), default.into())).collect();
    let sizing: Map<String, Value> = size_options()
        .into_iter()
        .map(|it| {
            (it.name.to_owned(), json!({ "default": it.default, "least": it.range.start(), "most": it.range.end() }))
        })
        .collect();
    let server_errors: Value = serde_json::from_str(SERVER_ERRORS).expect("a unit test parses it");
    let document = json!({
        "application": session::APPLICATION,
        "statements": {
            "terminate": TERMINATE,
            "wouldTerminate": WOULD_TERMINATE,
            "count": COUNT,
            "classify": CLASSIFY,
            "stillThere": STILL_THERE,
        },
        "protected": { "roles": policy.role_patterns(), "applications": policy.application_patterns() },
        "session": {
            "settings": settings,
            "options": session::as_options(&limits),
            "begin": session::begin(&limits),
            "check": session::settings_query(&limits),
        },
        "encodings": encodings,
        "serverErrors": server_errors,
        "names": { "bytes": NAME_BYTES },
        "secretNames": secret_scan::NAMES,
        "secretWords": secret_scan::WORDS,
        "limits": limits.plain(),
        "policy": {
            "maxKillPercentage": policy.max_kill_percentage,
            "maxKills": policy.max_kills,
            "maxKillsPerHour": policy.max_kills_per_hour,
            "maxResizesPerHour": policy.max_resizes_per_hour,
        },
        "request": request,
        "sizing": sizing,
        "pgbouncer": {
            "database": CONSOLE_DATABASE,
            "size": SIZE,
            "views": View::ALL.map(View::name),
            "withheld": WITHHELD,
        },
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_guard_that_other_hosts_read() {
        insta::assert_snapshot!(text());
    }
}

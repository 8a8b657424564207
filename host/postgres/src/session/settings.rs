//! Settings of a session, and the statements that set and check them.

use archon_pool_core::limits::Limits;

use crate::target::Target;

/// Returns the startup packet's `options`. The host's settings come last, so that they take precedence.
pub(super) fn startup_options(target: &Target, limits: &Limits) -> String {
    format!("{} {}", target.options.as_deref().unwrap_or_default(), as_options(limits)).trim_start().to_owned()
}

/// Returns the session's settings as `options` of the startup packet.
pub fn as_options(limits: &Limits) -> String {
    settings(limits).map(|(name, value)| format!("-c {name}={value}")).join(" ")
}

/// Returns the query that checks that the settings are in effect.
pub fn settings_query(limits: &Limits) -> String {
    // For the view `pg_settings` the server would describe all of its settings, which takes as long as the rest of a
    // call. A timeout is shown in the largest unit that fits it.
    let held = settings(limits).map(|(name, value)| match value.parse::<u64>() {
        Ok(ms) => format!("pg_catalog.current_setting('{name}')::pg_catalog.interval OPERATOR(pg_catalog.=) '{ms} ms'"),
        Err(_) => format!("pg_catalog.current_setting('{name}') OPERATOR(pg_catalog.=) '{value}'"),
    });
    format!("SELECT {}", held.join(" AND "))
}

/// Returns the start of a transaction that sets them itself.
pub fn begin(limits: &Limits) -> String {
    format!("BEGIN READ ONLY; {}", set_local(limits))
}

pub(super) fn set_local(limits: &Limits) -> String {
    settings(limits).map(|(name, value)| format!("SET LOCAL {name} = '{value}'; ")).concat()
}

/// Returns a session's settings. None that the catalogue reads: the host's value would be reported as the server's. A
/// timeout of zero would disable it.
pub fn settings(limits: &Limits) -> [(&'static str, String); 4] {
    [
        ("default_transaction_read_only", "on".into()),
        ("statement_timeout", limits.statement_timeout.as_millis().max(1).to_string()),
        ("lock_timeout", limits.lock_timeout.as_millis().max(1).to_string()),
        // No user's function or operator of the same name may shadow the catalogue's.
        ("search_path", "pg_catalog".into()),
    ]
}

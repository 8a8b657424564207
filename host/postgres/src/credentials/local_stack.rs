//! Supabase on the local machine, as `supabase start` sets it up: its API on one port, its database on the next.

use archon_pool_contract::fault::Fault;

use crate::connection_config::{Parts, Setting, invalid};

/// Port of the API, and that of the database.
const API: &str = "54321";
const DATABASE: &str = "54322";

/// Password of the database, which is the same on each machine.
const PASSWORD: &str = "postgres";

/// Returns the database of a local stack; none where the URL is not its API's.
pub(super) fn parts(url: &str, password: Option<&str>) -> Option<Parts> {
    let address = url.strip_prefix("http://")?;
    let address = address.split_once('/').map_or(address, |(address, _)| address);
    let (host, port) = address.rsplit_once(':')?;
    let is_local = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    if !is_local || port != API {
        return None;
    }
    let mut parts = Parts::default();
    parts.set(Setting::Host, host.trim_matches(['[', ']']));
    parts.set(Setting::Port, DATABASE);
    parts.set(Setting::User, "postgres");
    parts.set(Setting::Database, "postgres");
    parts.set(Setting::Password, password.unwrap_or(PASSWORD));
    parts.note(format!("the URL is that of a local Supabase stack: its database at {host}:{DATABASE} is used"));
    Some(parts)
}

/// Creates the fault of an API's URL whose database is not known.
pub(super) fn unknown(url: &str) -> Fault {
    if url.starts_with("http://") {
        return invalid(
            "the URL is an API's, and its database is not known: give the postgres:// URL that `supabase status` shows",
        );
    }
    if url.starts_with("https://") && url.contains(".supabase.co") {
        return invalid(
            "the URL names no project: a project reference has 20 lowercase letters, as in \
             https://abcdefghijklmnopqrst.supabase.co",
        );
    }
    invalid("the URL must be https://<project>.supabase.co or a postgres:// connection URL")
}

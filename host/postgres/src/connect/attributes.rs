//! `target_session_attrs`: selection of an acceptable server, by libpq's rules.

use tokio_postgres::Client;

use super::connection::first_text;
use super::startup::Parameters;
use crate::target::TargetSessionAttrs as Attributes;

/// Returns the order in which kinds of servers are tried: all hosts for the first, then all hosts for the second.
pub(super) fn rounds(wanted: Attributes) -> &'static [Attributes] {
    match wanted {
        Attributes::Any => &[Attributes::Any],
        Attributes::ReadWrite => &[Attributes::ReadWrite],
        Attributes::ReadOnly => &[Attributes::ReadOnly],
        Attributes::Primary => &[Attributes::Primary],
        Attributes::Standby => &[Attributes::Standby],
        Attributes::PreferStandby => &[Attributes::Standby, Attributes::Any],
    }
}

/// Returns true if the answer depends on the server's default for transactions, which the host's settings would hide.
pub(super) fn is_about_writing(wanted: Attributes) -> bool {
    matches!(wanted, Attributes::ReadWrite | Attributes::ReadOnly)
}

/// Returns the reason for which a server is not acceptable; none when it is.
pub(super) async fn mismatch(
    wanted: Attributes,
    client: &Client,
    reported: &Parameters,
) -> Result<Option<&'static str>, tokio_postgres::Error> {
    Ok(match wanted {
        Attributes::Any | Attributes::PreferStandby => None,
        Attributes::ReadWrite if read_only(client, reported).await? => Some("its sessions are read-only"),
        Attributes::ReadOnly if !read_only(client, reported).await? => Some("its sessions may write"),
        Attributes::Primary if standby(client, reported).await? => Some("it is a standby"),
        Attributes::Standby if !standby(client, reported).await? => Some("it is no standby"),
        _ => None,
    })
}

/// Reads the parameters that servers report since PostgreSQL 14; queries others, and poolers that do not pass them on.
async fn read_only(client: &Client, reported: &Parameters) -> Result<bool, tokio_postgres::Error> {
    match (reported.in_hot_standby, reported.read_only) {
        (Some(standby), Some(read_only)) => Ok(standby || read_only),
        _ => is_on(client, "SHOW transaction_read_only").await,
    }
}

async fn standby(client: &Client, reported: &Parameters) -> Result<bool, tokio_postgres::Error> {
    match reported.in_hot_standby {
        Some(standby) => Ok(standby),
        None => is_on(client, "SELECT pg_catalog.pg_is_in_recovery()").await,
    }
}

async fn is_on(client: &Client, question: &str) -> Result<bool, tokio_postgres::Error> {
    Ok(matches!(first_text(client, question).await?.as_deref(), Some("on" | "t")))
}

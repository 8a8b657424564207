//! Texts in other encodings, truncated in the middle of a character, read from databases of every encoding.

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, Session};
use serde_json::json;

use super::{aged, report};
use crate::actions::{OPERATOR, create_roles_and_table};
use crate::support::{host_for, impatient};

/// Database of each encoding, with the text that an application writes in it.
const DATABASES: [(&str, &str, &str); 4] = [
    ("latin", "LATIN1", "caf\u{e9} cr\u{e8}me"),
    ("windows", "WIN1252", "10 \u{20ac} \u{201c}net\u{201d}"),
    ("japanese", "EUC_JP", "\u{65e5}\u{672c}\u{8a9e}"),
    ("ascii", "SQL_ASCII", "\u{fc}ber"),
];

/// Opens idle transactions, one in each database, whose last statements contain text of the database's encoding; one
/// more is truncated in the middle of a character.
async fn foreign(cluster: &Cluster) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for (name, encoding, text) in DATABASES {
        cluster.create_database(name, encoding).await?;
        let statement = format!("SELECT '{text}'");
        sessions.push(cluster.app("app", name).in_database(name).idle_in_transaction(&statement).await?);
    }
    // The server keeps 1,023 bytes, which cuts the last character.
    let long = format!("SELECT '{}'", "\u{e9}".repeat(600));
    sessions.push(cluster.app("app", "long").idle_in_transaction(&long).await?);
    // Names and transaction ids are shared by all databases, in the encoding of the one that created them.
    cluster.execute_in("latin", "CREATE ROLE \"caissi\u{e8}re\" LOGIN CONNECTION LIMIT 5").await?;
    cluster.execute_in("latin", "BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'caf\u{e9}'").await?;
    Ok(sessions)
}

async fn cluster() -> Result<Cluster> {
    let cluster = Cluster::builder().setting("max_prepared_transactions", 4).start().await?;
    create_roles_and_table(&cluster).await?;
    Ok(cluster)
}

/// dalibo/pg_activity#149 and #427, powa-team/powa#136, dalibo/temboard#887: one client's bytes make tools fail.
#[tokio::test]
async fn every_action_works_with_bytes_of_any_encoding_in_any_database() -> Result<()> {
    let cluster = cluster().await?;
    let sessions = foreign(&cluster).await?;
    aged(&cluster, "state = 'idle in transaction'", 5, 2).await?;
    for database in ["postgres"].into_iter().chain(DATABASES.map(|(name, ..)| name)) {
        let host = host_for(cluster.url(OPERATOR, database));
        for action in ["monitor", "full-analysis"] {
            let report = report(&host, impatient(action)).await.with_context(|| format!("{action} in {database}"))?;
            let connections = &report.pool_stats.connections;
            ensure!(connections.idle_in_transaction == 5, "{action} in {database}: {connections:#?}");
            let lost = report.notes.iter().find(|note| note.contains("could not be read"));
            ensure!(lost.is_none(), "{action} in {database}: {lost:?}");
        }
        let mut plan = impatient("kill-idle");
        plan["options"]["dryRun"] = json!(true);
        // Another session exists, because minSize keeps one.
        let _other = cluster.app("app", "other").in_database(database).unused().await?;
        let planned = super::pids(&report(&host, plan).await?);
        let own = if database == "postgres" { "long" } else { database };
        let pid =
            cluster.count(&format!("application_name = '{own}' AND pid = ANY ('{{{}}}')", listed(&planned))).await?;
        ensure!((planned.len(), pid) == (1, 1), "{database}: {planned:?}");
    }
    drop(sessions);
    Ok(())
}

/// The same for the check that the server makes before it signals.
#[tokio::test]
async fn a_session_whose_query_has_invalid_bytes_is_ended() -> Result<()> {
    let cluster = cluster().await?;
    let _sessions = foreign(&cluster).await?;
    aged(&cluster, "state = 'idle in transaction'", 5, 2).await?;
    for database in ["postgres"].into_iter().chain(DATABASES.map(|(name, ..)| name)) {
        let input = impatient("kill-idle");
        // Another session exists, because minSize keeps one.
        let _other = cluster.app("app", "other").in_database(database).unused().await?;
        let report = report(&host_for(cluster.url(OPERATOR, database)), input).await?;
        let ended: Vec<_> = super::targets(&report).map(|target| &*target.outcome).collect();
        ensure!(ended == ["ended"], "{database}: {:#?}", report.actions);
    }
    Ok(())
}

/// dalibo/pg_activity#149: the readable part of a text is shown.
#[tokio::test]
async fn a_text_of_another_encoding_is_shown_as_far_as_decodable() -> Result<()> {
    let cluster = cluster().await?;
    let _sessions = foreign(&cluster).await?;
    aged(&cluster, "state = 'idle in transaction'", 5, 2).await?;
    let plugin = crate::support::plugin(archon_pool::components::World::Observer);
    let seen = async |database: &str, application: &str| -> Result<String> {
        let host = host_for(cluster.url(OPERATOR, database));
        let snapshot = host.collect(plugin, impatient("monitor")).await?.to_value();
        let backends = snapshot["backends"].as_array().context("a list")?;
        let found = backends.iter().find(|backend| backend["application"] == application).context("listed")?;
        Ok(found["query"].as_str().context("a text")?.to_owned())
    };
    // In its own database decoded from its encoding, elsewhere with replacement characters.
    for (name, _, text) in DATABASES {
        ensure!(seen(name, name).await?.contains(text), "{name}: {}", seen(name, name).await?);
    }
    ensure!(
        seen("postgres", "latin").await?.contains("caf\u{fffd} cr\u{fffd}me"),
        "{}",
        seen("postgres", "latin").await?
    );
    let long = seen("postgres", "long").await?;
    ensure!(long.starts_with("SELECT '\u{e9}\u{e9}"), "{long}");
    Ok(())
}

fn listed(pids: &[i32]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

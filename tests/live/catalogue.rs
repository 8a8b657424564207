//! The catalogue's statements give row for row what those gave that they replaced (`catalogue/before`), and take no lock
//! that anybody waits for.

mod locks;

use anyhow::{Context as _, Result};
use archon_pool_contract::catalogue;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, Session};
use serde_json::Value;
use tokio_postgres::Client;

use crate::actions::{BARE, OPERATOR, create_roles_and_table};

const HELD_LOCKS: &str = include_str!("catalogue/before/held-locks.sql");
const WAITS: &str = include_str!("catalogue/before/waits.sql");
const ROLES: &str = include_str!("catalogue/before/roles.sql");
const ROLE_SETTINGS: &str = include_str!("catalogue/before/role-settings.sql");
const COUNTERS: &str = include_str!("catalogue/before/counters.sql");
const STATEMENTS: &str = include_str!("catalogue/before/statements.sql");

/// Role that may create roles, and may grant one of them.
const CREATOR: &str = "creator";
/// Environment variable with the number of idle sessions.
const SESSIONS: &str = "ARCHON_CATALOGUE_SESSIONS";

fn idle_sessions() -> Result<usize> {
    std::env::var(SESSIONS).map_or(Ok(20), |number| number.parse().context(SESSIONS))
}

/// Starts a server on which nothing happens by itself.
async fn still_cluster() -> Result<Cluster> {
    let cluster = Cluster::builder()
        .setting("autovacuum", "off")
        .setting("max_prepared_transactions", 5)
        .setting("max_connections", idle_sessions()? + 60)
        .start()
        .await?;
    create_roles_and_table(&cluster).await?;
    cluster.create_role(CREATOR, "CREATEROLE").await?;
    for sql in [
        "CREATE DATABASE other",
        "CREATE ROLE absent",
        "GRANT app TO creator WITH ADMIN OPTION",
        "ALTER ROLE app SET idle_in_transaction_session_timeout = '1h'",
        "ALTER ROLE app IN DATABASE other SET idle_in_transaction_session_timeout = '2h'",
        "ALTER ROLE absent SET idle_in_transaction_session_timeout = '3h'",
        "ALTER DATABASE other SET idle_in_transaction_session_timeout = '4h'",
        "ALTER ROLE ALL SET idle_in_transaction_session_timeout = '5h'",
        "ALTER ROLE bare SET work_mem = '5MB'",
    ] {
        cluster.execute(sql).await?;
    }
    cluster.execute_in("other", "CREATE TABLE stock (id int); GRANT ALL ON stock TO app").await?;
    Ok(cluster)
}

/// Opens sessions with every kind of lock and of wait.
async fn play(cluster: &Cluster) -> Result<Vec<Session>> {
    let (app, bare) = (cluster.app("app", "shop"), cluster.app(BARE, "tool"));
    let elsewhere = app.in_database("other");
    let mut sessions = app.idle_many(idle_sessions()?, "SELECT n FROM stock WHERE id = 1").await?;
    sessions.extend(bare.idle_many(2, "SELECT 1").await?);
    sessions.push(app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?);
    sessions.push(app.waiting("UPDATE stock SET n = 2 WHERE id = 1").await?);
    sessions.push(app.waiting("UPDATE stock SET n = 3 WHERE id = 1").await?);
    let prepared = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 2").await?;
    prepared.run("PREPARE TRANSACTION 'order 17'").await?;
    sessions.push(prepared);
    sessions.push(app.waiting("UPDATE stock SET n = 2 WHERE id = 2").await?);
    sessions.push(app.waiting("BEGIN; LOCK TABLE stock").await?);
    sessions.push(bare.advisory_lock(-42).await?);
    sessions.push(app.waiting("SELECT pg_advisory_lock(-42)").await?);
    sessions.push(app.idle("SELECT pg_advisory_lock(7, -8), pg_advisory_lock_shared(9)").await?);
    sessions.push(bare.waiting("SELECT pg_advisory_lock(7, -8)").await?);
    sessions.push(app.temporary_table().await?);
    sessions.push(elsewhere.idle_in_transaction("LOCK TABLE stock").await?);
    sessions.push(elsewhere.waiting("SELECT * FROM stock").await?);
    Ok(sessions)
}

/// Returns the columns with their types, and the rows as sorted texts.
async fn rows(client: &Client, sql: &str, kept: &str) -> Result<(Vec<String>, Vec<String>)> {
    let sql = format!("SELECT {kept} FROM ({sql}) x");
    let columns = client.prepare(&sql).await.with_context(|| sql.clone())?;
    let columns = columns.columns().iter().map(|column| format!("{} {}", column.name(), column.type_())).collect();
    let sql = format!("SELECT y::text FROM ({sql}) y ORDER BY 1");
    let rows = client.query(&sql, &[]).await.with_context(|| sql.clone())?;
    Ok((columns, rows.iter().map(|row| row.get(0)).collect()))
}

#[tokio::test]
async fn the_statements_give_what_the_previous_ones_gave() -> Result<()> {
    const WAIT: &str = "pid, waits_for, waiting_since, blocked_by, blocked_by_prepared";
    const COUNTS: &str = "stats_reset, transactions, sessions, abandoned, active_ms, idle_in_transaction_ms, backends";
    let cluster = still_cluster().await?;
    let _sessions = play(&cluster).await?;
    for role in [SUPERUSER, OPERATOR, CREATOR, BARE] {
        let client = cluster.connect(role).await?;
        // Within a transaction the server reads the counters once.
        client.batch_execute("BEGIN").await?;
        for (entry, of, kept, before) in [
            (catalogue::LOCKS, "waits_for IS NULL", "pid, advisory, relations", HELD_LOCKS),
            (catalogue::LOCKS, "waits_for IS NOT NULL", WAIT, WAITS),
            (catalogue::ROLES, "true", "*", ROLES),
            (catalogue::ROLE_SETTINGS, "true", "*", ROLE_SETTINGS),
            (catalogue::COUNTERS, "true", COUNTS, COUNTERS),
        ] {
            let now = format!("SELECT * FROM ({}) w WHERE {of}", entry.sql);
            let (now, before) = (rows(&client, &now, kept).await?, rows(&client, before, kept).await?);
            assert!(!before.1.is_empty(), "{role}: {} has nothing to compare", entry.id);
            assert_eq!(now, before, "{role}: {}", entry.id);
        }
        let (_, waits) = rows(&client, WAITS, WAIT).await?;
        assert_eq!(waits.len(), 7, "{role}: every waiting session is compared: {waits:?}");
        let both = format!("SELECT * FROM ({}) l WHERE waits_for IS NULL AND advisory IS NULL", catalogue::LOCKS.sql);
        assert_eq!(rows(&client, &both, "*").await?.1, [""; 0], "{role}: each row is of one kind");
    }
    Ok(())
}

/// Returns the statement with today's comment, which PostgreSQL 18 keeps, in its text and in its condition.
fn of_today(before: &str) -> String {
    before.replacen("/* archon-pool */ SELECT", "SELECT /* archon-pool */", 1).replace(
        "NOT pg_catalog.starts_with(query, '/* archon-pool */')",
        "pg_catalog.strpos(query, '/* archon-pool */') = 0",
    )
}

async fn document(client: &Client, sql: &str) -> Result<Value> {
    Ok(serde_json::from_str(client.query_one(sql, &[]).await?.get(0))?)
}

#[tokio::test]
async fn both_pairs_together_are_the_previous_figures_and_our_own() -> Result<()> {
    let cluster = still_cluster().await?;
    anyhow::ensure!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements");
    let _sessions = play(&cluster).await?;
    for role in [SUPERUSER, OPERATOR, BARE] {
        let client = cluster.connect(role).await?;
        client.batch_execute("SELECT 'of the connected role'").await?;
        let excluded = client
            .query_one(
                "SELECT coalesce(sum(calls), 0)::int8 FROM pg_stat_statements \
                 WHERE starts_with(query, '/* archon-pool */') \
                   AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
                &[],
            )
            .await?
            .get::<_, i64>(0) as f64;
        let counts = document(&client, catalogue::STATEMENT_COUNTS.sql).await?;
        let before = document(&client, STATEMENTS).await?;
        let number = |of: &Value, name: &str| of[name].as_f64().unwrap_or_else(|| panic!("{role}: {name} in {of}"));
        // The statement that counts is one of those that the next one counts.
        let all = number(&counts, "calls") + number(&counts, "ownCalls") + 1.0;
        assert_eq!(all, number(&before, "calls") + excluded, "{role}");
        let ms = number(&counts, "execMs") + number(&counts, "ownExecMs");
        assert!(excluded > 0.0 || ms <= number(&before, "execMs") + 0.001, "{role}: {counts} {before}");
        assert!(number(&counts, "ownCalls") >= 1.0 && number(&counts, "calls") >= 1.0, "{role}: {counts}");
        let heaviest = document(&client, &of_today(STATEMENTS)).await?;
        let texts = document(&client, catalogue::STATEMENTS.sql).await?;
        assert_eq!(texts["slow"], heaviest["slow"], "{role}");
        assert_eq!(texts["slow"].as_array().map(Vec::len), Some(5), "{role}");
    }
    Ok(())
}

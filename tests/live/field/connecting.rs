//! Connection strings as providers, frameworks and clusters issue them, against real servers.

use anyhow::{Result, ensure};
use archon_pool_contract::report::Report;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{Cluster, unused_port};
use serde_json::json;

use super::{notes, report};
use crate::actions::{OPERATOR, cluster, create_roles_and_table};
use crate::support::host_for;

async fn over(url: &str) -> Result<Report> {
    report(&host_for(url.to_owned()), json!({ "action": "monitor", "options": { "sampleMs": 0 } })).await
}

/// prisma/orm#25161 and t8y2/dbx#1210: parameters of one client that others reject.
#[tokio::test]
async fn urls_of_providers_and_frameworks_connect() -> Result<()> {
    let cluster = cluster().await?;
    let url = cluster.url(OPERATOR, "postgres");
    let port = cluster.port();
    let other_scheme = |scheme: &str| url.replacen("postgres", scheme, 1);
    for (text, noted) in [
        (format!("{url}?pgbouncer=true&connection_limit=1&pool_timeout=10"), Some("pgbouncer")),
        (format!("{url}?schema=public"), Some("schema")),
        (format!("{url}?supa=base-pooler.x"), Some("supa")),
        (format!("{url}?sslmode=prefer&channel_binding=prefer"), None),
        (format!("{url}?keepalives=1&keepalives_idle=30&connect_timeout=5&gssencmode=disable"), None),
        (format!("{url}?application_name=x&target_session_attrs=read-write"), None),
        (other_scheme("postgresql+asyncpg"), None),
        (other_scheme("postgres+psycopg2"), None),
        (format!("host=127.0.0.1 port={port} user={OPERATOR} password={PASSWORD} dbname=postgres"), None),
        (format!("jdbc:postgresql://127.0.0.1:{port}/postgres?user={OPERATOR}&password={PASSWORD}"), None),
        (format!("\"{url}\""), None),
        (format!("{url}\n"), None),
    ] {
        let report = over(&text).await.map_err(|error| error.context(text.replace(PASSWORD, "…")))?;
        if let Some(name) = noted {
            ensure!(notes(&report, &format!("'{name}'")), "{name}: {:?}", report.notes);
        }
    }
    Ok(())
}

/// brianc/node-libpq#76 and timgit/pg-boss#447: several hosts, of which the first is down or the wrong one.
#[tokio::test]
async fn the_host_with_the_requested_session_attributes_is_used() -> Result<()> {
    let primary = Cluster::builder().hba("host replication postgres 127.0.0.1/32 scram-sha-256").start().await?;
    create_roles_and_table(&primary).await?;
    let standby = primary.standby(&[]).await?;
    primary.is_replayed_by(&standby).await?;
    let gone = unused_port()?;
    let hosts = format!("127.0.0.1:{gone},127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port());
    for (wanted, cluster) in [("any", &standby), ("read-write", &primary), ("standby", &standby), ("primary", &primary)]
    {
        let marker = cluster.app("app", "marker").unused().await?;
        let url = format!("postgres://{OPERATOR}:{PASSWORD}@{hosts}/postgres?target_session_attrs={wanted}");
        let report = over(&url).await?;
        let tallies = &report.pool_stats.connections.by_application;
        ensure!(tallies.iter().any(|tally| tally.name == "marker"), "{wanted}: {tallies:?}");
        marker.close(cluster).await?;
    }
    Ok(())
}

/// supabase/cli#155 and supabase/supabase#36884: a password with a character that is special in other URLs.
#[tokio::test]
async fn a_password_with_a_number_sign_is_parsed_as_in_psql() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("CREATE ROLE odd LOGIN PASSWORD 'Ax^s#9' IN ROLE pg_monitor").await?;
    let port = cluster.port();
    over(&format!("postgres://odd:Ax^s#9@127.0.0.1:{port}/postgres")).await.map(drop)
}

//! Refused logins: by a scripted server with messages from the field, and by a real PgBouncer.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use archon_pool::limits::Limits;
use archon_pool_contract::fault::kind;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{PgBouncer, Refusing, until};
use serde_json::{Value, json};

use super::report;
use crate::actions::{OPERATOR, cluster};
use crate::support::{fault, host_for, host_with};

/// Reads the table that the hosts' unit tests read, too.
fn table() -> Result<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/refusals.json");
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

async fn refusing(row: &Value) -> Result<Refusing> {
    let field = |name: &str| row["says"][name].as_str().with_context(|| format!("no {name} in {row}"));
    Refusing::with(field("severity")?, field("sqlstate")?, field("message")?).await
}

/// supabase/supabase#21166, supabase/supavisor#228, pgbouncer/pgbouncer#1181: "query failed" although no query was
/// sent.
#[tokio::test]
async fn each_refusal_seen_in_production_is_classified() -> Result<()> {
    let mut wrong = Vec::new();
    for row in table()?.into_iter().filter(|row| row["at"].is_null()) {
        let server = refusing(&row).await?;
        // The server has no TLS: "prefer" tries it without success.
        let mode = if row["tls"] == "tried" { "prefer" } else { "disable" };
        let url = format!("{}?sslmode={mode}", server.url());
        let fault = fault(&host_for(url), json!({ "action": "monitor" })).await;
        if row["kind"] != fault.kind || row["retryable"] != fault.retryable || fault.message.contains(PASSWORD) {
            wrong.push(format!("{row}: {fault:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// heroku/legacy-cli#1207: no session is available; "full" has many wordings.
#[tokio::test]
async fn every_wording_of_no_free_slot_opens_the_reserve() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("credentials.toml");
    for row in table()?.iter().filter(|row| row["at"].is_null() && row["kind"] == kind::TOO_MANY_CONNECTIONS) {
        let server = refusing(row).await?;
        let reserve = cluster.url(OPERATOR, "postgres");
        fs::write(&file, format!("[default]\nurl = '{}'\nreserve = '{reserve}'\n", server.url()))?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let host = host_with(archon_pool::credentials().file(&file), Limits::default());
        let input = json!({ "action": "monitor", "options": { "sampleMs": 0 } });
        let report = report(&host, input).await.with_context(|| row.to_string())?;
        ensure!(super::notes(&report, "reserved"), "{row}: {:?}", report.notes);
    }
    Ok(())
}

/// pgbouncer/pgbouncer#1181 and supabase/supavisor#228: each pooler has its own messages for "full" and "no such
/// database"; here PgBouncer's, live.
#[tokio::test]
async fn refusals_of_pgbouncer_are_classified() -> Result<()> {
    let cluster = cluster().await?;
    for current in [false, true] {
        let mut builder = PgBouncer::before(&cluster).users(&[OPERATOR]).setting("max_client_conn", 1);
        builder = builder.database("nowhere", "dbname=missing");
        let builder = if current { builder.current() } else { builder };
        let bouncer = builder.start().await?;
        // The harness's session may still use the only slot.
        let mut holder = None;
        until("a place for a client", async || {
            holder = bouncer.connect(OPERATOR, "holder").await.ok();
            Ok(holder.is_some())
        })
        .await?;
        let kind = async |database: &str| {
            let host = host_for(bouncer.url(OPERATOR, database));
            let fault = crate::support::fault(&host, json!({ "action": "monitor" })).await;
            (fault.kind.clone(), fault.retryable, fault.message)
        };
        let (full, retryable, words) = kind("postgres").await;
        ensure!((full.as_str(), retryable) == ("too-many-connections", true), "{full}: {words}");
        drop(holder);
        let (missing, _, words) = kind("nowhere").await;
        ensure!(missing == "database-not-found", "{missing}: {words}");
    }
    Ok(())
}

/// A full pool, a pooler without a server, and its console: PgBouncer admits a login before it has a server
/// connection, and reports the same for a server that is down as for a full pool.
#[tokio::test]
async fn a_full_pool_a_missing_server_and_a_console_are_distinguished() -> Result<()> {
    let cluster = cluster().await?;
    for current in [false, true] {
        let builder = PgBouncer::before(&cluster).users(&[OPERATOR]).setting("query_wait_timeout", 1);
        let builder = builder.database("narrow", "dbname=postgres pool_size=1").database("down", "port=1");
        let bouncer = if current { builder.current() } else { builder }.start().await?;
        let reported = async |user: &str, database: &str| {
            let host = host_for(bouncer.url(user, database));
            let fault = crate::support::fault(&host, json!({ "action": "monitor" })).await;
            (fault.kind.clone(), fault.retryable, fault.message)
        };
        let holder = bouncer.connect_to("narrow", OPERATOR, "holder").await?;
        holder.batch_execute("BEGIN").await?;
        let (kind, retryable, words) = reported(OPERATOR, "narrow").await;
        ensure!((kind.as_str(), retryable) == (kind::TOO_MANY_CONNECTIONS, true), "{kind}: {words}");
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("credentials.toml");
        let (url, reserve) = (bouncer.url(OPERATOR, "narrow"), cluster.url(OPERATOR, "postgres"));
        fs::write(&file, format!("[default]\nurl = '{url}'\nreserve = '{reserve}'\n"))?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let host = host_with(archon_pool::credentials().file(&file), Limits::default());
        let report = report(&host, json!({ "action": "monitor", "options": { "sampleMs": 0 } })).await?;
        ensure!(super::notes(&report, "reserved"), "{:?}", report.notes);
        drop(holder);
        let (kind, retryable, words) = reported(OPERATOR, "down").await;
        ensure!((kind.as_str(), retryable) == (kind::SERVER_UNREACHABLE, true), "{kind}: {words}");
        ensure!(words.contains("paused") && !words.contains("end idle sessions"), "{words}");
        let (kind, retryable, words) = reported(archon_pool_tests::pgbouncer::ADMIN, "pgbouncer").await;
        ensure!((kind.as_str(), retryable) == (kind::CREDENTIAL_INVALID, false), "{kind}: {words}");
        ensure!(words.contains("give this URL as `pooler`"), "{words}");
    }
    Ok(())
}

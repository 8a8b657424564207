//! SQL fixes of findings: they work for the roles that the report names, and for no others.

use std::collections::BTreeMap;

use anyhow::Result;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, until};
use tokio_postgres::error::SqlState;

use crate::actions::{BARE, OPERATOR, cluster_shows_age};
use crate::support::{impatient, nothing_left, report};

/// Role that owns the database and has created the roles of the applications.
const STEWARD: &str = "steward";

/// Number of busy sessions that saturates the server, beside the sessions of the other findings, but leaves a slot
/// for an ordinary role.
const BUSY: usize = 90;
const SLOTS: usize = 102;

/// Creates a report and runs every fix in it. Returns the findings, each with the role that can fix it.
async fn try_fixes(cluster: &Cluster, role: &str) -> Result<BTreeMap<String, String>> {
    nothing_left(cluster).await?;
    let report = report(cluster, role, impatient("full-analysis")).await;
    nothing_left(cluster).await?;
    let client = cluster.connect(role).await?;
    let mut tried = BTreeMap::new();
    for finding in report.findings {
        let Some((sql, by)) = finding.fix.and_then(|fix| Some((fix.sql?, fix.by))) else { continue };
        let answer = client.batch_execute(&sql).await;
        match by.as_str() {
            "you" => assert!(answer.is_ok(), "{role} may not run {sql}: {answer:?}"),
            _ => {
                let code = answer.as_ref().err().and_then(tokio_postgres::Error::code);
                assert_eq!(code, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role} ran {sql}: {answer:?}");
            }
        }
        tried.insert(finding.id, by);
    }
    Ok(tried)
}

fn found(findings: &[(&str, &str)]) -> BTreeMap<String, String> {
    findings.iter().map(|(id, by)| ((*id).to_owned(), (*by).to_owned())).collect()
}

#[tokio::test]
async fn the_fixes_of_a_report_run_under_the_named_role() -> Result<()> {
    let cluster = Cluster::builder().setting("max_connections", SLOTS).start().await?;
    cluster.create_role(OPERATOR, "IN ROLE pg_monitor, pg_signal_backend").await?;
    cluster.create_role(STEWARD, "CREATEROLE IN ROLE pg_monitor").await?;
    cluster.execute("ALTER DATABASE postgres OWNER TO steward").await?;
    let steward = cluster.connect(STEWARD).await?;
    steward.batch_execute(&format!("CREATE ROLE app LOGIN PASSWORD '{}'", archon_pool_tests::PASSWORD)).await?;
    steward.batch_execute(&format!("CREATE ROLE busy LOGIN PASSWORD '{}'", archon_pool_tests::PASSWORD)).await?;
    drop(steward);
    cluster.create_role("quiet", "").await?;
    cluster.execute("ALTER ROLE quiet SET track_activities = off").await?;

    let (app, busy) = (cluster.app("app", "worker"), cluster.app("busy", "web"));
    let _quiet = cluster.connect("quiet").await?;
    let _stale = app.idle_in_transaction("SELECT 1").await?;
    let aborted = app.aborted().await?;
    let mut working = Vec::new();
    for _ in 0..BUSY {
        working.push(busy.active().await?);
    }
    cluster_shows_age(&cluster, aborted.pid(), 2).await?;
    until("the session shows as disabled", async || Ok(cluster.count("state = 'disabled'").await? == 1)).await?;

    let (you, administrator) = ("you", "administrator");
    for (role, roles, server) in
        [(OPERATOR, administrator, administrator), (STEWARD, you, administrator), (SUPERUSER, you, you)]
    {
        // The previous role's fixes have raised or set these limits.
        cluster.execute("ALTER ROLE app RESET idle_in_transaction_session_timeout").await?;
        cluster.execute(&format!("ALTER ROLE busy CONNECTION LIMIT {BUSY}")).await?;
        cluster.execute(&format!("ALTER DATABASE postgres CONNECTION LIMIT {SLOTS}")).await?;
        let expected = found(&[
            ("aborted-transactions", roles),
            ("database-limit", roles),
            ("idle-in-transaction", roles),
            ("role-limit", roles),
            ("saturation", server),
            ("unknown-states", server),
        ]);
        assert_eq!(try_fixes(&cluster, role).await?, expected, "{role}");
    }
    Ok(())
}

#[tokio::test]
async fn a_fix_for_coverage_needs_an_administrator() -> Result<()> {
    let cluster = crate::actions::cluster().await?;
    let _hidden = cluster.app("app", "shop").idle("SELECT 1").await?;
    assert_eq!(try_fixes(&cluster, BARE).await?, found(&[("incomplete-coverage", "administrator")]));
    Ok(())
}

//! Imports `pooler` and `scaling` from a component's view, with real poolers and real limits.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use archon_pool::audit::Audit;
use archon_pool::components::World;
use archon_pool::host::{CallOptions, Host};
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::kind;
use archon_pool_tests::pgbouncer::{ADMIN, Builder};
use archon_pool_tests::{Cluster, PgBouncer, until};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::hostile::arena::{HOSTILE, heard};
use crate::support::{host_with, host_with_policy, plugin, run_in};

/// Loads the component that runs the requested steps and returns the host's answers.
fn parrot(host: &Host) -> &'static Plugin {
    static PARROT: OnceLock<Plugin> = OnceLock::new();
    PARROT.get_or_init(|| Plugin::from_bytes(host.engine(), "parrot.wasm", HOSTILE).expect("a component"))
}

/// Runs these steps, in a request to scale with changes applied, and returns the answers.
async fn does(host: &Host, steps: Value) -> Result<Vec<String>> {
    does_with(host, steps, json!({ "minSize": 1 })).await
}

async fn does_with(host: &Host, steps: Value, options: Value) -> Result<Vec<String>> {
    let input = json!({ "action": "auto-scale", "options": options, "attack": { "name": "pool", "steps": steps } });
    let answer = host.run(parrot(host), input).await?;
    Ok(heard(&answer).into_iter().map(str::to_owned).collect())
}

/// Runs these steps and returns the last answer.
async fn last(host: &Host, steps: Value) -> Result<String> {
    does(host, steps).await?.pop().context("it heard nothing")
}

fn resize(size: u32) -> Value {
    json!([{ "do": "resize", "size": size }])
}

fn controlled(cluster: &Cluster, console: String) -> Host {
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.superuser_url()));
    host_with(credentials.pooler(SecretString::from(console)), Limits::default())
}

fn limited(cluster: &Cluster, role: &str, whose: &str) -> Host {
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.url(role, "postgres")));
    host_with(credentials.controller(whose), Limits::default())
}

/// Starts a cluster and a pooler with pools of ten.
async fn pooled(with: impl FnOnce(Builder) -> Builder) -> Result<(Cluster, PgBouncer)> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let builder = PgBouncer::before(&cluster).users(&["app"]).setting("default_pool_size", 10);
    let bouncer = with(builder).start().await?;
    Ok((cluster, bouncer))
}

/// Returns the lines of an audit log with these events.
fn lines(path: &Path, events: &[&str]) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| events.iter().any(|event| line["event"] == *event)).collect())
}

#[tokio::test]
async fn an_admin_and_a_stats_user_read_every_view() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let client = bouncer.connect("app", "checkout").await?;
    client.batch_execute("BEGIN").await?;
    let views = ["pools", "clients", "servers", "databases", "stats", "users", "config", "lists", "version", "state"];
    let needed = [
        "cl_waiting sv_active",
        "ptr link",
        "link remote_pid",
        "name host port database",
        "total_xact_count",
        "name pool_mode",
        "key value",
        "list items",
        "version",
    ];
    for console in [bouncer.console_url(), bouncer.watcher_url()] {
        let told = does(&controlled(&cluster, console), json!([{ "do": "show", "views": views }])).await?;
        let told = told.split_off_views()?;
        for (view, (told, needed)) in views.iter().zip(told.iter().zip(needed)) {
            ensure!(told.contains("odd: false") && !told.starts_with("0 rows"), "{view}: {told}");
            for column in needed.split(' ') {
                ensure!(told.split(' ').any(|word| word == column), "{view} has no {column}: {told}");
            }
        }
        ensure!(told[6].contains("size: 10,"), "{}", told[6]);
        // Not in 1.18.
        ensure!(told[9].contains("rows") || told[9].starts_with(kind::UNSUPPORTED_VIEW), "{}", told[9]);
    }
    Ok(())
}

/// Access to the answers to views, without the answers before.
trait Views {
    fn split_off_views(self) -> Result<Vec<String>>;
}

impl Views for Vec<String> {
    fn split_off_views(self) -> Result<Vec<String>> {
        let at = self.iter().position(|word| word == "ok pgbouncer views").with_context(|| self.join("\n"))?;
        Ok(self[at + 1..].to_vec())
    }
}

#[tokio::test]
async fn a_server_that_is_no_console_is_distinguished_from_a_refusing_one() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let console = bouncer.console_url();
    let wrong = console.replacen(archon_pool_tests::PASSWORD, "not-the-password", 1);
    let (none, steps) = (cluster.superuser_url(), json!([]));
    let server = cluster.url("postgres", "pgbouncer");
    for (console, kind, word) in [
        (wrong, kind::AUTHENTICATION_FAILED, ADMIN),
        (bouncer.url("app", "pgbouncer"), kind::INSUFFICIENT_PRIVILEGE, "stats_users"),
        (server.clone(), kind::CREDENTIAL_INVALID, "is no PgBouncer"),
        (none, kind::CREDENTIAL_INVALID, "must end in /pgbouncer"),
    ] {
        let told = last(&controlled(&cluster, console), steps.clone()).await?;
        ensure!(told.starts_with(kind) && told.contains(word), "{kind}: {told}");
        ensure!(!told.contains("not-the-password"), "{told}");
    }
    // A server with a database of that name is not taken for a console.
    cluster.execute("CREATE DATABASE pgbouncer").await?;
    let told = last(&controlled(&cluster, server), steps.clone()).await?;
    ensure!(told.contains("is no PgBouncer"), "{told}");
    bouncer.kill();
    let told = last(&controlled(&cluster, console), steps.clone()).await?;
    ensure!(told.starts_with(kind::SERVER_UNREACHABLE) && told.contains("console"), "{told}");
    let told =
        last(&host_with(archon_pool::credentials().url(cluster.superuser_url().into()), Limits::default()), steps)
            .await?;
    ensure!(told.starts_with(kind::NO_POOLER), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_resize_is_verified_recorded_and_lasts_until_a_reload() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder.user("app", "pool_mode=session")).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let host = controlled(&cluster, bouncer.console_url()).audit(Audit::open(&path)?);
    let input = json!({ "action": "auto-scale", "attack": { "name": "pool", "steps": resize(12) } });
    let answer = host.call(parrot(&host), input, CallOptions::default()).await;
    ensure!(answer.signalled, "it must not be repeated blindly");
    let told = answer.output?.to_string();
    ensure!(told.contains("executed: 10 to 12") && !told.contains("not executed"), "{told}");
    ensure!(told.contains("reloaded or restarted") && told.contains("`default_pool_size = 12`"), "{told}");
    ensure!(bouncer.config_value("default_pool_size").await? == "12", "not resized");
    let lines = lines(&path, &["resize"])?;
    let [sending, executed] = lines.as_slice() else { anyhow::bail!("two lines: {lines:#?}") };
    ensure!(sending["outcome"] == "sending" && executed["sending"] == sending["seq"], "{lines:#?}");
    ensure!(executed["outcome"] == "executed" && executed["before"] == 10 && executed["after"] == 12, "{executed}");
    ensure!(executed["by"] == ADMIN && executed["controller"] == "pgbouncer", "{executed}");
    ensure!(executed["reason"] == "hostile" && executed["plugin"] == "parrot.wasm", "{executed}");
    bouncer.command("RELOAD").await?;
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "not reverted");
    Ok(())
}

#[tokio::test]
async fn one_call_resizes_once_and_a_plan_never() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url());
    let dry = json!([{ "do": "resize", "size": 11, "dryRun": true }]);
    let told = last(&host, dry.clone()).await?;
    ensure!(told.starts_with("not executed: 10 to none: a dry run"), "{told}");
    let told = does_with(&host, dry, json!({ "dryRun": true })).await?.join("\n");
    ensure!(told.contains("10 to none: a dry run"), "{told}");
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "resized by a plan");
    let twice = json!([{ "do": "resize", "size": 11 }, { "do": "resize", "size": 12 }]);
    let told = does(&host, twice).await?;
    ensure!(told.iter().any(|word| word.starts_with("executed: 10 to 11")), "{told:?}");
    ensure!(told.last().is_some_and(|word| word.contains("once")), "{told:?}");
    ensure!(bouncer.config_value("default_pool_size").await? == "11", "resized twice");
    // The next call may continue.
    ensure!(last(&host, resize(12)).await?.starts_with("executed: 11 to 12"));
    Ok(())
}

#[tokio::test]
async fn nothing_is_resized_without_consent() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url());
    let told = last(&host.clone().consent(|_| async { Err("not today".into()) }), resize(11)).await?;
    ensure!(told.starts_with("not executed: 10 to none") && told.contains("not today"), "{told}");
    let granting = host.clone().consent(|proposal| async move {
        let archon_pool::consent::Act::Resize { before, order } = proposal.act else { return Err("what?".into()) };
        if (before, order.size) == (10, 11) { Ok(()) } else { Err("something else".into()) }
    });
    ensure!(last(&granting, resize(11)).await?.starts_with("executed"));
    Ok(())
}

#[tokio::test]
async fn the_hourly_cap_limits_resizes() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let credentials = || {
        let console = SecretString::from(bouncer.console_url());
        archon_pool::credentials().url(SecretString::from(cluster.superuser_url())).pooler(console)
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let host = |most| -> Result<Host> {
        let policy = Policy { max_resizes_per_hour: most, ..Policy::default() };
        Ok(host_with_policy(credentials(), policy).audit(Audit::open(&path)?))
    };
    let first = host(2)?;
    ensure!(last(&first, resize(11)).await?.starts_with("executed: 10 to 11"));
    ensure!(last(&first, resize(12)).await?.starts_with("executed: 11 to 12"));
    let told = last(&first, resize(13)).await?;
    ensure!(told.starts_with("not executed: 12 to none") && told.contains("max_resizes_per_hour"), "{told}");
    // Another process reads the change in the log.
    let told = last(&host(2)?, resize(13)).await?;
    ensure!(told.contains("the cap of 2 changes an hour"), "{told}");
    ensure!(last(&host(3)?, resize(13)).await?.starts_with("executed: 12 to 13"));
    Ok(())
}

#[tokio::test]
async fn a_full_disk_stops_resizes_and_not_reads_of_the_pooler() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url()).audit(Audit::open(Path::new("/dev/full"))?);
    let told = does(&host, json!([{ "do": "show", "views": ["config"] }])).await?.join("\n");
    ensure!(told.contains("size: 10,"), "{told}");
    let told = last(&host, resize(11)).await?;
    ensure!(told.starts_with(kind::AUDIT_FAILED), "{told}");
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "resized without a record");
    Ok(())
}

#[tokio::test]
async fn a_pool_size_of_a_database_is_not_changed() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| {
        let builder = builder.database("small", "dbname=postgres pool_size=3");
        builder.database("same", "dbname=postgres pool_size=10").database("shop", "dbname=postgres")
    })
    .await?;
    let host = controlled(&cluster, bouncer.console_url());
    let pool = |name: &str| json!([{ "do": "resize", "size": 11, "pool": name }]);
    let told = last(&host, pool("small")).await?;
    ensure!(told.contains("not executed: 3 to none") && told.contains("edit pool_size of [databases] small"), "{told}");
    // The pool has the default's value but a size of its own, so the change of the default is reverted.
    let told = last(&host, pool("same")).await?;
    ensure!(told.starts_with("not executed: 10 to 10"), "{told}");
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "it is put back");
    let told = last(&host, pool("shop")).await?;
    ensure!(told.starts_with("executed: 10 to 11") && told.contains("database 'small'"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_stats_user_cannot_resize_and_the_fault_says_so() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.watcher_url());
    let told = last(&host, resize(11)).await?;
    ensure!(told.starts_with(kind::INSUFFICIENT_PRIVILEGE) && told.contains("admin_users"), "{told}");
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "resized");
    Ok(())
}

#[tokio::test]
async fn a_reconnect_closes_free_connections_and_keeps_open_transactions() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder.database("web-shop", "dbname=postgres")).await?;
    let host = controlled(&cluster, bouncer.console_url());
    let client = bouncer.connect_to("web-shop", "app", "checkout").await?;
    let pid = async || -> Result<i32> { Ok(client.query_typed("SELECT pg_backend_pid()", &[]).await?[0].get(0)) };
    client.batch_execute("BEGIN").await?;
    let before = pid().await?;
    let reconnect = json!([{ "do": "reconnect", "database": "web-shop" }]);
    let told = last(&host, reconnect.clone()).await?;
    ensure!(told.starts_with("executed"), "{told}");
    ensure!(pid().await? == before, "the transaction lost its connection");
    client.batch_execute("COMMIT").await?;
    until("the old connection is gone", async || Ok(cluster.count(&format!("pid = {before}")).await? == 0)).await?;
    ensure!(pid().await? != before, "the same connection");
    let twice = json!([reconnect[0], reconnect[0]]);
    let told = last(&host, twice).await?;
    ensure!(told.starts_with("not executed") && told.contains("once"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_connection_limit_of_a_role_grows_and_shrinks() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "CONNECTION LIMIT 10").await?;
    cluster.create_role("plain", "").await?;
    cluster.create_role("unbound", "").await?;
    let host = limited(&cluster, "postgres", "role:app");
    let told = does(&host, json!([{ "do": "show", "views": ["config", "pools"] }])).await?.join("\n");
    ensure!(told.contains("ok postgresql views") && told.contains("size: 10,"), "{told}");
    ensure!(told.contains(kind::UNSUPPORTED_VIEW), "{told}");
    let told = last(&host, resize(12)).await?;
    ensure!(told.starts_with("executed: 10 to 12"), "{told}");
    let told = last(&host, resize(11)).await?;
    ensure!(told.starts_with("executed: 12 to 11") && told.contains("new connections beyond it are refused"), "{told}");
    let _busy = cluster.app("app", "shop").idle_many(11, "SELECT 1").await?;
    let told = last(&host, resize(10)).await?;
    ensure!(told.contains("11 are connected"), "{told}");
    let told = last(&limited(&cluster, "plain", "role:app"), resize(12)).await?;
    ensure!(told.contains("may not change") && told.contains("CREATEROLE"), "{told}");
    let told = last(&limited(&cluster, "postgres", "role:unbound"), resize(12)).await?;
    ensure!(told.contains("has no connection limit"), "{told}");
    let told = last(&limited(&cluster, "postgres", "role:nobody"), resize(12)).await?;
    ensure!(told.starts_with(kind::CREDENTIAL_INVALID), "{told}");
    let told = last(&host, json!([{ "do": "reconnect", "database": "postgres" }])).await?;
    ensure!(told.starts_with("not executed"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_connection_limit_of_a_database_is_changed_by_its_owner_only() -> Result<()> {
    let cluster = Cluster::start().await?;
    for role in ["owner", "plain"] {
        cluster.create_role(role, "").await?;
    }
    cluster.execute("ALTER DATABASE postgres OWNER TO owner").await?;
    cluster.execute("ALTER DATABASE postgres CONNECTION LIMIT 20").await?;
    let told = last(&limited(&cluster, "owner", "database"), resize(22)).await?;
    ensure!(told.starts_with("executed: 20 to 22"), "{told}");
    let told = last(&limited(&cluster, "plain", "database"), resize(23)).await?;
    ensure!(told.contains("to own it"), "{told}");
    let limit: i32 = cluster
        .observer()
        .await?
        .query_one("SELECT datconnlimit FROM pg_database WHERE datname = 'postgres'", &[])
        .await?
        .get(0);
    ensure!(limit == 22, "{limit}");
    Ok(())
}

#[tokio::test]
async fn an_observer_cannot_resize() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url());
    let input = json!({ "action": "auto-scale", "options": { "sampleMs": 0, "minSize": 11 } });
    let report = run_in(plugin(World::Observer), &host, input).await.data.context("a report")?;
    ensure!(report.actions.iter().all(|action| !action.executed), "{:#?}", report.actions);
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "resized");
    ensure!(Plugin::from_bytes(host.engine(), "x.wasm", HOSTILE)?.world() == World::Manager);
    Ok(())
}

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

use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::support::{host_with, host_with_policy, plugin, run_in};

/// Loads the component that runs the requested steps and returns the host's answers.
fn hostile_plugin(host: &Host) -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| Plugin::from_bytes(host.engine(), "hostile.wasm", HOSTILE).expect("a component"))
}

/// Runs these steps, in a request to scale with changes applied, and returns the answers.
async fn responses_to(host: &Host, steps: Value) -> Result<Vec<String>> {
    responses_with(host, steps, json!({ "minSize": 1 })).await
}

async fn responses_with(host: &Host, steps: Value, options: Value) -> Result<Vec<String>> {
    let input = json!({ "action": "auto-scale", "options": options, "attack": { "name": "pool", "steps": steps } });
    Ok(responses(&host.run(hostile_plugin(host), input).await?))
}

/// Runs these steps and returns the last answer.
async fn last(host: &Host, steps: Value) -> Result<String> {
    responses_to(host, steps).await?.pop().context("no response")
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
        let reported = responses_to(&controlled(&cluster, console), json!([{ "do": "show", "views": views }])).await?;
        let reported = reported.split_off_views()?;
        for (view, (reported, needed)) in views.iter().zip(reported.iter().zip(needed)) {
            ensure!(reported.contains("odd: false") && !reported.starts_with("0 rows"), "{view}: {reported}");
            for column in needed.split(' ') {
                ensure!(reported.split(' ').any(|word| word == column), "{view} has no {column}: {reported}");
            }
        }
        ensure!(reported[6].contains("size: 10,"), "{}", reported[6]);
        // Not in 1.18.
        ensure!(reported[9].contains("rows") || reported[9].starts_with(kind::UNSUPPORTED_VIEW), "{}", reported[9]);
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
        let reported = last(&controlled(&cluster, console), steps.clone()).await?;
        ensure!(reported.starts_with(kind) && reported.contains(word), "{kind}: {reported}");
        ensure!(!reported.contains("not-the-password"), "{reported}");
    }
    // A server with a database of that name is not taken for a console.
    cluster.execute("CREATE DATABASE pgbouncer").await?;
    let reported = last(&controlled(&cluster, server), steps.clone()).await?;
    ensure!(reported.contains("is no PgBouncer"), "{reported}");
    bouncer.kill();
    let reported = last(&controlled(&cluster, console), steps.clone()).await?;
    ensure!(reported.starts_with(kind::SERVER_UNREACHABLE) && reported.contains("console"), "{reported}");
    let reported =
        last(&host_with(archon_pool::credentials().url(cluster.superuser_url().into()), Limits::default()), steps)
            .await?;
    ensure!(reported.starts_with(kind::NO_POOLER), "{reported}");
    Ok(())
}

#[tokio::test]
async fn a_resize_is_verified_recorded_and_lasts_until_a_reload() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder.user("app", "pool_mode=session")).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let host = controlled(&cluster, bouncer.console_url()).audit(Audit::open(&path)?);
    let input = json!({ "action": "auto-scale", "attack": { "name": "pool", "steps": resize(12) } });
    let answer = host.call(hostile_plugin(&host), input, CallOptions::default()).await;
    ensure!(answer.signalled, "it must not be repeated blindly");
    let reported = answer.output?.to_string();
    ensure!(reported.contains("executed: 10 to 12") && !reported.contains("not executed"), "{reported}");
    ensure!(reported.contains("reloaded or restarted") && reported.contains("`default_pool_size = 12`"), "{reported}");
    ensure!(bouncer.config_value("default_pool_size").await? == "12", "not resized");
    let lines = lines(&path, &["resize"])?;
    let [sending, executed] = lines.as_slice() else { anyhow::bail!("two lines: {lines:#?}") };
    ensure!(sending["outcome"] == "sending" && executed["sending"] == sending["seq"], "{lines:#?}");
    ensure!(executed["outcome"] == "executed" && executed["before"] == 10 && executed["after"] == 12, "{executed}");
    ensure!(executed["by"] == ADMIN && executed["controller"] == "pgbouncer", "{executed}");
    ensure!(executed["reason"] == "hostile" && executed["plugin"] == "hostile.wasm", "{executed}");
    bouncer.command("RELOAD").await?;
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "not reverted");
    Ok(())
}

#[tokio::test]
async fn one_call_resizes_once_and_a_plan_never() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url());
    let dry = json!([{ "do": "resize", "size": 11, "dryRun": true }]);
    let reported = last(&host, dry.clone()).await?;
    ensure!(reported.starts_with("not executed: 10 to none: a dry run"), "{reported}");
    let reported = responses_with(&host, dry, json!({ "dryRun": true })).await?.join("\n");
    ensure!(reported.contains("10 to none: a dry run"), "{reported}");
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "resized by a plan");
    let twice = json!([{ "do": "resize", "size": 11 }, { "do": "resize", "size": 12 }]);
    let reported = responses_to(&host, twice).await?;
    ensure!(reported.iter().any(|word| word.starts_with("executed: 10 to 11")), "{reported:?}");
    ensure!(reported.last().is_some_and(|word| word.contains("once")), "{reported:?}");
    ensure!(bouncer.config_value("default_pool_size").await? == "11", "resized twice");
    // The next call may continue.
    ensure!(last(&host, resize(12)).await?.starts_with("executed: 11 to 12"));
    Ok(())
}

#[tokio::test]
async fn nothing_is_resized_without_consent() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url());
    let reported = last(&host.clone().consent(|_| async { Err("not today".into()) }), resize(11)).await?;
    ensure!(reported.starts_with("not executed: 10 to none") && reported.contains("not today"), "{reported}");
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
    let reported = last(&first, resize(13)).await?;
    ensure!(
        reported.starts_with("not executed: 12 to none") && reported.contains("max_resizes_per_hour"),
        "{reported}"
    );
    // Another process reads the change in the log.
    let reported = last(&host(2)?, resize(13)).await?;
    ensure!(reported.contains("the cap of 2 changes an hour"), "{reported}");
    ensure!(last(&host(3)?, resize(13)).await?.starts_with("executed: 12 to 13"));
    Ok(())
}

#[tokio::test]
async fn a_full_disk_stops_resizes_and_not_reads_of_the_pooler() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.console_url()).audit(Audit::open(Path::new("/dev/full"))?);
    let reported = responses_to(&host, json!([{ "do": "show", "views": ["config"] }])).await?.join("\n");
    ensure!(reported.contains("size: 10,"), "{reported}");
    let reported = last(&host, resize(11)).await?;
    ensure!(reported.starts_with(kind::AUDIT_FAILED), "{reported}");
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
    let reported = last(&host, pool("small")).await?;
    ensure!(
        reported.contains("not executed: 3 to none") && reported.contains("edit pool_size of [databases] small"),
        "{reported}"
    );
    // The pool has the default's value but a size of its own, so the change of the default is reverted.
    let reported = last(&host, pool("same")).await?;
    ensure!(reported.starts_with("not executed: 10 to 10"), "{reported}");
    ensure!(bouncer.config_value("default_pool_size").await? == "10", "it is put back");
    let reported = last(&host, pool("shop")).await?;
    ensure!(reported.starts_with("executed: 10 to 11") && reported.contains("database 'small'"), "{reported}");
    Ok(())
}

#[tokio::test]
async fn a_stats_user_cannot_resize_and_the_fault_says_so() -> Result<()> {
    let (cluster, bouncer) = pooled(|builder| builder).await?;
    let host = controlled(&cluster, bouncer.watcher_url());
    let reported = last(&host, resize(11)).await?;
    ensure!(reported.starts_with(kind::INSUFFICIENT_PRIVILEGE) && reported.contains("admin_users"), "{reported}");
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
    let reported = last(&host, reconnect.clone()).await?;
    ensure!(reported.starts_with("executed"), "{reported}");
    ensure!(pid().await? == before, "the transaction lost its connection");
    client.batch_execute("COMMIT").await?;
    until("the old connection is gone", async || Ok(cluster.count(&format!("pid = {before}")).await? == 0)).await?;
    ensure!(pid().await? != before, "the same connection");
    let twice = json!([reconnect[0], reconnect[0]]);
    let reported = last(&host, twice).await?;
    ensure!(reported.starts_with("not executed") && reported.contains("once"), "{reported}");
    Ok(())
}

#[tokio::test]
async fn a_connection_limit_of_a_role_grows_and_shrinks() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "CONNECTION LIMIT 10").await?;
    cluster.create_role("plain", "").await?;
    cluster.create_role("unbound", "").await?;
    let host = limited(&cluster, "postgres", "role:app");
    let reported = responses_to(&host, json!([{ "do": "show", "views": ["config", "pools"] }])).await?.join("\n");
    ensure!(reported.contains("ok postgresql views") && reported.contains("size: 10,"), "{reported}");
    ensure!(reported.contains(kind::UNSUPPORTED_VIEW), "{reported}");
    let reported = last(&host, resize(12)).await?;
    ensure!(reported.starts_with("executed: 10 to 12"), "{reported}");
    let reported = last(&host, resize(11)).await?;
    ensure!(
        reported.starts_with("executed: 12 to 11") && reported.contains("new connections beyond it are refused"),
        "{reported}"
    );
    let _busy = cluster.app("app", "shop").idle_many(11, "SELECT 1").await?;
    let reported = last(&host, resize(10)).await?;
    ensure!(reported.contains("11 are connected"), "{reported}");
    let reported = last(&limited(&cluster, "plain", "role:app"), resize(12)).await?;
    ensure!(reported.contains("may not change") && reported.contains("CREATEROLE"), "{reported}");
    let reported = last(&limited(&cluster, "postgres", "role:unbound"), resize(12)).await?;
    ensure!(reported.contains("has no connection limit"), "{reported}");
    let reported = last(&limited(&cluster, "postgres", "role:nobody"), resize(12)).await?;
    ensure!(reported.starts_with(kind::CREDENTIAL_INVALID), "{reported}");
    let reported = last(&host, json!([{ "do": "reconnect", "database": "postgres" }])).await?;
    ensure!(reported.starts_with("not executed"), "{reported}");
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
    let reported = last(&limited(&cluster, "owner", "database"), resize(22)).await?;
    ensure!(reported.starts_with("executed: 20 to 22"), "{reported}");
    let reported = last(&limited(&cluster, "plain", "database"), resize(23)).await?;
    ensure!(reported.contains("to own it"), "{reported}");
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

//! Runs the guard cases, with a component that gives the orders of the case.

use anyhow::{Context as _, Result, bail, ensure};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_tests::{Cluster, Session, until};
use serde_json::{Value, json};

use super::kit;
use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::support::host_under;

/// Statement that selects a session's identity for an order.
const IDENTITY: &str = "SELECT a.pid, (extract(epoch FROM a.backend_start) * 1000000)::int8, coalesce(a.state, ''), \
                        coalesce((extract(epoch FROM a.state_change) * 1000000)::int8, 0) FROM pg_stat_activity a";

/// Statement that ends the remaining sessions of a case.
const LEAVE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('guard', 'elsewhere')";

#[tokio::test]
async fn every_guard_case_ends_as_it_says() -> Result<()> {
    let kit: Value = serde_json::from_slice(&std::fs::read(kit().join("guard.json"))?)?;
    let cluster = Cluster::start().await?;
    for (role, options) in kit["server"]["roles"].as_object().context("roles")? {
        cluster.create_role(role, options.as_str().context("options")?).await?;
    }
    for database in kit["server"]["databases"].as_array().context("databases")? {
        cluster.execute(&format!("CREATE DATABASE {}", text(database)?)).await?;
    }
    for case in kit["cases"].as_array().context("cases")? {
        let name = text(&case["name"])?;
        run(&cluster, case).await.with_context(|| name.to_owned())?;
        // A backend that runs a statement does not detect a closed client.
        cluster.execute(LEAVE).await?;
        let none = "backend_type = 'client backend' AND datname IN ('guard', 'elsewhere')";
        until("everybody has left", async || Ok(cluster.count(none).await? == 0)).await?;
    }
    Ok(())
}

async fn run(cluster: &Cluster, case: &Value) -> Result<()> {
    let mut sessions = Vec::new();
    for session in list(case, "sessions") {
        sessions.push(Some(open(cluster, session).await?));
    }
    let mut orders = Vec::new();
    for order in list(case, "orders") {
        orders.push(ordered(cluster, &sessions, order).await?);
    }
    for step in list(case, "then") {
        let session = &mut sessions[index(&step["session"])?];
        match step["sql"].as_str() {
            Some(sql) => session.as_ref().context("it has left")?.run(sql).await?,
            None => session.take().context("it has left")?.close(cluster).await?,
        }
    }
    let host = host(cluster, case)?;
    let answer = host.run(&hostile(&host)?, request(case, &orders)).await?;
    let responses = responses(&answer);
    let (first, outcomes) = responses
        .iter()
        .position(|word| word.contains("delivery") || !word.starts_with("ok"))
        .map(|at| (&responses[at], &responses[at + 1..]))
        .context("nothing was delivered")?;
    if let Some(fault) = case["fault"].as_str() {
        ensure!(first.starts_with(fault), "{responses:?}");
    } else {
        let expected = list(case, "outcomes");
        ensure!(outcomes.len() == expected.len(), "{responses:?}");
        for (outcome, expected) in outcomes.iter().zip(expected) {
            let as_expected = match (expected.as_str(), expected["denied"].as_str()) {
                (Some(plain), _) => *outcome == plain,
                (_, Some(words)) => outcome.starts_with("denied: ") && outcome.contains(words),
                _ => bail!("what is {expected}?"),
            };
            ensure!(as_expected, "{outcome} is not {expected}");
        }
    }
    let ended: Vec<usize> = list(case, "ended").iter().map(index).collect::<Result<_>>()?;
    for (number, session) in sessions.iter().enumerate() {
        let Some(session) = session else { continue };
        let there = cluster.count(&format!("pid = {}", session.pid())).await? == 1;
        ensure!(there != ended.contains(&number), "session {number} is {}", if there { "there" } else { "gone" });
    }
    Ok(())
}

async fn open(cluster: &Cluster, session: &Value) -> Result<Session> {
    let field = |name: &str, default| session[name].as_str().unwrap_or(default);
    let app = cluster.app(field("role", "app"), field("application", "worker"));
    let app = app.in_database(field("database", "guard"));
    match field("state", "") {
        "idle" => app.idle(field("sql", "SELECT 1")).await,
        "idle in transaction" => app.idle_in_transaction(field("sql", "SELECT 1")).await,
        "idle in transaction (aborted)" => app.aborted().await,
        "active" => app.active().await,
        other => bail!("there is no state '{other}'"),
    }
}

/// Creates the order of a case: correct, except for the fields that the case replaces.
async fn ordered(cluster: &Cluster, sessions: &[Option<Session>], order: &Value) -> Result<Value> {
    let whose = match order["process"].as_str() {
        Some(process) => format!("backend_type = '{process}'"),
        None => {
            let session = &sessions[index(&order["session"])?];
            format!("pid = {}", session.as_ref().context("it has left")?.pid())
        }
    };
    let row = cluster.observer().await?.query_one(&format!("{IDENTITY} WHERE {whose}"), &[]).await?;
    let (pid, start, state, change): (i32, i64, String, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    let shifted = |name: &str| order[name].as_i64().unwrap_or(0);
    Ok(json!({
        "pid": order["pid"].as_i64().unwrap_or(pid.into()),
        "backendStart": start + shifted("backendStart"),
        "state": order["state"].as_str().unwrap_or(&state),
        "stateChange": change + shifted("stateChange"),
        "cancel": order["signal"] == "cancel",
    }))
}

fn host(cluster: &Cluster, case: &Value) -> Result<Host> {
    let policy = &case["policy"];
    let texts = |name: &str| list(policy, name).iter().map(|it| text(it).map(str::to_owned)).collect::<Result<_>>();
    let default = Policy::default();
    let number = |name: &str, default| policy[name].as_u64().map_or(Ok(default), u32::try_from);
    let policy = Policy {
        apply: policy["apply"].as_bool().unwrap_or(default.apply),
        max_kill_percentage: number("maxKillPercentage", default.max_kill_percentage)?,
        max_kills: number("maxKills", default.max_kills)?,
        protected_roles: texts("protectedRoles")?,
        protected_applications: texts("protectedApplications")?,
        ..default
    };
    Ok(host_under(cluster.url(case["as"].as_str().unwrap_or("operator"), "guard"), policy))
}

/// Creates a caller's request that makes the component deliver the orders.
fn request(case: &Value, orders: &[Value]) -> Value {
    let mut options = json!({ "maxKillPercentage": 100, "idleTimeoutMs": 0, "idleInTransactionTimeoutMs": 0 });
    if case["only"].is_array() {
        let chosen = list(case, "only").iter().filter_map(|index| orders.get(usize::try_from(index.as_u64()?).ok()?));
        let only = chosen.map(|order| json!({ "pid": order["pid"], "backendStart": order["backendStart"] }));
        options["only"] = only.collect();
    }
    for (name, value) in case["request"].as_object().into_iter().flatten() {
        options[name] = value.clone();
    }
    let dry_run = case["dryRun"].as_bool().unwrap_or(false);
    json!({
        "action": case["action"].as_str().unwrap_or("kill-idle"),
        "options": options,
        "attack": { "name": "deliver", "rounds": [orders], "dryRun": dry_run },
    })
}

fn hostile(host: &Host) -> Result<Plugin> {
    let plugin = Plugin::from_bytes(host.engine(), "hostile.wasm", HOSTILE)?;
    ensure!(plugin.world() == World::Manager);
    Ok(plugin)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn index(value: &Value) -> Result<usize> {
    Ok(usize::try_from(value.as_u64().context("a number")?)?)
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("a text")
}

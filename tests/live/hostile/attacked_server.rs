//! Environment of the attacks: a server with sessions and data to attack, and other tenants.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::host::{Answer, CallOptions, Host};
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::{Policy, Sql};
use archon_pool::skill_output::SkillOutput;
use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::Order;
use archon_pool_tests::binaries::archon_pool;
use archon_pool_tests::{Cluster, PASSWORD, PgBouncer, Session, until};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Attack, Ends, Payload};
use crate::actions::OPERATOR;
use crate::support::{host_with, orders, plugin};

/// Hostile component.
pub(crate) const HOSTILE: &[u8] = include_bytes!(env!("HOSTILE_COMPONENT"));

/// Number of client sessions on the attacked server.
const VICTIMS: usize = 8;

/// Role, limits and policy of an attacker.
pub(crate) struct Rules {
    pub(super) role: &'static str,
    pub(super) limits: Limits,
    pub(super) policy: Policy,
}

/// Returns the default rules.
pub(super) fn defaults() -> Rules {
    Rules { role: OPERATOR, limits: Limits::default(), policy: Policy::default() }
}

/// Returns the default rules, with any statement allowed and short timeouts.
pub(super) fn any_sql() -> Rules {
    let limits = Limits {
        deadline: Duration::from_secs(5),
        statement_timeout: Duration::from_millis(600),
        lock_timeout: Duration::from_millis(150),
        rows: 1_000,
        answer_rows: 10_000,
        answer_bytes: 1 << 20,
        ..Limits::default()
    };
    Rules { limits, policy: Policy { sql: Sql::Any, ..Policy::default() }, ..defaults() }
}

/// Data for an attack: the best information that an attacker could have.
pub(crate) struct AttackInput {
    /// Orders for the victims in their current state.
    pub(super) victims: Vec<Order>,
    /// Orders for sessions that must not be ended, by name.
    pub(super) protected_sessions: Vec<(&'static str, Order)>,
    /// Port of the server.
    pub(super) port: u16,
}

impl AttackInput {
    /// Returns the order for one of the protected sessions.
    pub(super) fn protected_session(&self, name: &str) -> &Order {
        let found = self.protected_sessions.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("there is no {name} among the protected sessions")).1
    }
}

/// Server under attack.
pub(super) struct AttackedServer {
    pub(super) cluster: Cluster,
    pub(super) victims: Vec<Session>,
    pub(super) protected_sessions: Vec<(&'static str, i32)>,
    /// Pooler in front of it, if there is one.
    pub(super) bouncer: Option<PgBouncer>,
    engine: Engine,
    hostile: Plugin,
}

impl AttackedServer {
    /// Starts a server with some data and victims idle in a transaction.
    pub(super) async fn open(cluster: Cluster) -> Result<Self> {
        cluster.execute("CREATE TYPE mood AS ENUM ('hostile')").await?;
        let mut victims = Vec::new();
        for _ in 0..VICTIMS {
            victims.push(cluster.app("app", "victim").idle("SELECT 1").await?);
        }
        let engine = host_with(archon_pool::credentials(), Limits::default()).engine().clone();
        let hostile = Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE)?;
        Ok(Self { cluster, victims, protected_sessions: Vec::new(), bouncer: None, engine, hostile })
    }

    /// Runs the attacks one after another, and checks the effects after each.
    pub(super) async fn run_all(&self, attacks: &[Attack]) -> Result<()> {
        let mut broken = Vec::new();
        for attack in attacks {
            if let Err(error) = self.run_one(attack).await {
                broken.push(format!("{}: {error:#}", attack.tries));
            }
        }
        ensure!(broken.is_empty(), "{} of {}:\n{}", broken.len(), attacks.len(), broken.join("\n"));
        Ok(())
    }

    async fn run_one(&self, attack: &Attack) -> Result<()> {
        let Rules { role, limits, policy } = (attack.under)();
        let host = self.host(role, limits, policy);
        let input = self.attack_input().await?;
        let answer = match attack.with {
            Payload::Rust(plan) => Ok(host.call(&self.hostile, plan(&input), CallOptions::default()).await),
            Payload::SlowToCompile(component) => {
                match Plugin::from_bytes(&engine_with_short_compile_time()?, "hostile.wasm", &component()) {
                    Ok(_) => bail!("it was compiled"),
                    Err(fault) => Err(fault),
                }
            }
            Payload::Wat(component) => match Plugin::from_bytes(&self.engine, "hostile.wasm", &component()) {
                Ok(plugin) => Ok(host.call(&plugin, super::request(json!({})), CallOptions::default()).await),
                Err(fault) => Err(fault),
            },
        };
        check_end(attack.ends, answer)?;
        self.check_no_effect(&host).await
    }

    /// Creates a host on the shared engine.
    pub(super) fn host(&self, role: &str, limits: Limits, policy: Policy) -> Host {
        let mut credentials = archon_pool::credentials().url(SecretString::from(self.cluster.url(role, "postgres")));
        if let Some(bouncer) = &self.bouncer {
            credentials = credentials.pooler(SecretString::from(bouncer.console_url()));
        }
        archon_pool::host(self.engine.clone(), credentials, policy, limits)
    }

    /// Makes one call of the hostile component.
    pub(super) async fn call(&self, host: &Host, request: Value) -> Result<SkillOutput, Fault> {
        host.run(&self.hostile, request).await
    }

    pub(super) async fn attack_input(&self) -> Result<AttackInput> {
        let victims = orders(&self.cluster, &self.victims.iter().collect::<Vec<_>>()).await?;
        let mut protected_sessions = Vec::new();
        for &(name, pid) in &self.protected_sessions {
            protected_sessions.push((name, self.order(pid).await.context(name)?));
        }
        Ok(AttackInput { victims, protected_sessions, port: self.cluster.port() })
    }

    async fn order(&self, pid: i32) -> Result<Order> {
        // A process without a state is given the state idle in the order.
        let sql = "SELECT (extract(epoch FROM backend_start) * 1000000)::int8, coalesce(state, 'idle'), \
                   coalesce((extract(epoch FROM state_change) * 1000000)::int8, 0) FROM pg_stat_activity WHERE pid = $1";
        let row = self.cluster.observer().await?.query_one(sql, &[&pid]).await?;
        let target = archon_pool_contract::snapshot::SessionKey { pid, backend_start: row.get(0) };
        Ok(Order { target, state: row.get(1), state_change: row.get(2), reason: "hostile".into() })
    }

    /// Checks that the same host and engine serve the next call, that the attacker's sessions have ended, and that
    /// nothing else has changed.
    pub(super) async fn check_no_effect(&self, host: &Host) -> Result<()> {
        self.wait_for_closed_sessions().await?;
        let next =
            host.run(plugin(World::Manager), json!({ "action": "monitor", "options": { "sampleMs": 0 } })).await?;
        ensure!(next.is_success(), "the next call fails: {next}");
        self.wait_for_closed_sessions().await?;
        let other_tenant = host_with(
            archon_pool::credentials().url(SecretString::from(self.cluster.url(OPERATOR, "postgres"))),
            Limits::default(),
        );
        let expected = self.cluster.count("application_name <> 'archon-pool'").await? + 1;
        let analysis = json!({ "action": "full-analysis", "options": { "sampleMs": 0 } });
        let output = other_tenant.run(plugin(World::Manager), analysis).await?.to_value();
        ensure!(output["success"] == true, "the next tenant's call fails: {}", output["error"]);
        let total = &output["data"]["poolStats"]["connections"]["total"];
        ensure!(*total == expected, "the next tenant counts {total} sessions of {expected}");
        self.check_no_traces().await
    }

    /// Waits until the host's sessions have ended, except protected ones that use its application name.
    async fn wait_for_closed_sessions(&self) -> Result<()> {
        let pids: Vec<_> = self.protected_sessions.iter().map(|(_, pid)| pid.to_string()).collect();
        let ours = format!("application_name = 'archon-pool' AND pid <> ALL ('{{{}}}')", pids.join(", "));
        until("our sessions are gone", async || Ok(self.cluster.count(&ours).await? == 0)).await
    }

    /// Checks for everything that an attack could have left behind.
    async fn check_no_traces(&self) -> Result<()> {
        self.wait_for_closed_sessions().await?;
        let traces = "SELECT \
            (SELECT count(*) FROM pg_class WHERE relname LIKE 'loot%' OR relpersistence = 't') AS relations, \
            (SELECT count(*) FROM pg_proc WHERE proname LIKE 'loot%') AS functions, \
            (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'loot%') AS roles, \
            (SELECT count(*) FROM pg_largeobject_metadata) AS objects, \
            (SELECT count(*) FROM pg_prepared_xacts) AS prepared, \
            (SELECT count(*) FROM pg_db_role_setting) AS settings, \
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks, \
            (SELECT count(*) FROM pg_replication_slots) AS slots, \
            (SELECT count(*) FROM stock WHERE n <> 5) AS changes, \
            2 - (SELECT count(*) FROM stock) AS missing";
        let row = self.cluster.observer().await?.query_one(traces, &[]).await?;
        for (index, column) in row.columns().iter().enumerate() {
            let count: i64 = row.get(index);
            ensure!(count == 0, "it left its mark: {count} {}", column.name());
        }
        let alive = self.cluster.count("application_name = 'victim'").await?;
        ensure!(alive == i64::try_from(self.victims.len())?, "{alive} victims are left of {}", self.victims.len());
        if let Some(bouncer) = &self.bouncer {
            let size = bouncer.config_value("default_pool_size").await?;
            ensure!(size == "20", "the pool has been resized to {size}");
        }
        for (name, pid) in &self.protected_sessions {
            let there = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
            let there: i64 = self.cluster.observer().await?.query_one(there, &[pid]).await?.get(0);
            ensure!(there == 1, "{name} is gone");
        }
        Ok(())
    }
}

/// Creates an engine that compiles components in another process, with a short timeout.
fn engine_with_short_compile_time() -> Result<Engine> {
    let limits = Limits { compile_time: Duration::from_secs(1), ..Limits::default() };
    Ok(Engine::builder(&limits).compile_with(archon_pool()?).build()?)
}

/// Checks that the attack ended as expected.
fn check_end(ends: Ends, answer: Result<Answer, Fault>) -> Result<()> {
    let output = answer.and_then(|answer| answer.output);
    let received = match &output {
        Ok(answer) => answer.to_string(),
        Err(fault) => fault.to_string(),
    };
    ensure!(!received.contains(PASSWORD), "the password was received");
    match (ends, output) {
        (Ends::Fault(kind, words), Err(fault)) => {
            ensure!(fault.kind == kind && fault.message.contains(words), "it ended otherwise: {fault}");
        }
        (Ends::Response(words), Ok(answer)) => {
            let last = responses(&answer).pop().unwrap_or_default();
            ensure!(last.contains(words), "the last response differs: {:.2000}", answer.to_string());
        }
        (Ends::NoEffect, Ok(_)) => {}
        (_, output) => bail!("it ended otherwise: {output:?}"),
    }
    Ok(())
}

/// Returns the host's answers that the component recorded.
pub(crate) fn responses(answer: &SkillOutput) -> Vec<String> {
    let answer = answer.to_value();
    answer["heard"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

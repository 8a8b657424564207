//! Many tenants on one engine, isolated from each other.
//!
//! The engine is shared: compiled components, the pool of memories, the processors. Everything else belongs to one
//! tenant: its credentials, policy, limits and quotas, and a new store for each call. Calls are admitted fairly: see
//! [`Capacity`] and [`Quotas`].
//!
//! ```no_run
//! use archon_pool_core::{components::World, engine::Engine, limits::Limits, plugin::Plugin};
//! use archon_pool_postgres::credentials::Credentials;
//! use archon_pool_tenants::{Capacity, Quotas, Tenant, Tenants};
//!
//! # async fn example() -> Result<(), archon_pool_contract::fault::Fault> {
//! let limits = Limits::default();
//! let tenants = Tenants::new(Engine::builder(&limits).pooled(256).build()?, Capacity::default());
//! let plugin = Plugin::built_in(tenants.engine(), World::Observer)?;
//! let credentials = Credentials::new().file("/etc/archon-pool/acme.toml");
//! tenants.put(Tenant { quotas: Quotas { calls_per_minute: 30, ..Quotas::default() }, ..Tenant::new("acme", credentials) });
//! let answer = tenants.call("acme", &plugin, serde_json::json!({ "action": "monitor" })).await;
//! # Ok(())
//! # }
//! ```
//!
#![doc = include_str!("../../docs/tenants.md")]

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::audit_sink::AuditSink;
use archon_pool_core::cpu_scheduler::CpuMeter;
use archon_pool_core::credential_source::CredentialSource;
use archon_pool_core::engine::Engine;
use archon_pool_core::host::{Answer, CallOptions, Deadline, Host};
use archon_pool_core::limits::Limits;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::policy::Policy;
use archon_pool_plugins::policy_file::{Approval, lowered};
use archon_pool_plugins::sql::StrictChecker;
use archon_pool_plugins::verified_plugin::VerifiedPlugin;
use serde_json::Value;
use tokio::time::timeout_at;

use crate::admission::Admission;
use crate::quotas::Account;

mod admission;
mod quotas;

pub use crate::admission::Capacity;
pub use crate::quotas::Quotas;

/// A tenant, whose plugins run beside those of others.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its name in calls and in the audit log.
    pub name: String,
    /// Credentials that its calls may use, and no others.
    pub credentials: Arc<dyn CredentialSource>,
    /// Policy of its plugins.
    pub policy: Policy,
    /// Limits of each of its calls.
    pub limits: Limits,
    /// Quotas of all of its calls together.
    pub quotas: Quotas,
}

impl Tenant {
    /// Creates a tenant with the default policy, limits and quotas.
    pub fn new(name: impl Into<String>, credentials: impl CredentialSource + 'static) -> Self {
        Self {
            name: name.into(),
            credentials: Arc::new(credentials),
            policy: Policy::default(),
            limits: Limits::default(),
            quotas: Quotas::default(),
        }
    }
}

/// All tenants of a service. Cheap to clone.
#[derive(Clone)]
pub struct Tenants {
    engine: Engine,
    admission: Admission,
    audit: Option<Arc<dyn AuditSink>>,
    states: Arc<RwLock<BTreeMap<String, Arc<TenantState>>>>,
}

/// State of a tenant between its calls.
struct TenantState {
    host: Host,
    account: Arc<Account>,
}

impl Tenants {
    /// Creates a service without tenants, on an engine that should be pooled for as many calls as the capacity has.
    pub fn new(engine: Engine, capacity: Capacity) -> Self {
        Self { engine, admission: Admission::new(capacity), audit: None, states: Arc::default() }
    }

    /// Records every host call and every decision of the tenants added from now on, under the tenant's name.
    pub fn audit(mut self, audit: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(audit));
        self
    }

    /// Returns the engine for all components.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Adds a tenant, or replaces one: running calls keep their state. The counts of the last hour are kept, and so are
    /// used quotas unless the quotas changed.
    pub fn put(&self, tenant: Tenant) {
        let Tenant { name, credentials, policy, limits, quotas } = tenant;
        let host = Host::new(self.engine.clone(), credentials, policy, limits);
        let mut host = host.statement_checker(StrictChecker).tenant(&name);
        if let Some(audit) = &self.audit {
            host = host.audit(Arc::clone(audit));
        }
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let before = states.get(&name);
        if let Some(before) = before {
            host = host.with_hour_of(&before.host);
        }
        let account = before.map(|state| &state.account).filter(|account| *account.quotas() == quotas);
        let account = account.map_or_else(|| Arc::new(Account::new(quotas)), Arc::clone);
        states.insert(name, Arc::new(TenantState { host, account }));
    }

    /// Removes a tenant; its running calls are finished. Returns true if it existed.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.states.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some();
        self.admission.forget(name);
        removed
    }

    /// Returns the names of all tenants, sorted.
    pub fn names(&self) -> Vec<String> {
        self.states.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Makes one call for a tenant: SkillInput in, SkillOutput out, as by [`Host::call`].
    ///
    /// Fails with `quota-exceeded` and `overloaded` besides the faults of a call; the time in the queue counts towards
    /// the deadline. Only the tenant's policy bounds the component: use [`Tenants::call_verified`] for one with a
    /// policy file of its own. An unknown tenant is `invalid-params`.
    pub async fn call(&self, tenant: &str, plugin: &Plugin, input: Value) -> Answer {
        match self.admitted(tenant, plugin, None, input).await {
            Ok(answer) => answer,
            Err(fault) => Answer { output: Err(fault), signalled: false },
        }
    }

    /// Makes a call as [`Tenants::call`] does, under the lesser of the component's approval and the tenant's policy.
    pub async fn call_verified(&self, tenant: &str, verified: &VerifiedPlugin, input: Value) -> Answer {
        match self.admitted(tenant, verified.plugin(), verified.approval(), input).await {
            Ok(answer) => answer,
            Err(fault) => Answer { output: Err(fault), signalled: false },
        }
    }

    async fn admitted(
        &self,
        tenant: &str,
        plugin: &Plugin,
        approval: Option<&Approval>,
        input: Value,
    ) -> Result<Answer, Fault> {
        let state = self.states.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        let state = state.ok_or_else(|| Fault::invalid(format!("there is no tenant '{}'", tenant.escape_debug())))?;
        let deadline = state.host.limits().deadline;
        let end = Deadline::after(deadline);
        state.account.take_call()?;
        let entering = self.admission.enter(tenant, state.account.quotas());
        let _place = timeout_at(end.at, entering).await.map_err(|_| {
            let message = format!("no turn came within {} ms: limit `deadline`", deadline.as_millis());
            Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) }
        })??;
        let time = CpuMeter::new(self.engine.cpu_scheduler().clone(), state.account.computed());
        let metered = Metered { account: &state.account, time: Arc::new(time) };
        let options = CallOptions { end: Some(end), meter: Some(Arc::clone(&metered.time)) };
        Ok(lowered(&state.host, approval).call(plugin, input, options).await)
    }
}

/// Charges a call's CPU time on drop, also when the call was cancelled.
struct Metered<'a> {
    account: &'a Account,
    time: Arc<CpuMeter>,
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.account.charge(self.time.spent());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use archon_pool_core::credential_source::NoCredentials;
    use serde_json::json;
    use std::time::Duration;

    const ENDLESS: &str = "(loop (br 0)) (unreachable)";

    fn plugin(engine: &Engine, body: &str) -> Plugin {
        // A component whose `run` is this body.
        let wat = format!(
            r#"(component
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "run") (param i32 i32) (result i32) {body})
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
                (core instance $i (instantiate $m))
                (func $run (param "input" string) (result string) (canon lift (core func $i "run")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
                (instance $skill (export "run" (func $run)))
                (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
        );
        Plugin::from_bytes(engine, "it.wasm", &wat::parse_str(wat).unwrap()).unwrap()
    }

    fn tenant(name: &str, quotas: Quotas) -> Tenant {
        let limits = Limits { cpu: Duration::from_millis(30), ..Limits::default() };
        Tenant { limits, quotas, ..Tenant::new(name, NoCredentials) }
    }

    fn tenants() -> Tenants {
        let engine = Engine::builder(&Limits::default()).pooled(4).build().unwrap();
        Tenants::new(engine, Capacity { calls: 4, waiting: 4 })
    }

    async fn kind_of(tenants: &Tenants, tenant: &str, plugin: &Plugin) -> String {
        tenants.call(tenant, plugin, json!({})).await.output.unwrap_err().kind
    }

    #[tokio::test]
    async fn quotas_of_tenants_are_independent() {
        let tenants = tenants();
        let endless = plugin(tenants.engine(), ENDLESS);
        // Far less than a call may take: the quota restored during the call on a busy machine does not admit a second
        // one.
        let short = Quotas { cpu_per_minute: Duration::from_millis(1), ..Quotas::default() };
        tenants.put(tenant("busy", short));
        tenants.put(tenant("few", Quotas { calls_per_minute: 1, ..Quotas::default() }));
        assert_eq!(kind_of(&tenants, "busy", &endless).await, kind::LIMIT_EXCEEDED);
        assert_eq!(kind_of(&tenants, "busy", &endless).await, kind::QUOTA_EXCEEDED);
        assert_eq!(kind_of(&tenants, "few", &endless).await, kind::LIMIT_EXCEEDED);
        assert_eq!(kind_of(&tenants, "few", &endless).await, kind::QUOTA_EXCEEDED);
    }

    #[tokio::test]
    async fn a_dropped_call_is_charged_and_frees_its_place() {
        let tenants = tenants();
        let endless = plugin(tenants.engine(), ENDLESS);
        let quotas = Quotas { cpu_per_minute: Duration::from_millis(1), concurrent_calls: 1, ..Quotas::default() };
        let limits = Limits { cpu: Duration::from_secs(60), ..Limits::default() };
        tenants.put(Tenant { limits, ..tenant("a", quotas) });
        let given_up = tokio::time::timeout(Duration::from_millis(40), tenants.call("a", &endless, json!({}))).await;
        assert!(given_up.is_err());
        assert_eq!(kind_of(&tenants, "a", &endless).await, kind::QUOTA_EXCEEDED);
        // Replacing the tenant restores no quota.
        tenants.put(tenant(
            "a",
            Quotas { cpu_per_minute: Duration::from_millis(1), concurrent_calls: 1, ..Quotas::default() },
        ));
        assert_eq!(kind_of(&tenants, "a", &endless).await, kind::QUOTA_EXCEEDED);
        tenants.put(tenant("a", Quotas { concurrent_calls: 1, ..Quotas::default() }));
        assert_eq!(kind_of(&tenants, "a", &endless).await, kind::LIMIT_EXCEEDED);
    }

    #[tokio::test]
    async fn calls_of_unknown_tenants_are_refused() {
        let tenants = tenants();
        let trap = plugin(tenants.engine(), "(unreachable)");
        assert_eq!(kind_of(&tenants, "nobody", &trap).await, kind::INVALID_PARAMS);
        tenants.put(tenant("b", Quotas::default()));
        tenants.put(tenant("a", Quotas::default()));
        assert_eq!(tenants.names(), ["a", "b"]);
        assert_eq!(kind_of(&tenants, "a", &trap).await, kind::PLUGIN_TRAPPED);
        assert!(tenants.remove("a") && !tenants.remove("a"));
        assert_eq!(kind_of(&tenants, "a", &trap).await, kind::INVALID_PARAMS);
    }
}

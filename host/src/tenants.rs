//! Many tenants on one engine, none of whom can see, starve or exhaust another.
//!
//! What is shared is the engine: compiled components, the pool of memories, the processors. Everything
//! else is the tenant's own: its credentials, policy, limits and quotas, and for each call a store that is
//! made for it and thrown away with it. Calls are admitted fairly: see [`Capacity`] and [`Quotas`].
//!
//! ```no_run
//! use archon_pool::tenants::{Capacity, Quotas, Tenant, Tenants};
//! use archon_pool::{components::World, credentials::Credentials, engine::Engine, limits::Limits, plugin::Plugin};
//!
//! # async fn example() -> Result<(), archon_pool::Fault> {
//! let limits = Limits::default();
//! let tenants = Tenants::new(Engine::builder(&limits).pooled(256).build()?, Capacity::default());
//! let plugin = Plugin::built_in(tenants.engine(), World::Observer)?;
//! let credentials = Credentials::new().file("/etc/archon-pool/acme.toml");
//! tenants.put(Tenant { quotas: Quotas { calls_per_minute: 30, ..Quotas::default() }, ..Tenant::new("acme", credentials) });
//! let answer = tenants.call("acme", &plugin, serde_json::json!({ "action": "monitor" })).await;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use archon_pool_plugin::fault::{Fault, kind};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::admission::Admission;
use crate::audit::Audit;
use crate::credentials::Credentials;
use crate::engine::Engine;
use crate::host::{Answer, Host};
use crate::lanes::GuestTime;
use crate::limits::Limits;
use crate::plugin::Plugin;
use crate::policy::Policy;
use crate::quotas::Account;

pub use crate::admission::Capacity;
pub use crate::quotas::Quotas;

/// Somebody whose plugins run beside those of others.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// What stands for it in calls, and in the audit log.
    pub name: String,
    /// What its calls may connect to. Nothing of another tenant can be named.
    pub credentials: Credentials,
    /// What its plugins may do.
    pub policy: Policy,
    /// What each of its calls may use.
    pub limits: Limits,
    /// What all of its calls together may use.
    pub quotas: Quotas,
}

impl Tenant {
    /// A tenant with the default policy, limits and quotas.
    pub fn new(name: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            name: name.into(),
            credentials,
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
    audit: Option<Audit>,
    seats: Arc<RwLock<BTreeMap<String, Arc<Seat>>>>,
}

/// What is kept of a tenant between its calls.
struct Seat {
    host: Host,
    account: Account,
}

impl Tenants {
    /// No tenants yet, on an engine that should be pooled for as many calls as the capacity has.
    pub fn new(engine: Engine, capacity: Capacity) -> Self {
        Self { engine, admission: Admission::new(capacity), audit: None, seats: Arc::default() }
    }

    /// Puts every host call and every decision of the tenants added from now on on record, under the
    /// tenant's name.
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// The engine that all components are loaded with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Adds a tenant, or replaces one: calls that run keep what they began with, and its quotas begin
    /// anew.
    pub fn put(&self, tenant: Tenant) {
        let Tenant { name, credentials, policy, limits, quotas } = tenant;
        let mut host = Host::new(self.engine.clone(), credentials, policy, limits).tenant(&name);
        if let Some(audit) = &self.audit {
            host = host.audit(audit.clone());
        }
        let seat = Arc::new(Seat { host, account: Account::new(quotas) });
        self.seats.write().unwrap_or_else(PoisonError::into_inner).insert(name, seat);
    }

    /// Removes a tenant; its calls that run are finished. Says whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.seats.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some();
        self.admission.forget(name);
        removed
    }

    /// The names of all tenants, in their order.
    pub fn names(&self) -> Vec<String> {
        self.seats.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Makes one call for a tenant: SkillInput in, SkillOutput out, as by [`Host::call`].
    ///
    /// Beside the faults of a call it fails with `quota-exceeded` and `overloaded`; what it waited for its
    /// turn is part of the deadline. A tenant that is not there is `invalid-params`.
    pub async fn call(&self, tenant: &str, plugin: &Plugin, input: Value) -> Answer {
        match self.admitted(tenant, plugin, input).await {
            Ok(answer) => answer,
            Err(fault) => Answer { output: Err(fault), signalled: false },
        }
    }

    async fn admitted(&self, tenant: &str, plugin: &Plugin, input: Value) -> Result<Answer, Fault> {
        let seat = self.seats.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        let seat = seat.ok_or_else(|| Fault::invalid(format!("there is no tenant '{}'", tenant.escape_debug())))?;
        let deadline = seat.host.limits().deadline;
        let end = Instant::now() + deadline;
        seat.account.take_call()?;
        let place = timeout_at(end, self.admission.enter(tenant, seat.account.quotas())).await;
        let _place = place.map_err(|_| {
            let message = format!("no turn came within {} ms: limit `deadline`", deadline.as_millis());
            Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) }
        })??;
        let metered = Metered { account: &seat.account, time: seat.host.clock() };
        Ok(seat.host.call_on(Arc::clone(&metered.time), plugin, input, Some(end)).await)
    }
}

/// Charges a call when it is over, also when nobody waits for it any more.
struct Metered<'a> {
    account: &'a Account,
    time: Arc<GuestTime>,
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.account.charge(self.time.spent());
    }
}

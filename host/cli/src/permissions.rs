//! Permissions of an action: the component's world and the host's policy.

use archon_pool::components::World;
use archon_pool::policy::Policy;
use archon_pool_contract::params::Action;
use serde_json::{Map, Value};

/// Returns the smallest world that an action needs.
pub(crate) fn world(action: Action) -> World {
    match action {
        Action::AutoScale | Action::KillIdle => World::Manager,
        Action::Monitor | Action::DetectLeaks | Action::HealthCheck | Action::FullAnalysis => World::Observer,
    }
}

/// Returns the policy of the host: changes only with `--apply`, and the caller's cap on ended sessions, which the host
/// enforces whatever the component orders.
pub(crate) fn policy(options: &Map<String, Value>, apply: bool) -> Policy {
    let mut policy = Policy { apply, ..Policy::default() };
    // The plugin refuses an invalid percentage, with the contract's message.
    let cap = options.get("maxKillPercentage").and_then(Value::as_u64).and_then(|cap| u32::try_from(cap).ok());
    if let Some(cap) = cap.filter(|cap| *cap <= 100) {
        policy.max_kill_percentage = cap;
    }
    policy
}

//! Permissions of an action: the component's world and the host's policy.

use archon_pool::cassette::Call;
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

/// Returns the world of the component that repeats recorded calls. Nothing is changed by a replay.
pub(crate) fn world_of(calls: &[Call]) -> World {
    let acts = |call: &Call| {
        let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
        let action = input.get("action").and_then(Value::as_str).and_then(|name| Action::parse(name).ok());
        action.is_some_and(|action| world(action) == World::Manager)
    };
    if calls.iter().any(acts) { World::Manager } else { World::Observer }
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

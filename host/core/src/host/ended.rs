//! Errors that ended or refused a component, as faults that name the setting.

use archon_pool_contract::fault::{Fault, kind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::limits::{LimitError, Limits};
use crate::plugin::Plugin;

/// Converts the error that ended a component, or that it returned, into a fault.
pub(super) fn ended(error: &wasmtime::Error, plugin: &Plugin, limits: &Limits) -> Fault {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.clone();
    }
    if let Some(reached) = error.downcast_ref::<LimitError>() {
        return (*reached).into();
    }
    // wasmtime has no types for some of its own limits; only their texts identify them.
    let said = error.root_cause().to_string();
    let reached = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Some(LimitError::Fuel(limits.fuel)),
        Some(Trap::StackOverflow) => Some(LimitError::Stack(limits.stack)),
        _ if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) => {
            Some(LimitError::Handles(limits.handles))
        }
        _ if said.contains("store handle limit exceeded") => Some(LimitError::Handles(limits.handles)),
        _ if said.contains("fuel allocated for hostcalls") => Some(LimitError::MessageBytes(limits.message_bytes)),
        _ if said.starts_with("resource limit exceeded") => Some(LimitError::Instances(limits.instances)),
        _ => None,
    };
    if let Some(reached) = reached {
        return reached.into();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let message = format!("every place of the engine's pool is taken: {said}");
        return Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => trapped(plugin, "it panicked or ran out of memory"),
        Some(trap) => trapped(plugin, &trap.to_string()),
        // With a backtrace the error has many lines; the last cause is the informative one.
        None => trapped(plugin, &said),
    }
}

pub(super) fn trapped(plugin: &Plugin, why: &str) -> Fault {
    Fault::new(kind::PLUGIN_TRAPPED, format!("{} was ended: {why}", plugin.name()))
}

//! The component's exports.

#[cfg(feature = "observer")]
mod pool_manager;

use super::bindings;
use super::bindings::exports::archon::connection_pool::analysis;
use super::convert::Convert;

/// The type that implements the exported interfaces.
struct Component;

impl analysis::Guest for Component {
    fn analyse(
        of: analysis::Snapshot,
        options: analysis::Options,
        carry: Option<String>,
    ) -> Result<analysis::Report, analysis::Refusal> {
        let refuse = |fault: archon_pool_contract::fault::Fault| analysis::Refusal { message: fault.message };
        let options = archon_pool_contract::params::RawOptions::from_wit(options).validate().map_err(refuse)?;
        let mut snapshot = archon_pool_contract::snapshot::Snapshot::from_wit(of);
        archon_pool_plugin::application::note_families(&mut snapshot.backends);
        Ok(archon_pool_plugin::analyse::analyse_snapshot(&snapshot, &options, carry.as_deref()).into_wit())
    }

    fn analyse_json(input: String) -> Result<String, analysis::Refusal> {
        archon_pool_plugin::skill::analyse(&input).map_err(|fault| analysis::Refusal { message: fault.message })
    }
}

#[allow(unsafe_code, reason = "the generated exports are `extern` functions")]
mod externs {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}

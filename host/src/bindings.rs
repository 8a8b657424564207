//! The imports of all worlds as Rust traits, generated from `wit/`.
//!
//! Only imports: the exports are JSON in and out, so they are called by name and type.

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    reason = "generated code"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package archon:host;
            world imports {
                import archon:connection-pool/credentials@1.0.0;
                import archon:connection-pool/database@1.0.0;
                import archon:connection-pool/pooler@1.0.0;
                import archon:connection-pool/backends@1.0.0;
                import archon:connection-pool/scaling@1.0.0;
            }
        ",
        world: "archon:host/imports",
        imports: { default: async | trappable },
        with: {
            "archon:connection-pool/credentials.credential": crate::credential::Credential,
            "archon:connection-pool/database.session": crate::door::Entrance,
            "archon:connection-pool/pooler.console": crate::pooler::Console,
        },
    });
}

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{Order, Outcome};
use archon_pool_contract::snapshot::SessionKey;

pub(crate) use generated::archon::connection_pool::{backends, credentials, database, pooler, scaling, types};

impl From<Fault> for types::Fault {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind, message: fault.message, sqlstate: fault.sqlstate, retryable: fault.retryable }
    }
}

impl From<types::Fault> for Fault {
    fn from(fault: types::Fault) -> Self {
        Self { kind: fault.kind, message: fault.message, sqlstate: fault.sqlstate, retryable: fault.retryable }
    }
}

impl From<&Order> for backends::Order {
    fn from(order: &Order) -> Self {
        Self {
            target: backends::Backend { pid: order.target.pid, backend_start: order.target.backend_start },
            signal: backends::Signal::Terminate,
            state: order.state.clone(),
            state_change: order.state_change,
            reason: order.reason.clone(),
        }
    }
}

impl From<&backends::Order> for Order {
    fn from(order: &backends::Order) -> Self {
        let backends::Backend { pid, backend_start } = order.target;
        Self {
            target: SessionKey { pid, backend_start },
            state: order.state.clone(),
            state_change: order.state_change,
            reason: order.reason.clone(),
        }
    }
}

impl From<backends::Outcome> for Outcome {
    fn from(outcome: backends::Outcome) -> Self {
        match outcome {
            backends::Outcome::Signalled => Self::Signalled,
            backends::Outcome::Gone => Self::Gone,
            backends::Outcome::Changed => Self::Changed,
            backends::Outcome::Survived => Self::Survived,
            backends::Outcome::Denied(why) => Self::Denied(why),
            backends::Outcome::Failed(fault) => Self::Failed(fault.into()),
        }
    }
}

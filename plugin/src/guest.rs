//! The edge of the component: WIT on one side, plain Rust on the other. Nothing is decided here.

#[allow(unsafe_code, missing_docs, clippy::all, unreachable_pub, reason = "generated bindings")]
mod bindings;

#[cfg(feature = "observer")]
mod lent;
mod mirror;

use self::mirror::Mirror;
use bindings::exports::archon::connection_pool::analysis;

/// A row's texts are an allocation each, and that of Rust's own takes as long as judging the row.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

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
        crate::application::note_families(&mut snapshot.backends);
        Ok(crate::analyse::analyse_snapshot(&snapshot, &options, carry.as_deref()).into_wit())
    }

    fn analyse_json(input: String) -> Result<String, analysis::Refusal> {
        crate::skill::analyse(&input).map_err(|fault| analysis::Refusal { message: fault.message })
    }
}

#[cfg(feature = "observer")]
mod doors {
    use super::Component;
    use super::bindings::archon::connection_pool::types;
    use super::bindings::exports::archon::connection_pool::{analysis, pool_manager, skill};
    use super::lent::Lent;
    use super::mirror::Mirror;
    use crate::execute;
    use archon_pool_contract::fault::Fault;
    use archon_pool_contract::params::{Action, Options, RawOptions};

    impl pool_manager::Guest for Component {
        fn execute(request: pool_manager::Request) -> Result<analysis::Report, types::Fault> {
            let call = Call::read(request)?;
            call.execute(call.action).map(Mirror::into_wit)
        }

        fn collect(request: pool_manager::Request) -> Result<analysis::Snapshot, types::Fault> {
            let call = Call::read(request)?;
            execute::collect(
                &mut Lent::default(),
                call.action,
                call.credential.as_deref(),
                &call.options,
                call.carry.as_deref(),
            )
            .map(Mirror::into_wit)
            .map_err(types::Fault::from)
        }

        fn collect_json(input: String) -> Result<String, types::Fault> {
            crate::skill::collect(&mut Lent::default(), &input).map_err(types::Fault::from)
        }

        fn quick_pool_status(request: pool_manager::Request) -> Result<analysis::PoolStats, types::Fault> {
            Ok(Call::read(request)?.execute(Action::Monitor)?.pool_stats.into_wit())
        }

        fn has_leak_risk(request: pool_manager::Request) -> Result<bool, types::Fault> {
            let report = Call::read(request)?.execute(Action::DetectLeaks)?;
            Ok(execute::leak_risk(&report)?)
        }

        fn get_recommendations(request: pool_manager::Request) -> Result<Vec<String>, types::Fault> {
            Ok(Call::read(request)?.execute(Action::FullAnalysis)?.recommendations)
        }
    }

    impl skill::Guest for Component {
        fn describe() -> String {
            crate::describe::describe(cfg!(feature = "manager"))
        }

        fn run(input: String) -> String {
            crate::skill::run(&mut Lent::default(), &input)
        }
    }

    /// A typed request, checked.
    struct Call {
        action: Action,
        credential: Option<String>,
        options: Options,
        carry: Option<String>,
    }

    impl Call {
        fn read(request: pool_manager::Request) -> Result<Self, Fault> {
            Ok(Self {
                action: Action::parse(&request.action)?,
                credential: request.credential,
                options: RawOptions::from_wit(request.options).validate()?,
                carry: request.carry,
            })
        }

        fn execute(&self, action: Action) -> Result<archon_pool_contract::report::Report, types::Fault> {
            let (credential, carry) = (self.credential.as_deref(), self.carry.as_deref());
            Ok(execute::execute(&mut Lent::default(), action, credential, &self.options, carry)?)
        }
    }

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
}

#[allow(unsafe_code, reason = "the generated exports are `extern` functions")]
mod exports {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}

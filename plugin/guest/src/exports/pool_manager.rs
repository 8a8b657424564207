//! The exports `pool-manager` and `skill`, which read a server through the imports.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::params::{Action, RawOptions};
use archon_pool_contract::report::Report;
use archon_pool_plugin::skill::Call;
use archon_pool_plugin::{describe, execute, skill as json};

use super::Component;
use crate::bindings::archon::connection_pool::types;
use crate::bindings::exports::archon::connection_pool::{analysis, pool_manager, skill};
use crate::convert::Convert;
use crate::imports::Imports;

impl pool_manager::Guest for Component {
    fn execute(request: pool_manager::Request) -> Result<analysis::Report, types::Fault> {
        let call = read(request)?;
        execute(&call, call.action).map(Convert::into_wit)
    }

    fn collect(request: pool_manager::Request) -> Result<analysis::Snapshot, types::Fault> {
        let call = read(request)?;
        execute::collect(
            &mut Imports::default(),
            call.action,
            call.credential.as_deref(),
            &call.options,
            call.carry.as_deref(),
        )
        .map(Convert::into_wit)
        .map_err(types::Fault::from)
    }

    fn collect_json(input: String) -> Result<String, types::Fault> {
        json::collect(&mut Imports::default(), &input).map_err(types::Fault::from)
    }

    fn quick_pool_status(request: pool_manager::Request) -> Result<analysis::PoolStats, types::Fault> {
        Ok(execute(&read(request)?, Action::Monitor)?.pool_stats.into_wit())
    }

    fn has_leak_risk(request: pool_manager::Request) -> Result<bool, types::Fault> {
        let report = execute(&read(request)?, Action::DetectLeaks)?;
        Ok(execute::leak_risk(&report)?)
    }

    fn get_recommendations(request: pool_manager::Request) -> Result<Vec<String>, types::Fault> {
        Ok(execute(&read(request)?, Action::FullAnalysis)?.recommendations)
    }
}

impl skill::Guest for Component {
    fn describe() -> String {
        describe::describe(cfg!(feature = "manager"))
    }

    fn run(input: String) -> String {
        json::run(&mut Imports::default(), &input)
    }
}

/// Validates a request of the typed interface.
fn read(request: pool_manager::Request) -> Result<Call, Fault> {
    Ok(Call {
        action: Action::parse(&request.action)?,
        credential: request.credential,
        options: RawOptions::from_wit(request.options).validate()?,
        carry: request.carry,
    })
}

fn execute(call: &Call, action: Action) -> Result<Report, types::Fault> {
    let (credential, carry) = (call.credential.as_deref(), call.carry.as_deref());
    Ok(execute::execute(&mut Imports::default(), action, credential, &call.options, carry)?)
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

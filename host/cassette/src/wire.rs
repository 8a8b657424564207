//! Conversion between the imports of a component and the exchanges of a cassette.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{self, Outcome};
use archon_pool_core::bindings::backends;
use archon_pool_core::bindings::database::{ProbeTiming, Statement};
use archon_pool_core::bindings::scaling::{ReconnectOutcome, SizeOutcome};

use crate::import::{self, Timing};

pub(crate) fn recorded_statement(statement: &Statement) -> import::Statement {
    let params = statement.params.iter().cloned().map(Into::into).collect();
    import::Statement::new(&statement.sql, params, statement.max_rows)
}

pub(crate) fn timing(timing: Timing) -> ProbeTiming {
    ProbeTiming { connect_us: timing.connect_us, round_trip_us: timing.round_trip_us }
}

pub(crate) fn recorded_timing(timing: ProbeTiming) -> Timing {
    Timing { connect_us: timing.connect_us, round_trip_us: timing.round_trip_us }
}

pub(crate) fn recorded_order(order: &backends::Order) -> import::Order {
    let signal = match order.signal {
        backends::Signal::Cancel => "cancel",
        backends::Signal::Terminate => "terminate",
    };
    import::Order {
        pid: order.target.pid,
        backend_start: order.target.backend_start,
        signal: signal.to_owned(),
        state: order.state.clone(),
        state_change: order.state_change,
        reason: order.reason.clone(),
    }
}

pub(crate) fn outcome(outcome: Outcome) -> backends::Outcome {
    match outcome {
        Outcome::Signalled => backends::Outcome::Signalled,
        Outcome::Gone => backends::Outcome::Gone,
        Outcome::Changed => backends::Outcome::Changed,
        Outcome::Survived => backends::Outcome::Survived,
        Outcome::Denied(why) => backends::Outcome::Denied(why),
        Outcome::Failed(fault) => backends::Outcome::Failed(fault.into()),
    }
}

pub(crate) fn size_outcome(outcome: host_api::SizeOutcome) -> SizeOutcome {
    let host_api::SizeOutcome { before, after, executed, note } = outcome;
    SizeOutcome { before, after, executed, note }
}

pub(crate) fn recorded_size(outcome: SizeOutcome) -> host_api::SizeOutcome {
    let SizeOutcome { before, after, executed, note } = outcome;
    host_api::SizeOutcome { before, after, executed, note }
}

pub(crate) fn reconnect(reconnect: host_api::ReconnectOutcome) -> ReconnectOutcome {
    ReconnectOutcome { executed: reconnect.executed, note: reconnect.note }
}

pub(crate) fn recorded_reconnect(reconnect: ReconnectOutcome) -> host_api::ReconnectOutcome {
    host_api::ReconnectOutcome { executed: reconnect.executed, note: reconnect.note }
}

/// Converts a list of answers, each with its own fault.
pub(crate) fn each<T, U>(answers: Vec<Result<T, Fault>>, convert: impl Fn(T) -> U) -> Vec<crate::answer::Answer<U>> {
    answers.into_iter().map(|answer| answer.map(&convert).into()).collect()
}

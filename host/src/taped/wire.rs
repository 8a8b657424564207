//! Between the types of the WIT interfaces and a cassette's.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{self, Outcome};
use archon_pool_contract::rows;

use crate::bindings::database::{ProbeTiming, RowSet, Statement, Value};
use crate::bindings::scaling::{Renewal, SizeOutcome};
use crate::bindings::{backends, types};
use crate::cassette::{self, Timing};

/// What was answered, or why not, for the tape.
pub(super) fn noted<T, U>(answer: &Result<T, types::Fault>, note: impl FnOnce(&T) -> U) -> Result<U, Fault> {
    answer.as_ref().map(note).map_err(|fault| fault.clone().into())
}

/// The same for a list of answers, each with its own fault.
pub(super) fn each<T, U>(answers: &[Result<T, types::Fault>], note: impl Fn(&T) -> U) -> Vec<cassette::Answer<U>> {
    answers.iter().map(|answer| noted(answer, &note).into()).collect()
}

pub(super) fn value(value: rows::Value) -> Value {
    match value {
        rows::Value::Null => Value::Null,
        rows::Value::Boolean(value) => Value::Boolean(value),
        rows::Value::Int64(value) => Value::Int64(value),
        rows::Value::Float64(value) => Value::Float64(value),
        rows::Value::Text(value) => Value::Text(value),
        rows::Value::Bytes(value) => Value::Bytes(value),
        rows::Value::Timestamp(value) => Value::Timestamp(value),
    }
}

fn noted_value(value: &Value) -> rows::Value {
    match value {
        Value::Null => rows::Value::Null,
        Value::Boolean(value) => rows::Value::Boolean(*value),
        Value::Int64(value) => rows::Value::Int64(*value),
        Value::Float64(value) => rows::Value::Float64(*value),
        Value::Text(value) => rows::Value::Text(value.clone()),
        Value::Bytes(value) => rows::Value::Bytes(value.clone()),
        Value::Timestamp(value) => rows::Value::Timestamp(*value),
    }
}

pub(super) fn statement(statement: &Statement) -> cassette::Statement {
    cassette::Statement::new(&statement.sql, statement.params.iter().map(noted_value).collect(), statement.max_rows)
}

pub(super) fn row_set(set: &RowSet) -> cassette::RowSet {
    cassette::RowSet {
        columns: set.columns.iter().map(|column| (column.name.clone(), column.type_oid)).collect(),
        rows: set.rows.iter().map(|row| row.iter().map(noted_value).collect()).collect(),
        truncated: set.truncated,
    }
}

pub(super) fn timing(timing: Timing) -> ProbeTiming {
    ProbeTiming { connect_us: timing.connect_us, round_trip_us: timing.round_trip_us }
}

pub(super) fn noted_timing(timing: &ProbeTiming) -> Timing {
    Timing { connect_us: timing.connect_us, round_trip_us: timing.round_trip_us }
}

pub(super) fn order(order: &backends::Order) -> cassette::Order {
    let signal = match order.signal {
        backends::Signal::Cancel => "cancel",
        backends::Signal::Terminate => "terminate",
    };
    cassette::Order {
        pid: order.target.pid,
        backend_start: order.target.backend_start,
        signal: signal.to_owned(),
        state: order.state.clone(),
        state_change: order.state_change,
        reason: order.reason.clone(),
    }
}

pub(super) fn outcome(outcome: Outcome) -> backends::Outcome {
    match outcome {
        Outcome::Signalled => backends::Outcome::Signalled,
        Outcome::Gone => backends::Outcome::Gone,
        Outcome::Changed => backends::Outcome::Changed,
        Outcome::Survived => backends::Outcome::Survived,
        Outcome::Denied(why) => backends::Outcome::Denied(why),
        Outcome::Failed(fault) => backends::Outcome::Failed(fault.into()),
    }
}

pub(super) fn size_outcome(outcome: host_api::SizeOutcome) -> SizeOutcome {
    let host_api::SizeOutcome { before, after, executed, note } = outcome;
    SizeOutcome { before, after, executed, note }
}

pub(super) fn noted_size(outcome: &SizeOutcome) -> host_api::SizeOutcome {
    let SizeOutcome { before, after, executed, note } = outcome.clone();
    host_api::SizeOutcome { before, after, executed, note }
}

pub(super) fn renewal(renewal: host_api::Renewal) -> Renewal {
    Renewal { executed: renewal.executed, note: renewal.note }
}

pub(super) fn noted_renewal(renewal: &Renewal) -> host_api::Renewal {
    host_api::Renewal { executed: renewal.executed, note: renewal.note.clone() }
}

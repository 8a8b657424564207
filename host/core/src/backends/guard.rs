//! Parameters of the guard's statements, and readers of their rows.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::value::Value;

use super::thresholds::IdleThresholds;
use crate::bindings::backends::{Order, Outcome};
use crate::parameter::Parameter;

/// Returns the parameters of the guard's statements: a session and its expected state, the protected names, and the
/// minimum time in that state.
pub(super) fn expected_state(
    order: &Order,
    roles: &[String],
    applications: &[String],
    thresholds: IdleThresholds,
) -> Vec<Parameter> {
    vec![
        Parameter::Int4(order.target.pid),
        Parameter::Timestamptz(order.target.backend_start),
        Parameter::Text(order.state.clone()),
        Parameter::Timestamptz(order.state_change),
        Parameter::TextArray(roles.to_vec()),
        Parameter::TextArray(applications.to_vec()),
        // A `float8` holds milliseconds of years exactly.
        Parameter::Float8(thresholds.of(&order.state) as f64),
    ]
}

/// Converts a row of [`super::CLASSIFY`] into the outcome of an order that the guard rejected.
pub(super) fn why_not(row: &[Value]) -> Result<Outcome, Fault> {
    let is = |index| boolean(row, index);
    let denied = |why: String| Ok(Outcome::Denied(why));
    if is(0)? {
        return denied("the connected role may not see this session: grant pg_read_all_stats to it".into());
    }
    if !is(1)? {
        // The pid belongs to another process by now.
        return Ok(Outcome::Gone);
    }
    let process = text(row, 2)?;
    if process != "client backend" {
        return denied(format!("it is no client session but '{process}'"));
    }
    if !is(3)? {
        return denied("it belongs to another database: connect to that one".into());
    }
    if is(8)? {
        return denied("it is one of our own".into());
    }
    if is(5)? {
        return denied(format!("role '{}' is protected", text(row, 4)?));
    }
    if is(7)? {
        return denied(format!("application '{}' is protected", text(row, 6)?));
    }
    if is(9)? && !is(10)? {
        return denied("it is in a state in which sessions are not ended".into());
    }
    let spared = text(row, 12)?;
    if is(9)? && !spared.is_empty() {
        return denied(spared.to_owned());
    }
    if is(9)? && !is(11)? {
        let settings = "options.idleTimeoutMs or options.idleInTransactionTimeoutMs";
        return denied(format!("it has been so for less than the request's {settings}"));
    }
    Ok(Outcome::Changed)
}

/// Reads a row of [`super::STILL_THERE`]: pid and start time of a session.
pub(super) fn identity(row: &[Value]) -> Option<(i32, i64)> {
    match row {
        [Value::Int64(pid), Value::Timestamp(start)] => Some((i32::try_from(*pid).ok()?, *start)),
        _ => None,
    }
}

/// Returns the boolean in a column; null is false.
pub(super) fn boolean(row: &[Value], index: usize) -> Result<bool, Fault> {
    match row.get(index) {
        Some(Value::Boolean(value)) => Ok(*value),
        Some(Value::Null) => Ok(false),
        _ => Err(Fault::unexpected(format!("column {index} is no boolean"))),
    }
}

fn text(row: &[Value], index: usize) -> Result<&str, Fault> {
    match row.get(index) {
        Some(Value::Text(value)) => Ok(value),
        Some(Value::Null) => Ok(""),
        _ => Err(Fault::unexpected(format!("column {index} is no text"))),
    }
}

pub(super) fn number(row: &[Value], index: usize) -> Result<i64, Fault> {
    match row.get(index) {
        Some(Value::Int64(value)) => Ok(*value),
        _ => Err(Fault::unexpected(format!("column {index} is no number"))),
    }
}

pub(super) fn count(row: &[Value], index: usize) -> Result<u64, Fault> {
    number(row, index).map(|count| u64::try_from(count).unwrap_or(0))
}

//! Entry into a component: instantiates it and calls one exported function with JSON.

use archon_pool_contract::fault::{Fault, kind};
use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::{Type, Val};

use super::ended::refused;
use crate::call_state::CallState;
use crate::json_values::{self, Mismatch};
use crate::limits::{BYTES_PER_VALUE, LimitError};
use crate::plugin::Plugin;

/// The interface of `run` and `describe`, whose arguments and results are JSON texts.
pub(super) const SKILL: &str = "skill";

/// Calls an exported function with JSON arguments, each with the name that messages give it. An error that the function
/// returns becomes the fault.
pub(super) async fn enter(
    plugin: &Plugin,
    store: &mut Store<CallState>,
    interface: &str,
    function: &str,
    arguments: &[(&str, Value)],
) -> wasmtime::Result<Value> {
    let component = plugin.pre.component();
    let no_function = || {
        let message = format!("{} exports no function {function} in {interface}", plugin.name());
        wasmtime::Error::new(Fault::new(kind::WORLD_MISMATCH, message))
    };
    let export = plugin.export(interface).map_err(wasmtime::Error::new)?;
    let instance = component.get_export_index(None, export).ok_or_else(no_function)?;
    let function = component.get_export_index(Some(&instance), function).ok_or_else(no_function)?;

    store.data().context.time.resume();
    let instance = plugin.pre.instantiate_async(&mut *store).await?;
    let function = instance.get_func(&mut *store, function).ok_or_else(no_function)?;
    let shape = function.ty(&*store);
    if shape.params().len() != arguments.len() || shape.results().len() != 1 {
        return Err(no_function());
    }
    // Some types take fifty times the memory that they are charged for, and the doors for JSON have texts.
    let answers =
        |result: &Type| if interface == SKILL { *result == Type::String } else { json_values::is_plain(result) };
    if !shape.results().all(|result| answers(&result)) {
        return Err(no_function());
    }
    let params = shape
        .params()
        .zip(arguments)
        .map(|((_, expected), (name, json))| json_values::from_json(json, &expected).map_err(|wrong| (name, wrong)))
        .collect::<Result<Vec<Val>, _>>()
        .map_err(|(name, wrong)| wasmtime::Error::new(Fault::invalid(located(name, &wrong))))?;
    let mut results = [Val::Bool(false)];
    function.call_async(&mut *store, &params, &mut results).await?;
    let [result] = results;
    let limit = store.data().context.limits.report_bytes;
    if !json_values::is_within(&result, limit, limit / BYTES_PER_VALUE) {
        return Err(wasmtime::Error::new(LimitError::ReportBytes(limit)));
    }
    let unreadable = |wrong: Mismatch| wasmtime::Error::new(Fault::new(kind::UNEXPECTED_ANSWER, wrong.to_string()));
    match result {
        Val::Result(Ok(Some(value))) => json_values::to_json(&value).map_err(unreadable),
        Val::Result(Err(Some(error))) => {
            let error = json_values::to_json(&error).map_err(unreadable)?;
            Err(wasmtime::Error::new(refused(&error)))
        }
        value => json_values::to_json(&value).map_err(unreadable),
    }
}

fn located(name: &str, wrong: &Mismatch) -> String {
    if name.is_empty() { wrong.to_string() } else { format!("in {name}: {wrong}") }
}

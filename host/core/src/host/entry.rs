//! Entry into a component: instantiates it and calls one exported function with JSON.

use archon_pool_contract::fault::Fault;
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};

use crate::bindings::types;
use crate::call_state::CallState;
use crate::exports::{Function, missing};
use crate::limits::LimitError;
use crate::plugin::Plugin;

/// The error of `analysis.analyse-json`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Refusal {
    message: String,
}

/// Calls an exported function with a JSON text, omitted where the function has no parameters, and returns its JSON
/// text. An error that the function returns becomes the fault.
pub(super) async fn enter(
    plugin: &Plugin,
    store: &mut Store<CallState>,
    function: Function,
    input: &str,
) -> wasmtime::Result<String> {
    let text = match function {
        Function::Describe => call::<(), (String,)>(plugin, store, function, ()).await?.0,
        Function::Run => call::<(&str,), (String,)>(plugin, store, function, (input,)).await?.0,
        Function::Collect => {
            let (result,) = call::<(&str,), (Result<String, types::Fault>,)>(plugin, store, function, (input,)).await?;
            result.or_else(|fault| {
                let types::Fault { kind, message, sqlstate, .. } = &fault;
                within(store, kind.len() + message.len() + sqlstate.as_ref().map_or(0, String::len))?;
                Err(wasmtime::Error::new(Fault::from(fault)))
            })?
        }
        Function::Analyse => {
            let (result,) = call::<(&str,), (Result<String, Refusal>,)>(plugin, store, function, (input,)).await?;
            result.or_else(|Refusal { message }| {
                within(store, message.len())?;
                Err(wasmtime::Error::new(Fault::invalid(message)))
            })?
        }
    };
    within(store, text.len())?;
    Ok(text)
}

/// Checks an answer's length against the limit `report_bytes`.
fn within(store: &Store<CallState>, bytes: usize) -> wasmtime::Result<()> {
    let limit = store.data().context.limits.report_bytes;
    if bytes > limit { Err(wasmtime::Error::new(LimitError::ReportBytes(limit))) } else { Ok(()) }
}

async fn call<P, R>(plugin: &Plugin, store: &mut Store<CallState>, function: Function, params: P) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let index = plugin.function(function).map_err(wasmtime::Error::new)?;
    store.data().context.time.resume();
    let instance = plugin.pre.instantiate_async(&mut *store).await?;
    let typed = instance.get_typed_func::<P, R>(&mut *store, index);
    let typed = typed.map_err(|_| wasmtime::Error::new(missing(function, plugin.name())))?;
    typed.call_async(&mut *store, params).await
}

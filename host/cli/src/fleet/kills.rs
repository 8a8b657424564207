//! `fleet kills`: the word that stops all kills of a fleet, and the places of its budget that are taken.

use archon_pool::Fault;
use archon_pool_report::sanitize;
use serde_json::json;

use super::engine::connect;
use crate::args::Killings;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Stops or allows kills, or shows them.
pub(super) async fn kills(what: &Killings, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let (Killings::Stop { engine, .. } | Killings::Allow(engine) | Killings::Show(engine)) = what;
    let engine = connect(engine, "archon-pool fleet kills").await?;
    match what {
        Killings::Stop { reason, .. } => engine.stop_kills(Some(reason)).await.map_err(Fault::from)?,
        Killings::Allow(_) => engine.stop_kills(None).await.map_err(Fault::from)?,
        Killings::Show(_) => {}
    }
    let stopped = engine.kills_stopped().await.map_err(Fault::from)?;
    let kills = engine.kills().await.map_err(Fault::from)?;
    if terminal.wants_json() {
        terminal.json(&json!({ "stopped": stopped, "lastHour": kills }))?;
        return Ok(Exit::Healthy);
    }
    let state = match stopped {
        Some(reason) => format!("stopped: {}", sanitize::line(&reason)),
        None => "allowed".to_owned(),
    };
    terminal.data(&format!("kills are {state}; {kills} orders in the last hour\n"))?;
    Ok(Exit::Healthy)
}

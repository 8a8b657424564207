//! Rounds of a cassette: all are analysed one after the other, and the screen moves between them.

use archon_pool::Fault;
use archon_pool::cassette::{Call, Cassette, RUN};
use archon_pool_contract::fault::kind;
use archon_pool_top::{Command, Failure, Update};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::super::app::App;
use super::super::carry::Carry;
use super::super::error::CliError;
use super::target::{fault, moment};

/// Replays the calls of a cassette, with the options of the command line, and waits for the end of the screen.
pub(super) async fn replay(
    app: App,
    cassette: Cassette,
    options: Map<String, Value>,
    carry: Carry,
    updates: UnboundedSender<Update>,
    mut requests: UnboundedReceiver<Command>,
) -> Result<(), CliError> {
    let Cassette { header, calls } = cassette;
    let mut input = json!({});
    if !options.is_empty() {
        input["options"] = options.into();
    }
    if let Some(memory) = carry.memory() {
        input["carry"] = memory.clone();
    }
    let mut shown = 0;
    for (index, call) in calls.into_iter().enumerate() {
        if updates.is_closed() {
            return Ok(());
        }
        match round(&app, input.clone(), Cassette { header: header.clone(), calls: vec![call] }).await {
            Ok(update) => {
                shown += 1;
                drop(updates.send(update));
            }
            // Without a single round there is nothing to show.
            Err(fault) if fault.kind == kind::CASSETTE_MISMATCH && shown == 0 => return Err(fault.into()),
            Err(fault) if fault.kind == kind::CASSETTE_MISMATCH => {
                drop(updates.send(Update::Failed { target: 0, failure: Failure { fault, next: None } }));
                break;
            }
            Err(fault) => drop(updates.send(Update::Remark(format!("call {} failed: {}", index + 1, fault.message)))),
        }
    }
    if shown == 0 {
        return Err(Fault::invalid("--replay: no call of the cassette has a report").into());
    }
    drop(updates.send(Update::Over));
    while requests.recv().await.is_some() {}
    Ok(())
}

async fn round(app: &App, input: Value, recorded: Cassette) -> Result<Update, Fault> {
    let is_run = |call: &Call| call.function == RUN;
    let recorded = Some(recorded).filter(|cassette| cassette.calls.iter().all(is_run));
    let answer = app.ask(input).await.map_err(fault)?;
    Ok(Update::Round { target: 0, moment: moment(app, answer, recorded).await? })
}

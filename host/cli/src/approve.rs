//! `approve`: writes a component's policy file and shows its content.

use archon_pool::Fault;
use archon_pool::host::describe;
use archon_pool::policy_file::Proposal;
use archon_pool::verified_plugin::{Files, VerifiedPlugin};
use serde_json::{Value, json};

use super::app;
use super::args::{Approving, Global};
use super::error::{self, CliError};
use super::exit::Exit;
use super::plugin_pages;
use super::progress::Progress;
use super::terminal::Terminal;

/// Reads the component's description, shows new, changed and removed statements, and writes the file.
pub(crate) async fn approve(global: &Global, flags: &Approving, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if global.plugin.is_some() {
        return Err(Fault::invalid("--plugin: approve takes the component as its argument").into());
    }
    let path = global.vetting.policy_of(&flags.file)?;
    let progress = Progress::start(terminal, "approve");
    let (engine, limits) = app::engine(global)?;
    // The existing policy file, if any, is the one to be changed.
    let files = Files { policy: None, ..global.vetting.files(&flags.file)? };
    let verified = VerifiedPlugin::load(&engine, &files, &global.vetting.unsigned())?;
    let mut proposal = Proposal::of(verified.plugin(), describe(verified.plugin(), &limits), &path).await?;
    drop(progress);
    proposal.accept(flags.accept.iter().copied())?;
    let shown = path.display().to_string();
    if terminal.wants_json() {
        return match proposal.write(flags.replace) {
            Ok(written) => {
                terminal.json(&as_json(&proposal, &shown, written))?;
                Ok(Exit::Healthy)
            }
            // With the statements that must be reviewed before they are accepted.
            Err(fault) => {
                let mut answer = error::skill_output(&fault, None).to_value();
                answer["data"] = as_json(&proposal, &shown, false);
                Err(CliError::Fault { fault, answer: Some(Box::new((&answer).into())) })
            }
        };
    }
    // Shown before a refusal: the additional permissions must be reviewed.
    terminal.data(&plugin_pages::proposal(&proposal, flags.show, terminal.width()))?;
    let written = proposal.write(flags.replace)?;
    let done = if written { "written; --policy runs the component under it" } else { "it says so already" };
    terminal.remark(&format!("{shown}: {done}"));
    if written && files.signature.exists() {
        let signature = files.signature.display();
        terminal
            .remark(&format!("{signature} was made for what stood there before: `archon-pool sign` makes a new one"));
    }
    Ok(Exit::Healthy)
}

fn as_json(proposal: &Proposal, path: &str, written: bool) -> Value {
    let statements: Vec<Value> = proposal
        .statements()
        .map(|(statement, sql, change, why)| {
            json!({
                "id": statement.id,
                "purpose": statement.purpose,
                "sha256": statement.sha256.to_string(),
                "sql": sql,
                "change": plugin_pages::change_word(change),
                "acts": why.is_some(),
                "why": why.map(ToString::to_string),
            })
        })
        .collect();
    let component = proposal.component();
    let signals = proposal.signals();
    json!({
        "policy": path,
        "written": written,
        "plugin": {
            "name": component.name,
            "sha256": component.sha256.to_string(),
            "world": component.world.name(),
            "skillVersion": component.skill_version,
        },
        "statements": statements,
        "gone": proposal.gone().map(|gone| &gone.id).collect::<Vec<_>>(),
        "apply": signals.apply,
        "maxKillPercentage": signals.max_kill_percentage,
    })
}

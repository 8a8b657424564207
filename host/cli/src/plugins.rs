//! `plugins`: lists, adds and removes the components of the plugin folder.

use std::path::Path;

use archon_pool::Fault;
use archon_pool::plugin_store::{Entry, Name, PluginStore, SignatureState};
use archon_pool::verified_plugin::Files;
use serde_json::{Value, json};

use super::app;
use super::args::{Adding, Global, Keeping};
use super::error::CliError;
use super::exit::Exit;
use super::plugin_pages;
use super::terminal::Terminal;

/// Runs a subcommand of `plugins`.
pub(crate) fn plugins(global: &Global, what: &Keeping, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if global.plugin.is_some() {
        return Err(Fault::invalid("--plugin: plugins takes a component as its argument").into());
    }
    let folder = global.vetting.folder()?;
    match what {
        Keeping::List => list(global, &folder, terminal),
        Keeping::Add(flags) => add(global, &folder, flags, terminal),
        Keeping::Remove { name } => {
            PluginStore::remove(&folder, &name.parse()?)?;
            if terminal.wants_json() {
                terminal.json(&json!({ "removed": name }))?;
            }
            terminal.remark(&format!("{name}: removed from {}", folder.display()));
            Ok(Exit::Healthy)
        }
    }
}

fn list(global: &Global, folder: &Path, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let (engine, _) = app::engine(global)?;
    let entries = PluginStore::list(&engine, folder, &global.vetting.requirements()?)?;
    let shown = folder.display().to_string();
    if terminal.wants_json() {
        let plugins: Vec<Value> = entries.iter().map(as_json).collect();
        terminal.json(&json!({ "folder": shown, "plugins": plugins }))?;
    } else if entries.is_empty() {
        terminal.remark(&format!("no plugin in {shown}: `archon-pool plugins add PLUGIN.wasm` adds one"));
    } else {
        terminal.data(&plugin_pages::plugins(&entries, terminal.width()))?;
    }
    let trouble = entries.iter().any(|entry| entry.trouble.is_some());
    Ok(if trouble { Exit::Findings } else { Exit::Healthy })
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "world": entry.world.map(|world| world.name()),
        "bytes": entry.bytes,
        "sha256": entry.sha256.map(|digest| digest.to_string()),
        "policy": entry.policy.to_string(),
        "signature": signature(entry.signature),
        "trouble": entry.trouble,
    })
}

/// Returns the state of a signature as JSON; null without one.
fn signature(state: SignatureState) -> Value {
    match state {
        SignatureState::No => Value::Null,
        SignatureState::By(key) => json!({ "state": "trusted", "key": key.to_string() }),
        SignatureState::Unchecked(key) => json!({ "state": "not checked", "key": key.to_string() }),
        SignatureState::Invalid => json!({ "state": "not valid", "key": null }),
    }
}

fn add(global: &Global, folder: &Path, flags: &Adding, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let name: Name = match &flags.name {
        Some(name) => name.parse()?,
        None => {
            let file = flags.file.file_name().unwrap_or_default().to_string_lossy();
            let stem = file.strip_suffix(".wasm").unwrap_or(&file);
            stem.parse().map_err(|fault: Fault| Fault::invalid(format!("{}: give it a --name", fault.message)))?
        }
    };
    let (engine, _) = app::engine(global)?;
    let files = Files::of(&flags.file, global.vetting.policy());
    let verified = PluginStore::add(&engine, folder, &name, &files, &global.vetting.requirements()?, flags.replace)?;
    let (world, digest) = (verified.plugin().world(), verified.plugin().digest());
    if terminal.wants_json() {
        terminal.json(&json!({ "added": name.to_string(), "world": world.name(), "sha256": digest.to_string() }))?;
    }
    let beside = flags.file.with_extension("policy.toml");
    if verified.approval().is_none() && beside.exists() {
        let beside = beside.display();
        terminal.remark(&format!("{beside} was not taken along: --policy names a policy file that was read"));
    }
    terminal.remark(&format!("{name}: world {world}, sha256 {digest}, in {}", folder.display()));
    Ok(Exit::Healthy)
}

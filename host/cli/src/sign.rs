//! `sign`: signs a component.

use archon_pool::Fault;
use archon_pool::policy_file::Approval;
use archon_pool::signature::SecretKey;
use archon_pool::verified_plugin::VerifiedPlugin;
use serde_json::json;

use super::app;
use super::args::{Global, Signing};
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Signs a component with its policy file, if the file approves it.
pub(crate) fn sign(global: &Global, flags: &Signing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if global.plugin.is_some() {
        return Err(Fault::invalid("--plugin: sign takes the component as its argument").into());
    }
    let key = SecretKey::load(&flags.key)?;
    let files = global.vetting.files(&flags.file)?;
    let (engine, _) = app::engine(global)?;
    let verified = VerifiedPlugin::load(&engine, &files, &global.vetting.unsigned())?;
    let (component, policy) = (verified.plugin().digest(), verified.approval().map(Approval::digest));
    key.sign(component, policy).write(&files.signature)?;
    let path = files.signature.display().to_string();
    if terminal.wants_json() {
        terminal.json(&json!({
            "signature": path,
            "key": key.id().to_string(),
            "sha256": component.to_string(),
            "policySha256": policy.map(|policy| policy.to_string()),
        }))?;
    } else {
        let with = if policy.is_some() { "with its policy file" } else { "without a policy file" };
        terminal.data(&format!("{path}: {component} {with}, signed by key {}", key.id()))?;
    }
    Ok(Exit::Healthy)
}

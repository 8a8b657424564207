//! `skill`: the skill for agents.

use std::env;
use std::path::{Path, PathBuf};

use archon_pool::Fault;
use archon_pool_mcp::skill::{SKILL, install};

use super::args::SkillCommand;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Writes the skill, or prints it.
pub(crate) fn skill(command: &SkillCommand, terminal: &mut Terminal) -> Result<Exit, CliError> {
    match command {
        SkillCommand::Show => terminal.data(SKILL)?,
        SkillCommand::Install { dir } => {
            let folder = dir.clone().or_else(|| usual(env::var_os("HOME").as_deref().map(Path::new)));
            let folder = folder.ok_or_else(|| Fault::invalid("--dir: HOME is not set: name the folder of skills"))?;
            terminal.data(&install(&folder)?.display().to_string())?;
        }
    }
    Ok(Exit::Healthy)
}

fn usual(home: Option<&Path>) -> Option<PathBuf> {
    Some(home.filter(|home| home.is_absolute())?.join(".claude").join("skills"))
}

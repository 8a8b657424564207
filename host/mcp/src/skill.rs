//! The skill for agents: a folder with `SKILL.md`, which says when to use the program and what it never does.

use std::fs;
use std::path::{Path, PathBuf};

use archon_pool_contract::fault::Fault;

/// Content of `SKILL.md`.
pub const SKILL: &str = include_str!("../skills/archon-pool/SKILL.md");

/// Name of the skill, and of its folder.
pub const NAME: &str = "archon-pool";

/// Writes the skill into a folder of skills, and returns the path of `SKILL.md`. An earlier version is replaced; another
/// file of this name is not.
pub fn install(skills: &Path) -> Result<PathBuf, Fault> {
    let folder = skills.join(NAME);
    let path = folder.join("SKILL.md");
    let failed = |error: std::io::Error| Fault::new("file-not-written", format!("--dir {}: {error}", skills.display()));
    if let Ok(there) = fs::read_to_string(&path)
        && !there.contains(&format!("\nname: {NAME}\n"))
    {
        return Err(Fault::invalid(format!("--dir: {} is not this skill: remove it first", path.display())));
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::write(&path, SKILL).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool;

    #[test]
    fn the_skill_is_installed_and_replaced_and_nothing_else_is() {
        let skills = tempfile::tempdir().expect("a folder");
        let path = install(skills.path()).expect("installed");
        fs::write(&path, SKILL.replace("## When", "## Earlier")).expect("written");
        assert_eq!(install(skills.path()).expect("replaced"), path);
        assert_eq!(fs::read_to_string(&path).expect("read"), SKILL);
        fs::write(&path, "---\nname: other\n---\n").expect("written");
        assert!(install(skills.path()).expect_err("refused").message.contains("is not this skill"));
    }

    #[test]
    fn the_front_matter_is_that_of_a_skill() {
        let (head, _) = SKILL.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("front matter");
        let value =
            |key: &str| head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).expect("a value");
        assert_eq!(value("name"), NAME);
        // The limits of the format.
        assert!(value("description").len() <= 1_024 && value("compatibility").len() <= 500);
    }

    #[test]
    fn the_tools_that_it_names_exist() {
        let names: Vec<&str> = Tool::all(true).map(Tool::name).collect();
        let named = SKILL.split('`').skip(1).step_by(2).filter(|word| word.contains('_'));
        let tools: Vec<&str> =
            named.filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).collect();
        assert!(tools.len() > 4, "{tools:?}");
        for tool in tools {
            assert!(names.contains(&tool), "{tool}");
        }
    }
}

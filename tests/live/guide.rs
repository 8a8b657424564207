//! Checks the guide `host/docs/embedding.md`: its programs equal the tested files, and the Rust one runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::Cluster;
use archon_pool_tests::binaries::compile_cache;
use serde_json::Value;
use tokio::task::spawn_blocking;

/// Prefix of the comment before a program that names its file.
const MARK: &str = "<!-- file: ";
/// Environment variable that makes the test write the files into the guide.
const UPDATE: &str = "UPDATE_GUIDE";
/// Maximum number of lines of a host in any language, without blank ones.
const LONGEST: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the guide with the current text of each program's file.
fn renewed(guide: &str) -> Result<String> {
    let mut parts = guide.split(MARK);
    let mut renewed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").context("a mark without an end")?;
        let (language, rest) =
            rest.strip_prefix("```").and_then(|rest| rest.split_once('\n')).context(name.to_owned())?;
        let (_, rest) = rest.split_once("\n```\n").context("a program without an end")?;
        let program = std::fs::read_to_string(root().join(name)).with_context(|| name.to_owned())?;
        let lines = program.lines().filter(|line| !line.trim().is_empty()).count();
        ensure!(lines < LONGEST, "{name} has {lines} lines");
        renewed.push_str(&format!("{MARK}{name} -->\n```{language}\n{}\n```\n{rest}", program.trim_end()));
    }
    Ok(renewed)
}

#[test]
fn the_programs_of_the_guide_are_the_tested_files() -> Result<()> {
    let path = root().join("host/docs/embedding.md");
    let guide = std::fs::read_to_string(&path)?;
    let renewed = renewed(&guide)?;
    ensure!(renewed.matches(MARK).count() >= 3, "a program in each language");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, renewed)?;
    } else {
        ensure!(guide == renewed, "host/docs/embedding.md is out of date: run this test with {UPDATE}=1");
    }
    Ok(())
}

#[tokio::test]
async fn the_rust_program_reports_the_fault() -> Result<()> {
    let cluster = Cluster::start().await?;
    let program = std::env::current_exe()?.ancestors().nth(2).context("a target folder")?.join("examples/minimal");
    ensure!(program.is_file(), "{} is missing: run `cargo build --examples`", program.display());
    let home = tempfile::tempdir()?;
    let cache = compile_cache()?;
    let run = |url: String| {
        let mut command = Command::new(&program);
        command.env_clear().env("HOME", home.path()).env("XDG_CACHE_HOME", &cache).env("DATABASE_URL", url);
        spawn_blocking(move || command.output())
    };
    let output = run(cluster.superuser_url()).await??;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(report["success"] == true && report["data"]["recommendations"].is_array(), "{report:#}");
    let refused = run("postgres://nobody@127.0.0.1:1/shop".to_owned()).await??;
    let report: Value = serde_json::from_slice(&refused.stdout)?;
    ensure!(report["error"]["kind"] == "server-unreachable", "{report:#}");
    Ok(())
}

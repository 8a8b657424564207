//! Conformance kit: the same cassettes and guard cases for the hosts in every language. `tests/conformance/README.md`
//! specifies a runner; this is the runner of the Rust host, which also maintains the cases.
//!
//! `BLESS=record cargo test --test live conformance::scenes` records the cases again, and
//! `BLESS=1 cargo test --test live conformance` edits them and stores the Rust host's answers.

mod edits;
mod guard;
mod huge;
mod laboratory;
mod played;
mod scenes;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use archon_pool::cassette::Cassette;

use self::played::ends;

/// Name of the only case in which a component makes calls that its cassette lacks.
const MISMATCH: &str = "mismatch";

/// Returns the folder of the kit.
pub(crate) fn kit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn case(name: &str) -> PathBuf {
    kit().join("cases").join(format!("{name}.jsonl"))
}

/// Returns true if the kit is to be written rather than checked.
fn blesses() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Returns true if the cases are to be recorded again.
fn records() -> bool {
    std::env::var_os("BLESS").is_some_and(|how| how == "record")
}

fn bytes(cassette: &Cassette) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    cassette.write(&mut bytes)?;
    Ok(bytes)
}

/// Returns the case with the answers of the Rust host.
async fn answered(mut cassette: Cassette) -> Result<Cassette> {
    let ends = ends(&cassette).await?;
    cassette.calls.iter_mut().zip(ends).for_each(|(call, end)| call.end = end);
    Ok(cassette)
}

/// Compares a case with its file, or writes it there.
fn settle(name: &str, cassette: &Cassette) -> Result<()> {
    let (path, bytes) = (case(name), bytes(cassette)?);
    if blesses() {
        return Ok(fs::write(path, bytes)?);
    }
    let current = fs::read(&path).with_context(|| path.display().to_string())?;
    ensure!(current == bytes, "{name} is not what the Rust host makes of it: look at the change with BLESS=1");
    Ok(())
}

#[tokio::test]
async fn every_case_gives_its_report_in_webassembly_and_natively() -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(kit().join("cases"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a name")?.to_owned();
        let cassette = Cassette::from_file(&path)?;
        let mismatches = fs::read_to_string(&path)?.contains("cassette-mismatch");
        ensure!(mismatches == (name == MISMATCH), "{name} asks for something that is not in its cassette");
        settle(&name, &answered(cassette.clone()).await?)?;
        played::natively(&name, &cassette)?;
        names.push(name);
    }
    ensure!(names.len() >= 20, "cases are missing: {names:?}");
    Ok(())
}

#[tokio::test]
async fn edited_cases_are_what_their_recordings_make_of_them() -> Result<()> {
    for edit in edits::ALL {
        let mut cassette = Cassette::from_file(&case(edit.of))?;
        (edit.edit)(&mut cassette);
        settle(edit.name, &answered(cassette).await?).with_context(|| edit.name)?;
    }
    Ok(())
}

//! Recordings of real pool libraries (`tests/pools`) with the truth that their clients reported, analysed look by look.
//!
//! A recording is a cassette of a real server, `NAME.jsonl`, and `NAME.truth.json`, both perhaps compressed (`.zst`). The
//! looks are analysed by the plugin's own code with the carry of the look before, so that a changed plugin is measured
//! with its own memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use archon_pool::cassette::{Cassette, Replayed, Replayer};
use archon_pool::components::World;
use archon_pool_contract::host_api::HostApi as _;
use archon_pool_contract::params::{Action, Options, Request};
use archon_pool_contract::snapshot::{Snapshot, State};
use archon_pool_plugin::collect::collect;
use archon_pool_plugin::leaks::exclusions;
use archon_pool_plugin::leaks::judged::Judged;
use archon_pool_plugin::{analyse, plan};
use serde::{Deserialize, Serialize};

use crate::classify::Truth;
use crate::phases::Phase;

/// Endings of a recording's two files.
const CASSETTE: &str = ".jsonl";
const TRUTH: &str = ".truth.json";
/// Ending of a compressed file.
const COMPRESSED: &str = ".zst";
/// Level of compression: the corpus is packed rarely and read by everybody.
const LEVEL: i32 = 19;
/// Largest file, bytes.
const MOST_BYTES: usize = 64 << 20;

/// A set-up of a library in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its id.
    pub kind: String,
    /// The way of losing sessions, or that nothing is lost.
    pub label: String,
    /// The library.
    #[serde(default)]
    pub library: String,
    /// Behaviour of its program.
    #[serde(default)]
    pub behaviour: String,
    /// Naming of its sessions: `id`, `default`, `empty`, `pid`.
    #[serde(default)]
    pub name: String,
}

/// The truth about a recording.
#[derive(Debug, Serialize, Deserialize)]
struct RecordedTruth {
    parts: Vec<Part>,
    looks: Vec<LookTruth>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LookTruth {
    lost: Vec<Loss>,
    /// The part of each session, by pid.
    sessions: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Loss {
    pid: i32,
    since: i64,
}

/// One session at one look.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Process id and start: the session.
    pub session: (i32, i64),
    /// The part that it belongs to; none for a pooler's, and for sessions that the truth does not name.
    pub part: Option<usize>,
    /// The truth.
    pub truth: Truth,
    /// True if it is idle outside of a transaction.
    pub is_idle: bool,
    /// Confidence, 0–100.
    pub confidence: u32,
    /// True if the confidence alone decides about suspicion: no other reason excludes the session, and it was not lost
    /// too recently.
    pub decides: bool,
    /// True if the report lists it as a suspect.
    pub suspect: bool,
    /// True if `kill-idle` would end it.
    pub target: bool,
    /// Evidence with its strength, 0–1.
    pub evidence: Vec<(&'static str, f64)>,
}

/// A recording with the analysis of each look.
#[derive(Debug)]
pub struct Recording {
    /// Its file's name.
    pub name: String,
    /// Its set-ups.
    pub parts: Vec<Part>,
    /// Verdicts of each look.
    pub looks: Vec<Vec<Verdict>>,
    /// Phase of each look.
    pub phases: Vec<Phase>,
}

/// Returns the recordings of a folder, each by its path without endings, in the order of their names.
pub fn names(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let name = |file: &PathBuf| {
        let file = file.to_str()?;
        file.strip_suffix(COMPRESSED).unwrap_or(file).strip_suffix(TRUTH).map(PathBuf::from)
    };
    let mut names: Vec<PathBuf> = files.iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        bail!("{}: there is no recording (*{TRUTH}): `make pools` writes some", folder.display());
    }
    Ok(names)
}

/// Reads one of a recording's files, which may be compressed.
fn read(name: &Path, ending: &str) -> Result<Vec<u8>> {
    let plain = format!("{}{ending}", name.display());
    match fs::read(&plain) {
        Ok(bytes) => Ok(bytes),
        Err(_) => {
            let bytes = fs::read(format!("{plain}{COMPRESSED}")).with_context(|| plain.clone())?;
            zstd::bulk::decompress(&bytes, MOST_BYTES).context(plain)
        }
    }
}

/// Compresses a recording into another folder, with nothing in its truth but what is read here.
pub fn pack(name: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let recorded: RecordedTruth =
        serde_json::from_slice(&read(name, TRUTH)?).with_context(|| name.display().to_string())?;
    let to = folder.join(name.file_name().context("a recording has a name")?);
    for (ending, bytes) in [(CASSETTE, read(name, CASSETTE)?), (TRUTH, serde_json::to_vec(&recorded)?)] {
        fs::write(format!("{}{ending}{COMPRESSED}", to.display()), zstd::bulk::compress(&bytes, LEVEL)?)?;
    }
    Ok(())
}

impl Recording {
    /// Reads a recording and analyses each of its looks.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, or if the cassette has no answer that the plugin needs.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let recorded: RecordedTruth =
            serde_json::from_slice(&read(path, TRUTH)?).with_context(|| format!("{name}{TRUTH}"))?;
        let calls = Cassette::read(&read(path, CASSETTE)?).with_context(|| name.clone())?.calls;
        if calls.len() != recorded.looks.len() {
            bail!("{name}: the cassette has {} looks, and the truth {}", calls.len(), recorded.looks.len());
        }
        let mut carry = None;
        let (mut looks, mut phases, mut first) = (Vec::new(), Vec::new(), None);
        for (number, (call, truth)) in calls.into_iter().zip(&recorded.looks).enumerate() {
            let about = || format!("{name}: look {number}");
            let request = Request::from_json(&call.input).with_context(about)?;
            let options = request.options.validate().with_context(about)?;
            let mut host = Replayed::new(Replayer::new(call.exchanges), World::Observer);
            host.open(request.credential.as_deref()).with_context(about)?;
            let snapshot = collect(&mut host, Action::DetectLeaks, &options, carry.as_deref()).with_context(about)?;
            let (verdicts, next) = analyse_look(&snapshot, &options, carry.as_deref(), truth, &recorded.parts);
            looks.push(verdicts);
            let first = *first.get_or_insert(snapshot.taken_at);
            phases.push(Phase::of(first, snapshot.taken_at, options.idle_timeout_ms));
            carry = Some(next);
        }
        Ok(Self { name, parts: recorded.parts, looks, phases })
    }
}

/// Analyses one look, and returns the carry for the next.
fn analyse_look(
    snapshot: &Snapshot,
    options: &Options,
    carry: Option<&str>,
    recorded: &LookTruth,
    parts: &[Part],
) -> (Vec<Verdict>, String) {
    let judgement = analyse::judge(snapshot, Action::DetectLeaks, options, carry);
    let report = &judgement.report;
    let plan = plan::kill_idle(snapshot, options, &report.coverage, &judgement.judged, &judgement.unfinished);
    let targets: BTreeSet<i32> = plan.targets.iter().map(|target| target.pid).collect();
    let suspects: BTreeSet<i32> =
        report.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect();
    let verdict = |judged: &Judged<'_>| {
        let backend = judged.backend;
        let is_idle = backend.state() == State::Idle;
        let lost = recorded.lost.iter().find(|lost| lost.pid == backend.pid && lost.since <= snapshot.taken_at);
        let threshold_ms = if is_idle { options.idle_timeout_ms } else { options.idle_in_transaction_timeout_ms };
        let truth = lost.map_or(Truth::Innocent, |lost| {
            let ripe = lost.since.max(backend.state_change.unwrap_or(lost.since)) + threshold_ms as i64 * 1_000;
            if snapshot.taken_at > ripe { Truth::Leaked(ripe) } else { Truth::Young }
        });
        let kept_by_pool = judged.exclusions == [&exclusions::MINIMUM_POOL];
        let part = recorded.sessions.get(&backend.pid.to_string());
        Verdict {
            session: (backend.pid, backend.backend_start.unwrap_or_default()),
            part: part.and_then(|kind| parts.iter().position(|part| part.kind == *kind)),
            truth,
            is_idle,
            confidence: judged.confidence,
            decides: (judged.exclusions.is_empty() || kept_by_pool) && truth != Truth::Young,
            suspect: suspects.contains(&backend.pid),
            target: targets.contains(&backend.pid),
            evidence: judged.pieces.iter().map(|piece| (piece.rule.id, piece.strength)).collect(),
        }
    };
    let verdicts = judgement.judged.iter().map(verdict).collect();
    (verdicts, judgement.report.carry)
}

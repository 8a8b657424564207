//! Program `lab`: prints the score of the leak detection, tunes its weights, and writes cases as cassettes.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the program's output")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use archon_pool_contract::params::Options;
use archon_pool_lab::case::Case;
use archon_pool_lab::classify::classify;
use archon_pool_lab::fit::TrainingData;
use archon_pool_lab::page::page;
use archon_pool_lab::recorded_score::{self, RecordedScore};
use archon_pool_lab::recording;
use archon_pool_lab::recordings::{self, Recording};
use archon_pool_lab::score::{self, Score};
use archon_pool_lab::split::Split;
use archon_pool_lab::summary::{self, Line};
use archon_pool_lab::table::table;
use archon_pool_plugin::leaks::{PRIOR, rules};

const USAGE: &str = "\
lab score [PAGE]         the score on the cases that the weights never learnt from; the page with its curves
lab tune                 the score on the cases that they learn from
lab errors               what is wrong in those, by evidence
lab fit                  the weights that those give, beside the weights of the rules in plugin/src/leaks
lab penalties            how well each penalty does on kinds that were left out
lab pools FOLDER         the score on recordings of real pool libraries (tests/pools)
lab pool-errors FOLDER   what is wrong in those, by set-up and evidence
lab pool-evidence FOLDER how often each kind of evidence is right in those
lab pack-pools FROM TO   recordings, compressed into another folder
lab cassette NUMBER FILE one case as a cassette, with its truth beside it in FILE.truth.json";

/// Recordings that come with the source.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pools/corpus");

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let begun = Instant::now();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["score"] => println!("{}", both(&score(Split::Test)?)?),
        ["score", path] => {
            let score = score(Split::Test)?;
            println!("{}", both(&score)?);
            write(path.as_ref(), page(&score).as_bytes())?;
            println!("curves: {path}");
        }
        ["tune"] => println!("{}", table(&score(Split::Train)?)),
        ["errors"] => errors()?,
        ["fit"] => fit()?,
        ["penalties"] => {
            for (penalty, loss) in training_data()?.losses() {
                println!("penalty {penalty:e}: loss {loss:.5}");
            }
        }
        ["pools", folder] => println!("{}", RecordedScore::of(&recorded(folder)?).table()),
        ["pack-pools", from, to] => {
            for name in recordings::names(from.as_ref())? {
                recordings::pack(&name, to.as_ref())?;
            }
        }
        ["pool-evidence", folder] => println!("{}", recorded_score::evidence(&recorded(folder)?)),
        ["pool-errors", folder] => {
            recorded(folder)?.iter().flat_map(recorded_score::errors).for_each(|error| println!("{error}"));
        }
        ["cassette", number, path] => {
            let case = Case::generate(number.parse()?);
            let mut bytes = Vec::new();
            recording::cassette(&case)?.write(&mut bytes)?;
            write(path.as_ref(), &bytes)?;
            write(format!("{path}.truth.json").as_ref(), recording::truth(&case).to_string().as_bytes())?;
        }
        _ => bail!("{USAGE}"),
    }
    eprintln!("{:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

fn recorded(folder: &str) -> Result<Vec<Recording>> {
    recordings::names(folder.as_ref())?.iter().map(|name| Recording::read(name)).collect()
}

fn score(split: Split) -> Result<Score> {
    score::of(split.numbers().map(Case::generate), &Options::default())
}

/// The table of the simulation's score, and that of both.
fn both(score: &Score) -> Result<String> {
    let simulated = Line {
        title: "simulation, test half".to_owned(),
        phases: score.phases,
        details: Some((score.calibration.clone(), score.kills)),
    };
    let mut lines = vec![simulated];
    lines.extend(RecordedScore::of(&recorded(CORPUS)?).lines());
    Ok(format!("{}\n{}", table(score), summary::render(&lines)))
}

fn training_data() -> Result<TrainingData> {
    let mut training_data = TrainingData::default();
    for case in Split::Train.numbers().map(Case::generate) {
        training_data.add(&case, &classify(&case, &Options::default())?);
    }
    recorded(CORPUS)?.iter().for_each(|recording| training_data.add_recording(recording));
    Ok(training_data)
}

fn fit() -> Result<()> {
    let fitted = training_data()?.fit();
    println!("{:<24} {:>6} {:>6} {:>9} {:>7}", "evidence", "fitted", "now", "verdicts", "lost");
    println!("{:<24} {:>6.1} {PRIOR:>6.1}", "prior", fitted.prior);
    for (id, weight, all, lost) in fitted.weights {
        let now = rules::evidence(&id).map_or(0.0, |rule| rule.weight);
        println!("{id:<24} {weight:>6.1} {now:>6.1} {all:>9.0} {lost:>7.0}");
    }
    Ok(())
}

fn errors() -> Result<()> {
    let mut errors = BTreeMap::<String, (u32, String)>::new();
    for case in Split::Train.numbers().map(Case::generate) {
        for (what, example) in score::errors(&case, &classify(&case, &Options::default())?) {
            errors.entry(what).or_insert_with(|| (0, example)).0 += 1;
        }
    }
    let mut errors: Vec<_> = errors.into_iter().collect();
    errors.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (what, (count, example)) in errors {
        println!("{count:>5} {what}, such as {example}");
    }
    Ok(())
}

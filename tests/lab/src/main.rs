//! `lab`: the score of the judgement of leaks, and the tuning of its weights.

#![allow(clippy::print_stdout, reason = "the program's output")]

use std::time::Instant;

use anyhow::{Result, bail};
use archon_pool_lab::case::Case;
use archon_pool_lab::fit::Lesson;
use archon_pool_lab::judge::judge;
use archon_pool_lab::score::Scorer;
use archon_pool_lab::split::{CASES, Split};
use archon_pool_lab::table::table;
use archon_pool_plugin::params::Options;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = arguments.first().map_or("tune", String::as_str);
    let cases = arguments.get(1).map_or(Ok(CASES), |cases| cases.parse())?;
    let split = if command == "test" { Split::Test } else { Split::Train };
    let options = Options::default();
    let begun = Instant::now();
    match command {
        "tune" | "test" => {
            let mut scorer = Scorer::default();
            for number in split.numbers(cases) {
                let case = Case::generate(number);
                scorer.add(&case, &judge(&case, &options)?);
            }
            println!("{}", table(&scorer.score()));
        }
        "fit" => {
            let mut lesson = Lesson::default();
            for number in split.numbers(cases) {
                let case = Case::generate(number);
                lesson.add(&case, &judge(&case, &options)?);
            }
            let fitted = lesson.fit();
            println!("pub const PRIOR: f64 = {:.1};", fitted.prior);
            for (id, weight, all, lost) in fitted.weights {
                println!("    (\"{id}\", {weight:.1}), // {all:.0} verdicts, {lost:.0} lost");
            }
        }
        "errors" => {
            let mut errors = std::collections::BTreeMap::<String, (u32, String)>::new();
            for number in Split::Train.numbers(cases) {
                let case = Case::generate(number);
                for line in archon_pool_lab::score::errors(&case, &judge(&case, &options)?) {
                    let (key, example) = line;
                    errors.entry(key).or_insert_with(|| (0, example)).0 += 1;
                }
            }
            let mut errors: Vec<_> = errors.into_iter().collect();
            errors.sort_by_key(|error| std::cmp::Reverse(error.1.0));
            for (key, (count, example)) in errors {
                println!("{count:>5} {key}  e.g. {example}");
            }
        }
        other => bail!("there is no command {other}: use test, tune or fit"),
    }
    eprintln!("{:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

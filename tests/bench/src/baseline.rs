//! Stores the ratios of an earlier commit, with which a run is compared. Rows with times are left out: those of another
//! run, or of another machine, are not comparable.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::figures::{PROGRAMS, Row, recorded};

/// Ratios of an earlier commit: the content of `baseline.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Commit that was measured.
    pub commit: String,
    /// Machine, or source of the figures.
    pub measured_on: String,
    /// Rows of each program, as it writes them under `target/bench`.
    pub programs: BTreeMap<String, Vec<Row>>,
}

/// Row of this run with the baseline's value.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Row of this run.
    pub row: Row,
    /// Value in the baseline, for ratios only.
    pub baseline: Option<f64>,
}

impl Compared {
    /// Returns the ratio of now to the baseline's.
    pub fn change(&self) -> Option<f64> {
        self.baseline.filter(|_| self.row.is_ratio()).map(|baseline| self.row.value / baseline)
    }
}

impl Baseline {
    /// Reads the committed baseline.
    pub fn committed() -> Result<Self> {
        let file = file();
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Creates a baseline of the ratios that the programs wrote in the last run.
    pub fn of_last_run(commit: &str, measured_on: &str) -> Result<Self> {
        let mut programs = BTreeMap::new();
        for program in PROGRAMS {
            let rows: Vec<Row> = recorded(program)?.into_iter().filter(Row::is_ratio).collect();
            if !rows.is_empty() {
                programs.insert(program.to_owned(), rows);
            }
        }
        ensure!(!programs.is_empty(), "nothing was measured: run `make bench` first");
        Ok(Self { commit: commit.to_owned(), measured_on: measured_on.to_owned(), programs })
    }

    /// Writes it in place of the committed one.
    pub fn write(&self) -> Result<PathBuf> {
        let file = file();
        fs::write(&file, serde_json::to_string_pretty(self)? + "\n").with_context(|| file.display().to_string())?;
        Ok(file)
    }

    /// Adds the baseline's values to the rows of a program.
    pub fn compare(&self, program: &str, rows: Vec<Row>) -> Vec<Compared> {
        let earlier = self.programs.get(program).map(Vec::as_slice).unwrap_or_default();
        let value = |row: &Row| {
            earlier.iter().find(|earlier| earlier.is_ratio() && earlier.what == row.what).map(|earlier| earlier.value)
        };
        rows.into_iter().map(|row| Compared { baseline: value(&row).filter(|_| row.is_ratio()), row }).collect()
    }
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn baseline(rows: Vec<Row>) -> Baseline {
        Baseline { programs: [("live".to_owned(), rows)].into(), ..Baseline::default() }
    }

    fn ratio(millis: u64) -> Row {
        Row::ratio("a call", Duration::from_millis(millis), Duration::from_millis(10), "-")
    }

    #[test]
    fn compares_ratios_of_the_same_row() {
        let compared = baseline(vec![ratio(20)]).compare("live", vec![ratio(15)]);
        assert_eq!((compared[0].baseline, compared[0].change()), (Some(2.0), Some(0.75)));
        let of_another_program = baseline(vec![ratio(20)]).compare("network", vec![ratio(15)]);
        assert_eq!(of_another_program[0].change(), None);
    }

    #[test]
    fn compares_no_times_and_no_missing_values() {
        let time = Row::figure("a call", 3.0, "ms", "", "-");
        let earlier = baseline(vec![time.clone()]);
        assert_eq!(earlier.compare("live", vec![time, ratio(15)]).iter().find_map(Compared::change), None);
        assert_eq!(baseline(vec![ratio(20)]).compare("live", vec![Row::missing("a call", "none")])[0].change(), None);
        assert_eq!(baseline(vec![Row::missing("a call", "none")]).compare("live", vec![ratio(15)])[0].change(), None);
    }

    #[test]
    fn a_missing_value_is_still_missing_after_reading() -> Result<()> {
        let text = serde_json::to_string(&[Row::missing("a tool", "not installed")])?;
        let rows: Vec<Row> = serde_json::from_str(&text)?;
        assert!(!rows[0].is_measured(), "{text}");
        Ok(())
    }

    #[test]
    fn the_committed_baseline_has_ratios_of_known_programs() -> Result<()> {
        let committed = Baseline::committed()?;
        assert!(!committed.commit.is_empty() && !committed.programs.is_empty());
        for (program, rows) in &committed.programs {
            assert!(PROGRAMS.contains(&program.as_str()), "{program}");
            assert!(rows.iter().all(Row::is_ratio), "{program}");
        }
        Ok(())
    }
}

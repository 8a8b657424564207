//! The score on recordings of real pool libraries.
//!
//! A lost session counts as found if it is a suspect at the last look at which it is idle for longer than the threshold.
//! A session that is not lost counts as wrongly suspected if it is a suspect at any look.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::calibration::Calibration;
use crate::classify::Truth;
use crate::phases::{self, Phase, Phases};
use crate::recordings::{Recording, Verdict};
use crate::score::{Counts, Kills};
use crate::split;
use crate::summary::{self, Line};
use crate::table::percent;

/// The score of some recordings.
#[derive(Debug, Default)]
pub struct RecordedScore {
    /// Number of recordings.
    pub recordings: usize,
    /// Sessions of all set-ups.
    pub all: Counts,
    /// Sessions by library.
    pub libraries: BTreeMap<String, Counts>,
    /// Sessions by how they are named.
    pub names: BTreeMap<String, Counts>,
    /// Sessions by set-up.
    pub parts: BTreeMap<String, Counts>,
    /// Sessions that `kill-idle` would have ended, counted at each look.
    pub kills: Kills,
    /// All sessions by the time of the look, those with a name of their own, those without, and those of libraries that
    /// the weights were not fitted to.
    phases: [Phases; 4],
    verdicts: Vec<(u32, bool)>,
}

/// Titles of [`RecordedScore::phases`].
const PHASES: [&str; 4] =
    ["real pools", "real pools, own names", "real pools, shared or no names", "libraries not fitted to"];

impl RecordedScore {
    /// Scores recordings.
    pub fn of<'a>(recordings: impl IntoIterator<Item = &'a Recording>) -> Self {
        let mut score = Self::default();
        for recording in recordings {
            score.recordings += 1;
            score.add(recording);
        }
        score
    }

    /// Returns how far confidences are from the truth.
    pub fn calibration(&self) -> Calibration {
        Calibration::of(self.verdicts.iter().copied())
    }

    /// Returns the lines of the table of both scores.
    pub fn lines(&self) -> Vec<Line> {
        let line = |(number, (title, phases)): (usize, (&&str, &Phases))| Line {
            title: (*title).to_owned(),
            phases: *phases,
            details: (number == 0).then(|| (self.calibration(), self.kills)),
        };
        PHASES.iter().zip(&self.phases).enumerate().map(line).collect()
    }

    fn add(&mut self, recording: &Recording) {
        let mut sessions = BTreeMap::<(i32, i64), Vec<(Phase, &Verdict)>>::new();
        let looks = recording.phases.iter().zip(&recording.looks);
        for (&phase, verdict) in looks.flat_map(|(phase, look)| look.iter().map(move |verdict| (phase, verdict))) {
            sessions.entry(verdict.session).or_default().push((phase, verdict));
            if verdict.decides {
                self.verdicts.push((verdict.confidence, verdict.truth != Truth::Innocent));
            }
            if verdict.target {
                match (verdict.truth, verdict.is_idle) {
                    (Truth::Innocent, true) => self.kills.reconnects += 1,
                    (Truth::Innocent, false) => self.kills.wrongly_ended += 1,
                    _ => self.kills.lost += 1,
                }
            }
        }
        for seen in sessions.values() {
            let part = seen.iter().rev().find_map(|(_, verdict)| verdict.part).map(|part| &recording.parts[part]);
            let looks: Vec<_> = seen.iter().map(|(phase, verdict)| (*phase, verdict.truth, verdict.suspect)).collect();
            let counts = phases::counts(looks.iter().map(|&(_, truth, suspect)| (truth, suspect)));
            self.all.add(counts);
            let pooler = String::from("(pooler)");
            let keys = part.map_or([pooler.clone(), pooler.clone(), pooler], |part| {
                [part.library.clone(), naming(&part.name), part.kind.clone()]
            });
            let groups = [&mut self.libraries, &mut self.names, &mut self.parts];
            groups.into_iter().zip(keys).for_each(|(group, key)| group.entry(key).or_default().add(counts));
            let is_named = part.is_some_and(|part| part.name == "id" || part.name == "pid");
            let not_fitted = part.is_some_and(|part| !split::FITTED_LIBRARIES.contains(&part.library.as_str()));
            let counted = [true, is_named, part.is_some() && !is_named, not_fitted];
            for (phases, _) in self.phases.iter_mut().zip(counted).filter(|(_, counted)| *counted) {
                phases.add_session(&looks);
            }
        }
    }

    /// Renders the score as text.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Counts { found, missed, wrong, left_alone } = self.all;
        writeln!(out, "{} recordings, {} sessions", self.recordings, found + missed + wrong + left_alone)?;
        let Kills { lost, reconnects, wrongly_ended } = self.kills;
        writeln!(
            out,
            "calibration error {:.3}; confidence, share of lost sessions, verdicts:",
            self.calibration().error
        )?;
        for bin in self.calibration().bins {
            writeln!(out, "{:>6.1} {:>6.1} {:>6}", bin.confidence * 100.0, bin.share * 100.0, bin.count)?;
        }
        writeln!(out, "kill-idle: {lost} lost, {reconnects} idle of a pool, {wrongly_ended} in a transaction\n")?;
        writeln!(
            out,
            "{:<44} {:>5} {:>6} {:>8} {:>5} {:>9} {:>6} {:>6}",
            "", "lost", "missed", "innocent", "wrong", "precision", "recall", "F1"
        )?;
        line(out, "all", self.all)?;
        writeln!(out)?;
        out.push_str(&summary::render(&self.lines()));
        for (title, group) in [("names", &self.names), ("libraries", &self.libraries), ("set-ups", &self.parts)] {
            writeln!(out, "\n{title}")?;
            for (name, counts) in group {
                line(out, name, *counts)?;
            }
        }
        Ok(())
    }
}

/// Returns the naming of a part's sessions; `=TEXT` is a name that several set-ups share.
fn naming(name: &str) -> String {
    if name.starts_with('=') { "shared" } else { name }.to_owned()
}

/// Tabulates the kinds of evidence: lost and innocent sessions that had it at any look, and the mean of its largest
/// strengths.
pub fn evidence(recordings: &[Recording]) -> String {
    let mut sessions = BTreeMap::<(&str, bool, (usize, i32, i64)), f64>::new();
    for (number, recording) in recordings.iter().enumerate() {
        for verdict in recording.looks.iter().flatten().filter(|verdict| verdict.truth != Truth::Young) {
            for &(id, strength) in &verdict.evidence {
                let key = (id, verdict.truth != Truth::Innocent, (number, verdict.session.0, verdict.session.1));
                let most = sessions.entry(key).or_default();
                *most = most.max(strength);
            }
        }
    }
    let mut table = BTreeMap::<&str, [(u32, f64); 2]>::new();
    for ((id, is_lost, _), strength) in sessions {
        let (count, sum) = &mut table.entry(id).or_default()[usize::from(is_lost)];
        *count += 1;
        *sum += strength;
    }
    let mut out = format!("{:<24} {:>6} {:>6} {:>9} {:>6}\n", "evidence", "lost", "mean", "innocent", "mean");
    for (id, [innocent, lost]) in table {
        let mean = |(count, sum): (u32, f64)| sum / f64::from(count.max(1));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{id:<24} {:>6} {:>6.2} {:>9} {:>6.2}", lost.0, mean(lost), innocent.0, mean(innocent));
    }
    out
}

/// Describes each session of a recording that was missed or wrongly suspected, with the evidence of the look that counts.
pub fn errors(recording: &Recording) -> Vec<String> {
    let mut errors = BTreeMap::new();
    for (look, verdict) in recording.looks.iter().enumerate().flat_map(|(look, all)| all.iter().map(move |v| (look, v)))
    {
        let what = match (verdict.truth, verdict.suspect) {
            (Truth::Innocent, true) => "wrong",
            (Truth::Leaked(_), false) => "missed",
            (Truth::Leaked(_), true) => {
                errors.remove(&(verdict.session, "missed"));
                continue;
            }
            _ => continue,
        };
        let part = verdict.part.map_or("(pooler)", |part| recording.parts[part].kind.as_str());
        let evidence: Vec<String> =
            verdict.evidence.iter().map(|(id, strength)| format!("{id} {strength:.2}")).collect();
        let excluded = if verdict.decides { "" } else { " EXCLUDED" };
        let line = format!(
            "{part} {what}{excluded}: look {look}, pid {}, {} %: {}",
            verdict.session.0,
            verdict.confidence,
            evidence.join(", ")
        );
        // Of a wrong suspicion the first look counts, of a missed one the last.
        if what == "missed" || !errors.contains_key(&(verdict.session, what)) {
            errors.insert((verdict.session, what), line);
        }
    }
    errors.into_values().collect()
}

fn line(out: &mut String, name: &str, counts: Counts) -> std::fmt::Result {
    let innocent = counts.innocent();
    let f1 = if counts.lost() > 0 { format!("{:.3}", counts.f1()) } else { "–".to_owned() };
    writeln!(
        out,
        "{name:<44} {:>5} {:>6} {innocent:>8} {:>5} {:>9} {:>6} {f1:>6}",
        counts.lost(),
        counts.missed,
        counts.wrong,
        percent(counts.precision()),
        percent(counts.recall()),
    )
}

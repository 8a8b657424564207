//! Computes the score: the classification of each session, compared with the truth.
//!
//! A lost session counts as found if it is a suspect at the last look at which its state exceeds the threshold. A
//! session that is not lost counts as wrongly suspected if it is a suspect at any look. Sessions that are not
//! visible, or not detectable yet, are not counted.

use std::collections::BTreeMap;

use anyhow::Result;
use archon_pool_contract::params::Options;

use crate::baselines::RULES;
use crate::calibration::Calibration;
use crate::case::Case;
use crate::classify::{Classification, ClassifiedLook, Truth, classify};
use crate::kinds::Kind;
use crate::look::Harm;
use crate::phases::{self, Phase, Phases};
use crate::sim::Sid;

/// Sessions by classification and truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lost and suspected.
    pub found: u32,
    /// Lost and not suspected.
    pub missed: u32,
    /// Suspected, but not lost.
    pub wrong: u32,
    /// Neither lost nor suspected.
    pub left_alone: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.found += other.found;
        self.missed += other.missed;
        self.wrong += other.wrong;
        self.left_alone += other.left_alone;
    }

    pub(crate) fn of(lost: bool, suspected: bool) -> Self {
        let mut counts = Self::default();
        let slot = match (lost, suspected) {
            (true, true) => &mut counts.found,
            (true, false) => &mut counts.missed,
            (false, true) => &mut counts.wrong,
            (false, false) => &mut counts.left_alone,
        };
        *slot = 1;
        counts
    }

    /// Returns the share of suspects that are lost; none without suspects.
    pub fn precision(&self) -> Option<f64> {
        share(self.found, self.found + self.wrong)
    }

    /// Returns the share of lost sessions that are suspected; none if nothing is lost.
    pub fn recall(&self) -> Option<f64> {
        share(self.found, self.found + self.missed)
    }

    /// Returns the harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        share(2 * self.found, 2 * self.found + self.wrong + self.missed).unwrap_or(0.0)
    }

    /// Returns the number of lost sessions.
    pub fn lost(&self) -> u32 {
        self.found + self.missed
    }

    /// Returns the number of sessions that are not lost.
    pub fn innocent(&self) -> u32 {
        self.wrong + self.left_alone
    }

    /// Returns the share of innocent sessions that are suspected; none if all are lost.
    pub fn false_alarms(&self) -> Option<f64> {
        share(self.wrong, self.innocent())
    }
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// Score of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleScore {
    /// Name of the rule.
    pub name: &'static str,
    /// Description of the rule.
    pub about: &'static str,
    /// Counts of all sessions.
    pub all: Counts,
    /// Counts of the sessions of held-out kinds.
    pub held_out: Counts,
    /// Looks until a lost session was suspected, 0 for the first possible one; sorted.
    pub looks: Vec<u32>,
    /// Seconds from the time at which the leak was detectable; sorted.
    pub seconds: Vec<f64>,
}

/// Plugin's score for one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct KindScore {
    /// Name of the kind.
    pub kind: &'static str,
    /// True if sessions are lost in it.
    pub leaks: bool,
    /// True if the weights were never trained on it.
    pub held_out: bool,
    /// Counts of its sessions.
    pub counts: Counts,
    /// Number of cases in which it occurs.
    pub cases: u32,
}

/// Sessions that `kill-idle` with default options would have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kills {
    /// Lost sessions.
    pub lost: u32,
    /// Sessions that were not needed at the moment: ending them costs a reconnect.
    pub reconnects: u32,
    /// Sessions whose ending causes damage.
    pub wrongly_ended: u32,
}

/// Score of all cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Number of cases.
    pub cases: u32,
    /// Number of looks.
    pub looks: u32,
    /// Cases in which the monitoring role sees too little for a verdict.
    pub withheld: u32,
    /// Lost sessions that were not visible.
    pub unseen: u32,
    /// Score of each rule, the plugin's first.
    pub rules: Vec<RuleScore>,
    /// Score of each kind.
    pub kinds: Vec<KindScore>,
    /// Calibration over every verdict.
    pub calibration: Calibration,
    /// Calibration over verdicts with evidence only.
    pub with_evidence: Calibration,
    /// Sessions that would have been ended.
    pub kills: Kills,
    /// Sessions whose ending would have caused damage: case, kind, damage.
    pub wrongly_ended: Vec<(u32, &'static str, Harm)>,
    /// The plugin's counts by the time of the look.
    pub phases: Phases,
}

/// Accumulates the score, case by case.
#[derive(Default)]
pub struct Scorer {
    cases: u32,
    looks: u32,
    withheld: u32,
    unseen: u32,
    all: Vec<Counts>,
    held_out: Vec<Counts>,
    delays: Vec<(Vec<u32>, Vec<f64>)>,
    kinds: BTreeMap<&'static str, (Counts, u32)>,
    classifications: Vec<(u32, bool, bool)>,
    kills: Kills,
    wrongly_ended: Vec<(u32, &'static str, Harm)>,
    phases: Phases,
}

impl Scorer {
    /// Adds a case.
    pub fn add(&mut self, case: &Case, looks: &[ClassifiedLook]) {
        self.cases += 1;
        self.looks += looks.len() as u32;
        self.count_kills(case, looks);
        if looks.iter().any(|look| look.withheld) {
            self.withheld += 1;
            return;
        }
        self.all.resize(RULES.len(), Counts::default());
        self.held_out.resize(RULES.len(), Counts::default());
        self.delays.resize(RULES.len(), (Vec::new(), Vec::new()));
        let mut parts: Vec<&str> = case.parts.iter().map(|kind| kind.name).collect();
        parts.dedup();
        for kind in parts {
            self.kinds.entry(kind).or_default().1 += 1;
        }
        let mut sessions = BTreeMap::<Sid, Vec<(&ClassifiedLook, &Classification)>>::new();
        for look in looks {
            for classification in &look.classifications {
                sessions.entry(classification.seen.sid).or_default().push((look, classification));
                if let Some(confidence) = classification.decides() {
                    let lost = classification.truth != Truth::Innocent;
                    self.classifications.push((confidence, lost, !classification.evidence.is_empty()));
                }
            }
        }
        for seen in sessions.values() {
            self.count_session(case, seen);
            self.count_phases(looks, seen);
        }
    }

    fn count_session(&mut self, case: &Case, seen: &[(&ClassifiedLook, &Classification)]) {
        let visible: Vec<_> = seen.iter().copied().filter(|(_, classification)| classification.seen.visible).collect();
        let is_ripe = |(_, seen): &&(&ClassifiedLook, &Classification)| matches!(seen.truth, Truth::Leaked(_));
        let ripe: Vec<_> = visible.iter().filter(is_ripe).copied().collect();
        for (n, rule) in RULES.iter().enumerate() {
            let suspects =
                |&(look, classification): &(&ClassifiedLook, &Classification)| (rule.suspects)(look, classification);
            let looks = visible.iter().map(|look| (look.1.truth, suspects(look)));
            self.count(case, n, seen[0].1.seen.part, phases::counts(looks));
            let first = ripe.iter().position(suspects);
            if let Some(looks) = first
                && let Truth::Leaked(since) = ripe[looks].1.truth
            {
                self.delays[n].0.push(looks as u32);
                self.delays[n].1.push((ripe[looks].0.at - since) as f64 / 1e6);
            }
        }
        let unseen = |(_, classification): &(&ClassifiedLook, &Classification)| {
            !classification.seen.visible && matches!(classification.truth, Truth::Leaked(_))
        };
        self.unseen += u32::from(ripe.is_empty() && seen.iter().any(unseen));
    }

    fn count_phases(&mut self, looks: &[ClassifiedLook], seen: &[(&ClassifiedLook, &Classification)]) {
        let first = looks.first().map_or(0, |look| look.at);
        let idle_timeout_ms = Options::default().idle_timeout_ms;
        let visible = seen.iter().filter(|(_, classification)| classification.seen.visible);
        let looks: Vec<_> = visible
            .map(|(look, seen)| (Phase::of(first, look.at, idle_timeout_ms), seen.truth, seen.suspect))
            .collect();
        self.phases.add_session(&looks);
    }

    fn count(&mut self, case: &Case, rule: usize, part: usize, counts: Counts) {
        let kind = case.parts[part];
        self.all[rule].add(counts);
        if kind.held_out {
            self.held_out[rule].add(counts);
        }
        if rule == 0 {
            self.kinds.entry(kind.name).or_default().0.add(counts);
        }
    }

    fn count_kills(&mut self, case: &Case, looks: &[ClassifiedLook]) {
        let targets =
            looks.iter().flat_map(|look| &look.classifications).filter(|classification| classification.target);
        for classification in targets {
            match (classification.truth, classification.seen.harm) {
                (Truth::Innocent, Some(harm)) => {
                    self.kills.wrongly_ended += 1;
                    self.wrongly_ended.push((case.number, case.parts[classification.seen.part].name, harm));
                }
                (Truth::Innocent, None) => self.kills.reconnects += 1,
                _ => self.kills.lost += 1,
            }
        }
    }

    /// Returns the score so far.
    pub fn score(self) -> Score {
        let rule = |n: usize| {
            let (mut looks, mut seconds) = self.delays.get(n).cloned().unwrap_or_default();
            looks.sort_unstable();
            seconds.sort_by(f64::total_cmp);
            let of = |counts: &[Counts]| counts.get(n).copied().unwrap_or_default();
            let (name, about) = (RULES[n].name, RULES[n].about);
            RuleScore { name, about, all: of(&self.all), held_out: of(&self.held_out), looks, seconds }
        };
        let kind = |kind: &Kind| {
            let &(counts, cases) = self.kinds.get(kind.name)?;
            Some(KindScore { kind: kind.name, leaks: kind.leaks, held_out: kind.held_out, counts, cases })
        };
        let classifications = |evidence: bool| {
            let kept = self.classifications.iter().filter(move |classification| classification.2 || !evidence);
            Calibration::of(kept.map(|&(confidence, lost, _)| (confidence, lost)))
        };
        Score {
            cases: self.cases,
            looks: self.looks,
            withheld: self.withheld,
            unseen: self.unseen,
            rules: (0..RULES.len()).map(rule).collect(),
            kinds: crate::kinds::ALL.iter().filter_map(kind).collect(),
            calibration: classifications(false),
            with_evidence: classifications(true),
            kills: self.kills,
            wrongly_ended: self.wrongly_ended,
            phases: self.phases,
        }
    }
}

/// Analyses cases and computes the score.
///
/// # Errors
///
/// Fails if a case cannot be analysed, which indicates an error in the simulation.
pub fn of(cases: impl Iterator<Item = Case>, options: &Options) -> Result<Score> {
    let mut scorer = Scorer::default();
    for case in cases {
        scorer.add(&case, &classify(&case, options)?);
    }
    Ok(scorer.score())
}

/// Returns the median of sorted values.
pub fn median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len() / 2).copied()
}

/// Returns the 90th percentile of sorted values.
pub fn ninth_of_ten<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get((sorted.len() * 9 / 10).min(sorted.len().saturating_sub(1))).copied()
}

/// Returns the plugin's errors in a case, for tuning: kind, error and evidence; and an example.
pub fn errors(case: &Case, looks: &[ClassifiedLook]) -> Vec<(String, String)> {
    let mut errors = BTreeMap::new();
    for (n, look) in looks.iter().enumerate().filter(|(_, look)| !look.withheld) {
        for classification in look.classifications.iter().filter(|classification| classification.seen.visible) {
            let what = match (classification.truth, classification.suspect) {
                (Truth::Innocent, true) => "wrong",
                (Truth::Leaked(_), false) => "missed",
                _ => {
                    errors.remove(&(classification.seen.sid, "missed"));
                    continue;
                }
            };
            let evidence: Vec<String> = classification.evidence.iter().map(|(id, _)| id.clone()).collect();
            let excluded = if classification.excluded { " EXCLUDED" } else { "" };
            let key =
                format!("{} {what}{excluded} [{}]", case.parts[classification.seen.part].name, evidence.join(" "));
            let strengths: Vec<String> =
                classification.evidence.iter().map(|(_, strength)| format!("{strength:.2}")).collect();
            let confidence = classification.confidence.unwrap_or(0);
            let example = format!(
                "case {} look {n} pid {} {confidence} % {}",
                case.number,
                classification.seen.pid,
                strengths.join(" ")
            );
            errors.insert((classification.seen.sid, what), (key, example));
        }
    }
    errors.into_values().collect()
}

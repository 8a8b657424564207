//! The score: what was said of each session, against the truth.
//!
//! A lost session counts as found if it is a suspect at the last look at which its state is beyond the threshold
//! (the last chance counts, not the best one). A session that is not lost counts as wrongly suspected if it is a
//! suspect at any look. What could not be seen, or not yet, is not counted.

use std::collections::BTreeMap;

use anyhow::Result;
use archon_pool_contract::params::Options;

use crate::baselines::RULES;
use crate::calibration::Calibration;
use crate::case::Case;
use crate::judge::{Judged, Truth, Verdict, judge};
use crate::kinds::Kind;
use crate::look::Harm;
use crate::sim::Sid;

/// Sessions by what was said and what is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lost and suspected.
    pub found: u32,
    /// Lost and not suspected.
    pub missed: u32,
    /// Suspected, but not lost.
    pub wrong: u32,
    /// Neither.
    pub left_alone: u32,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.found += other.found;
        self.missed += other.missed;
        self.wrong += other.wrong;
        self.left_alone += other.left_alone;
    }

    fn of(lost: bool, suspected: bool) -> Self {
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

    /// Of the suspects, the share that is lost; none without suspects.
    pub fn precision(&self) -> Option<f64> {
        share(self.found, self.found + self.wrong)
    }

    /// Of the lost, the share that is suspected; none where nothing is lost.
    pub fn recall(&self) -> Option<f64> {
        share(self.found, self.found + self.missed)
    }

    /// The harmonic mean of both.
    pub fn f1(&self) -> f64 {
        share(2 * self.found, 2 * self.found + self.wrong + self.missed).unwrap_or(0.0)
    }

    /// Sessions that are lost.
    pub fn lost(&self) -> u32 {
        self.found + self.missed
    }
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// One rule's score.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleScore {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// All sessions.
    pub all: Counts,
    /// Those of kinds that are held out.
    pub held_out: Counts,
    /// Looks until a lost session was suspected, 0 for the first possible one; sorted.
    pub looks: Vec<u32>,
    /// Seconds from the moment at which it could be known; sorted.
    pub seconds: Vec<f64>,
}

/// The judgement's score for one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct KindScore {
    /// The kind.
    pub kind: &'static str,
    /// Whether sessions are lost in it.
    pub leaks: bool,
    /// Whether the weights never learnt from it.
    pub held_out: bool,
    /// Its sessions.
    pub counts: Counts,
    /// In how many cases it occurs.
    pub cases: u32,
}

/// What `kill-idle` with default options would have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kills {
    /// Lost sessions.
    pub lost: u32,
    /// Sessions that nobody needed at the moment: ending them costs a reconnect.
    pub reconnects: u32,
    /// Sessions whose ending destroys something.
    pub wrongful: u32,
}

/// The whole score.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Cases.
    pub cases: u32,
    /// Looks in all.
    pub looks: u32,
    /// Cases in which the role that looks sees too little for a verdict.
    pub withheld: u32,
    /// Lost sessions that could not be seen.
    pub unseen: u32,
    /// This judgement first, then the rules of others.
    pub rules: Vec<RuleScore>,
    /// By kind.
    pub kinds: Vec<KindScore>,
    /// Every verdict.
    pub calibration: Calibration,
    /// Only those that rest on evidence.
    pub with_evidence: Calibration,
    /// What would have been ended.
    pub kills: Kills,
    /// Those whose ending would have destroyed something: case, kind, what.
    pub wrongful: Vec<(u32, &'static str, Harm)>,
}

/// Adds up the score, case by case.
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
    verdicts: Vec<(u32, bool, bool)>,
    kills: Kills,
    wrongful: Vec<(u32, &'static str, Harm)>,
}

impl Scorer {
    /// Adds a case.
    pub fn add(&mut self, case: &Case, looks: &[Judged]) {
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
        let mut sessions = BTreeMap::<Sid, Vec<(&Judged, &Verdict)>>::new();
        for look in looks {
            for verdict in &look.verdicts {
                sessions.entry(verdict.seen.sid).or_default().push((look, verdict));
                if let Some(confidence) = verdict.decides() {
                    let lost = verdict.truth != Truth::Innocent;
                    self.verdicts.push((confidence, lost, !verdict.evidence.is_empty()));
                }
            }
        }
        for seen in sessions.values() {
            self.count_session(case, seen);
        }
    }

    fn count_session(&mut self, case: &Case, seen: &[(&Judged, &Verdict)]) {
        let is = |wanted: fn(Truth) -> bool| {
            let verdicts = seen.iter().filter(move |(_, verdict)| verdict.seen.visible && wanted(verdict.truth));
            verdicts.copied().collect::<Vec<_>>()
        };
        let innocent = is(|truth| truth == Truth::Innocent);
        let ripe = is(|truth| matches!(truth, Truth::Leaked(_)));
        for (n, rule) in RULES.iter().enumerate() {
            let suspects = |&(look, verdict): &(&Judged, &Verdict)| (rule.suspects)(look, verdict);
            if !innocent.is_empty() {
                self.count(case, n, seen[0].1.seen.part, Counts::of(false, innocent.iter().any(suspects)));
            }
            if let Some(last) = ripe.last() {
                self.count(case, n, seen[0].1.seen.part, Counts::of(true, suspects(last)));
            }
            let first = ripe.iter().position(suspects);
            if let Some(looks) = first
                && let Truth::Leaked(since) = ripe[looks].1.truth
            {
                self.delays[n].0.push(looks as u32);
                self.delays[n].1.push((ripe[looks].0.at - since) as f64 / 1e6);
            }
        }
        let unseen =
            |(_, verdict): &(&Judged, &Verdict)| !verdict.seen.visible && matches!(verdict.truth, Truth::Leaked(_));
        self.unseen += u32::from(ripe.is_empty() && seen.iter().any(unseen));
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

    fn count_kills(&mut self, case: &Case, looks: &[Judged]) {
        let targets = looks.iter().flat_map(|look| &look.verdicts).filter(|verdict| verdict.target);
        for verdict in targets {
            match (verdict.truth, verdict.seen.harm) {
                (Truth::Innocent, Some(harm)) => {
                    self.kills.wrongful += 1;
                    self.wrongful.push((case.number, case.parts[verdict.seen.part].name, harm));
                }
                (Truth::Innocent, None) => self.kills.reconnects += 1,
                _ => self.kills.lost += 1,
            }
        }
    }

    /// The score so far.
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
        let verdicts = |evidence: bool| {
            let kept = self.verdicts.iter().filter(move |verdict| verdict.2 || !evidence);
            Calibration::of(kept.map(|&(confidence, lost, _)| (confidence, lost)))
        };
        Score {
            cases: self.cases,
            looks: self.looks,
            withheld: self.withheld,
            unseen: self.unseen,
            rules: (0..RULES.len()).map(rule).collect(),
            kinds: crate::kinds::ALL.iter().filter_map(kind).collect(),
            calibration: verdicts(false),
            with_evidence: verdicts(true),
            kills: self.kills,
            wrongful: self.wrongful,
        }
    }
}

/// Judges cases and scores what was said.
///
/// # Errors
///
/// When a case cannot be judged, which means that the simulation is wrong.
pub fn of(cases: impl Iterator<Item = Case>, options: &Options) -> Result<Score> {
    let mut scorer = Scorer::default();
    for case in cases {
        scorer.add(&case, &judge(&case, options)?);
    }
    Ok(scorer.score())
}

/// The middle of sorted values.
pub fn median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len() / 2).copied()
}

/// The value that nine of ten do not exceed.
pub fn ninth_of_ten<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get((sorted.len() * 9 / 10).min(sorted.len().saturating_sub(1))).copied()
}

/// What the judgement got wrong in a case, for tuning: kind, what, evidence; and an example.
pub fn errors(case: &Case, looks: &[Judged]) -> Vec<(String, String)> {
    let mut errors = BTreeMap::new();
    for (n, look) in looks.iter().enumerate().filter(|(_, look)| !look.withheld) {
        for verdict in look.verdicts.iter().filter(|verdict| verdict.seen.visible) {
            let what = match (verdict.truth, verdict.suspect) {
                (Truth::Innocent, true) => "wrong",
                (Truth::Leaked(_), false) => "missed",
                _ => {
                    errors.remove(&(verdict.seen.sid, "missed"));
                    continue;
                }
            };
            let evidence: Vec<String> = verdict.evidence.iter().map(|(id, _)| id.clone()).collect();
            let excluded = if verdict.excluded { " EXCLUDED" } else { "" };
            let key = format!("{} {what}{excluded} [{}]", case.parts[verdict.seen.part].name, evidence.join(" "));
            let strengths: Vec<String> =
                verdict.evidence.iter().map(|(_, strength)| format!("{strength:.2}")).collect();
            let confidence = verdict.confidence.unwrap_or(0);
            let example = format!(
                "case {} look {n} pid {} {confidence} % {}",
                case.number,
                verdict.seen.pid,
                strengths.join(" ")
            );
            errors.insert((verdict.seen.sid, what), (key, example));
        }
    }
    errors.into_values().collect()
}

//! Weights from cases: logistic regression with weights that are not negative and an L2 penalty, by accelerated
//! projected gradient descent (Beck, Teboulle 2009).

use std::collections::BTreeMap;

use archon_pool_plugin::leaks::weights;

use crate::case::Case;
use crate::judge::{Judged, Truth};
use crate::kinds;

/// How strongly large weights are held back. [`Lesson::losses`] told which of [`PENALTIES`] judges kinds best that
/// the weights did not learn from.
const PENALTY: f64 = 3e-5;
const PENALTIES: [f64; 6] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3];
/// Into how many groups of kinds the cases are divided for that.
const FOLDS: usize = 6;
const STEPS: usize = 1_500;

/// Verdicts with the same evidence, and what was true of them.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Evidence by its number, with its strength.
    evidence: Vec<(usize, f64)>,
    /// Which group of kinds they are of.
    fold: usize,
    lost: f64,
    not: f64,
}

/// What the weights learn from.
#[derive(Debug, Default)]
pub struct Lesson {
    ids: Vec<String>,
    samples: BTreeMap<String, Sample>,
}

/// What was learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Log-odds without evidence.
    pub prior: f64,
    /// Weights by evidence, largest first, with how many verdicts had it and how many of these were lost.
    pub weights: Vec<(String, f64, f64, f64)>,
}

impl Lesson {
    /// Learns from a case's looks.
    pub fn add(&mut self, case: &Case, looks: &[Judged]) {
        if looks.iter().any(|look| look.withheld) {
            return;
        }
        for verdict in looks.iter().flat_map(|look| &look.verdicts) {
            if verdict.confidence.is_none() || verdict.excluded || verdict.truth == Truth::Young {
                continue;
            }
            let mut evidence: Vec<(usize, f64)> = verdict
                .evidence
                .iter()
                .map(|(id, strength)| (self.number(id), (strength * 20.0).round() / 20.0))
                .collect();
            evidence.sort_by_key(|piece| piece.0);
            let kind = case.parts[verdict.seen.part].name;
            let fold = kinds::ALL.iter().position(|known| known.name == kind).unwrap_or(0) % FOLDS;
            let key = format!("{fold} {evidence:?}");
            let sample = self.samples.entry(key).or_insert_with(|| Sample { evidence, fold, ..Sample::default() });
            if verdict.truth == Truth::Innocent { sample.not += 1.0 } else { sample.lost += 1.0 }
        }
    }

    fn number(&mut self, id: &str) -> usize {
        self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        })
    }

    /// The mean loss for each penalty, on kinds that were not learnt from.
    pub fn losses(&self) -> Vec<(f64, f64)> {
        PENALTIES.iter().map(|&penalty| (penalty, self.loss(penalty))).collect()
    }

    /// Fits prior and weights to all samples.
    pub fn fit(&self) -> Fitted {
        let samples: Vec<&Sample> = self.samples.values().collect();
        let at = self.descend(&samples, PENALTY);
        let bias = self.ids.len();
        let seen = |n: usize| {
            let with = samples.iter().filter(|sample| sample.evidence.iter().any(|piece| piece.0 == n));
            with.fold((0.0, 0.0), |(lost, all), sample| (lost + sample.lost, all + sample.lost + sample.not))
        };
        let mut weights: Vec<_> = self
            .ids
            .iter()
            .enumerate()
            .map(|(n, id)| {
                let (lost, all) = seen(n);
                (id.clone(), at[n], all, lost)
            })
            .collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        Fitted { prior: at[bias], weights }
    }
}

impl Lesson {
    /// The mean loss on each group of kinds by weights that learnt from the others.
    fn loss(&self, penalty: f64) -> f64 {
        let fold = |fold: usize| {
            let (other, own): (Vec<&Sample>, Vec<&Sample>) =
                self.samples.values().partition(|sample| sample.fold != fold);
            let at = self.descend(&other, penalty);
            let loss = |sample: &&Sample| {
                let odds = odds(sample, &at);
                sample.lost * (-odds).exp().ln_1p() + sample.not * odds.exp().ln_1p()
            };
            own.iter().map(loss).sum::<f64>() / own.iter().map(|sample| sample.lost + sample.not).sum::<f64>().max(1.0)
        };
        (0..FOLDS).map(fold).sum::<f64>() / FOLDS as f64
    }

    fn descend(&self, samples: &[&Sample], penalty: f64) -> Vec<f64> {
        let total: f64 = samples.iter().map(|sample| sample.lost + sample.not).sum();
        let bias = self.ids.len();
        let mut at = vec![1.0; bias + 1];
        at[bias] = weights::PRIOR;
        let (mut ahead, mut momentum) = (at.clone(), 1.0_f64);
        // A quarter of the largest possible sum of squared strengths bounds the curvature.
        let most = samples.iter().map(|s| 1.0 + s.evidence.iter().map(|e| e.1 * e.1).sum::<f64>()).fold(1.0, f64::max);
        let step = 4.0 / most;
        for _ in 0..STEPS {
            let gradient = gradient(samples, &ahead, total, penalty);
            let mut next: Vec<f64> = ahead.iter().zip(&gradient).map(|(w, g)| w - step * g).collect();
            next[..bias].iter_mut().for_each(|weight| *weight = weight.max(0.0));
            let faster = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
            let push = (momentum - 1.0) / faster;
            ahead = next.iter().zip(&at).map(|(new, old)| new + push * (new - old)).collect();
            (at, momentum) = (next, faster);
        }
        at
    }
}

fn odds(sample: &Sample, at: &[f64]) -> f64 {
    at[at.len() - 1] + sample.evidence.iter().map(|&(n, strength)| at[n] * strength).sum::<f64>()
}

fn gradient(samples: &[&Sample], at: &[f64], total: f64, penalty: f64) -> Vec<f64> {
    let bias = at.len() - 1;
    let mut gradient = vec![0.0; at.len()];
    for sample in samples {
        let probability = 1.0 / (1.0 + (-odds(sample, at)).exp());
        let error = (sample.lost + sample.not) * probability - sample.lost;
        for &(n, strength) in &sample.evidence {
            gradient[n] += error * strength / total;
        }
        gradient[bias] += error / total;
    }
    for n in 0..bias {
        gradient[n] += 2.0 * penalty * at[n];
    }
    gradient
}

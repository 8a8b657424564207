//! Fits weights to cases: logistic regression with non-negative weights and an L2 penalty, by accelerated projected
//! gradient descent (Beck, Teboulle 2009).

use std::collections::BTreeMap;

use archon_pool_plugin::leaks::PRIOR;

use crate::case::Case;
use crate::classify::{ClassifiedLook, Truth};
use crate::kinds;

/// L2 penalty, chosen from [`PENALTIES`] by cross-validation ([`TrainingData::losses`]) on kinds that were not trained on:
/// of two with nearly equal losses (0.1072 and 0.1081), the larger.
const PENALTY: f64 = 3e-6;
const PENALTIES: [f64; 6] = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4];
/// Number of groups of kinds for cross-validation.
const FOLDS: usize = 6;
const STEPS: usize = 1_500;

/// Verdicts with the same evidence, counted by truth.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Evidence by its index, with its strength.
    evidence: Vec<(usize, f64)>,
    /// Cross-validation group of the kind.
    fold: usize,
    lost: f64,
    not: f64,
}

/// Training data.
#[derive(Debug, Default)]
pub struct TrainingData {
    ids: Vec<String>,
    samples: BTreeMap<String, Sample>,
}

/// Fitted weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Log-odds without evidence.
    pub prior: f64,
    /// Weights by evidence, largest first, with the number of verdicts that had it and of those that were lost.
    pub weights: Vec<(String, f64, f64, f64)>,
}

impl TrainingData {
    /// Adds the looks of a case to the training data.
    pub fn add(&mut self, case: &Case, looks: &[ClassifiedLook]) {
        if looks.iter().any(|look| look.withheld) {
            return;
        }
        for classification in looks.iter().flat_map(|look| &look.classifications) {
            // Sessions without evidence are never suspects and would only lower the prior. Sessions spared for low
            // confidence count; otherwise the weights would be trained only on sessions that they already suspect.
            if classification.decides().is_none() || classification.evidence.is_empty() {
                continue;
            }
            let mut evidence: Vec<(usize, f64)> = classification
                .evidence
                .iter()
                .map(|(id, strength)| (self.number(id), (strength * 20.0).round() / 20.0))
                .collect();
            evidence.sort_by_key(|piece| piece.0);
            let kind = case.parts[classification.seen.part].name;
            let fold = kinds::ALL.iter().position(|known| known.name == kind).unwrap_or(0) % FOLDS;
            let key = format!("{fold} {evidence:?}");
            let sample = self.samples.entry(key).or_insert_with(|| Sample { evidence, fold, ..Sample::default() });
            if classification.truth == Truth::Innocent { sample.not += 1.0 } else { sample.lost += 1.0 }
        }
    }

    fn number(&mut self, id: &str) -> usize {
        self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        })
    }

    /// Returns the mean loss for each penalty, on kinds that were not trained on.
    pub fn losses(&self) -> Vec<(f64, f64)> {
        PENALTIES.iter().map(|&penalty| (penalty, self.loss(penalty))).collect()
    }

    /// Fits prior and weights to all samples.
    pub fn fit(&self) -> Fitted {
        let samples: Vec<&Sample> = self.samples.values().collect();
        let mut at = self.descend(&samples, PENALTY);
        calibrate(&samples, &mut at);
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

impl TrainingData {
    /// Returns the mean cross-validation loss for a penalty.
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
        at[bias] = PRIOR;
        let (mut ahead, mut momentum) = (at.clone(), 1.0_f64);
        let steps = steps(samples, bias, total, penalty);
        for _ in 0..STEPS {
            let gradient = gradient(samples, &ahead, total, penalty);
            let mut next: Vec<f64> =
                ahead.iter().zip(&gradient).zip(&steps).map(|((weight, slope), step)| weight - step * slope).collect();
            next[..bias].iter_mut().for_each(|weight| *weight = weight.max(0.0));
            let faster = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
            let push = (momentum - 1.0) / faster;
            ahead = next.iter().zip(&at).map(|(new, old)| new + push * (new - old)).collect();
            (at, momentum) = (next, faster);
        }
        at
    }
}

/// Returns the step size of each weight: rare evidence would need many more of the steps that suit common evidence. A
/// quarter of the mean of each strength times the sum of all bounds the curvature.
fn steps(samples: &[&Sample], bias: usize, total: f64, penalty: f64) -> Vec<f64> {
    let mut curvature = vec![0.0; bias + 1];
    for sample in samples {
        let sum = 1.0 + sample.evidence.iter().map(|piece| piece.1).sum::<f64>();
        let share = sum * (sample.lost + sample.not) / total / 4.0;
        for &(n, strength) in &sample.evidence {
            curvature[n] += strength * share;
        }
        curvature[bias] += share;
    }
    curvature.iter().map(|curvature| 1.0 / (curvature + 2.0 * penalty)).collect()
}

/// Corrects the shrinkage of the confidences by the penalty with one factor and one shift for all weights (Platt
/// 1999), found by Newton's method.
fn calibrate(samples: &[&Sample], at: &mut [f64]) {
    let (mut factor, mut shift) = (1.0, 0.0);
    for _ in 0..20 {
        let (mut slope, mut level) = (0.0, 0.0);
        let (mut by_slope, mut by_both, mut by_level) = (0.0, 0.0, 0.0);
        for sample in samples {
            let odds = odds(sample, at);
            let probability = 1.0 / (1.0 + (-factor * odds - shift).exp());
            let all = sample.lost + sample.not;
            let (error, spread) = (all * probability - sample.lost, all * probability * (1.0 - probability));
            slope += error * odds;
            level += error;
            by_slope += spread * odds * odds;
            by_both += spread * odds;
            by_level += spread;
        }
        let determinant = by_slope * by_level - by_both * by_both;
        factor -= (slope * by_level - level * by_both) / determinant;
        shift -= (level * by_slope - slope * by_both) / determinant;
    }
    at.iter_mut().for_each(|weight| *weight *= factor);
    if let Some(bias) = at.last_mut() {
        *bias += shift;
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

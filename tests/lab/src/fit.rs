//! Fits weights to simulated cases and to recordings of real pools: logistic regression with bounded weights, whose
//! signs are those of the rules, and an L2 penalty, by accelerated projected gradient descent (Beck, Teboulle 2009).

use std::collections::BTreeMap;

use archon_pool_plugin::leaks::{PRIOR, rules};

use crate::case::Case;
use crate::classify::{ClassifiedLook, Truth};
use crate::kinds;
use crate::recordings::Recording;
use crate::split;

/// L2 penalty; [`TrainingData::losses`] compares those of [`PENALTIES`] on kinds and libraries that were not trained on.
const PENALTY: f64 = 1e-5;
const PENALTIES: [f64; 6] = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4];
/// Number of groups of kinds for cross-validation.
const FOLDS: usize = 6;
const STEPS: usize = 1_500;

/// Largest absolute value of a weight: no piece of evidence decides alone.
const LARGEST: f64 = 9.0;
/// Weight of all recorded verdicts together, relative to all simulated ones.
const RECORDED: f64 = 1.0;
/// Weight of an innocent session's verdict, relative to a lost session's: recordings lose one session in four or five,
/// simulated servers one in eight, and servers far fewer.
const INNOCENT: f64 = 2.5;

/// Origin of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Simulated,
    Recorded,
}

/// Verdicts with the same evidence, counted by truth.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Evidence by its index, with its strength.
    evidence: Vec<(usize, f64)>,
    /// Cross-validation group of the kind or the library.
    fold: usize,
    lost: f64,
    not: f64,
}

impl Sample {
    fn all(&self) -> f64 {
        self.lost + self.not
    }
}

/// Training data.
#[derive(Debug, Default)]
pub struct TrainingData {
    ids: Vec<String>,
    samples: BTreeMap<(Source, String), Sample>,
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
    /// Adds the looks of a case.
    pub fn add(&mut self, case: &Case, looks: &[ClassifiedLook]) {
        if looks.iter().any(|look| look.withheld) {
            return;
        }
        for classification in looks.iter().flat_map(|look| &look.classifications) {
            // Sessions spared for low confidence count; otherwise the weights would be trained only on sessions that
            // they already suspect.
            if classification.decides().is_none() {
                continue;
            }
            let kind = case.parts[classification.seen.part].name;
            let fold = kinds::ALL.iter().position(|known| known.name == kind).unwrap_or(0);
            let evidence = classification.evidence.iter().map(|(id, strength)| (id.as_str(), *strength));
            self.count(Source::Simulated, fold, evidence, classification.truth);
        }
    }

    /// Adds the looks of a recording, as far as they show libraries that are fitted to.
    pub fn add_recording(&mut self, recording: &Recording) {
        for verdict in recording.looks.iter().flatten().filter(|verdict| verdict.decides) {
            let Some(library) = verdict.part.map(|part| recording.parts[part].library.as_str()) else { continue };
            if let Some(number) = split::FITTED_LIBRARIES.iter().position(|fitted| *fitted == library) {
                self.count(Source::Recorded, number, verdict.evidence.iter().copied(), verdict.truth);
            }
        }
    }

    fn count<'e>(&mut self, source: Source, fold: usize, evidence: impl Iterator<Item = (&'e str, f64)>, truth: Truth) {
        let mut evidence: Vec<(usize, f64)> =
            evidence.map(|(id, strength)| (self.number(id), (strength * 20.0).round() / 20.0)).collect();
        // Sessions without evidence are never suspects and would only lower the prior.
        if evidence.is_empty() {
            return;
        }
        evidence.sort_by_key(|piece| piece.0);
        let fold = fold % FOLDS;
        let key = (source, format!("{fold} {evidence:?}"));
        let sample = self.samples.entry(key).or_insert_with(|| Sample { evidence, fold, ..Sample::default() });
        if truth == Truth::Innocent { sample.not += 1.0 } else { sample.lost += 1.0 }
    }

    fn number(&mut self, id: &str) -> usize {
        self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        })
    }

    /// Returns the samples with their weights in the fit, which add up to 1 for the simulation.
    fn weighted(&self) -> Vec<Sample> {
        let total = |of: Source| self.of(of).map(|sample| sample.all()).sum::<f64>().max(1.0);
        let scaled = |source: Source, weight: f64| {
            let factor = weight / total(source);
            self.of(source).map(move |sample| Sample {
                lost: sample.lost * factor,
                not: sample.not * factor * INNOCENT,
                ..sample.clone()
            })
        };
        scaled(Source::Simulated, 1.0).chain(scaled(Source::Recorded, RECORDED)).collect()
    }

    fn of(&self, source: Source) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |((of, _), _)| *of == source).map(|(_, sample)| sample)
    }

    /// Returns the mean loss for each penalty, on kinds that were not trained on.
    pub fn losses(&self) -> Vec<(f64, f64)> {
        PENALTIES.iter().map(|&penalty| (penalty, self.loss(penalty))).collect()
    }

    /// Fits prior and weights to all samples.
    pub fn fit(&self) -> Fitted {
        let samples = self.weighted();
        let at = self.descend(&samples.iter().collect::<Vec<_>>(), PENALTY);
        let bias = self.ids.len();
        let seen = |n: usize| {
            let with = self.samples.values().filter(|sample| sample.evidence.iter().any(|piece| piece.0 == n));
            with.fold((0.0, 0.0), |(lost, all), sample| (lost + sample.lost, all + sample.all()))
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
        let samples = self.weighted();
        let fold = |fold: usize| {
            let (other, own): (Vec<&Sample>, Vec<&Sample>) = samples.iter().partition(|sample| sample.fold != fold);
            let at = self.descend(&other, penalty);
            let loss = |sample: &&Sample| {
                let odds = odds(sample, &at);
                sample.lost * (-odds).exp().ln_1p() + sample.not * odds.exp().ln_1p()
            };
            own.iter().map(loss).sum::<f64>()
                / own.iter().map(|sample| sample.all()).sum::<f64>().max(f64::MIN_POSITIVE)
        };
        (0..FOLDS).map(fold).sum::<f64>() / FOLDS as f64
    }

    fn descend(&self, samples: &[&Sample], penalty: f64) -> Vec<f64> {
        let bias = self.ids.len();
        let bounds: Vec<(f64, f64)> = self.ids.iter().map(|id| bounds(id)).collect();
        let mut at: Vec<f64> = bounds.iter().map(|(least, most)| f64::midpoint(*least, *most) / LARGEST).collect();
        at.push(PRIOR);
        let (mut ahead, mut momentum) = (at.clone(), 1.0_f64);
        let steps = steps(samples, bias, penalty);
        for _ in 0..STEPS {
            let gradient = gradient(samples, &ahead, penalty);
            let mut next: Vec<f64> =
                ahead.iter().zip(&gradient).zip(&steps).map(|((weight, slope), step)| weight - step * slope).collect();
            for (weight, (least, most)) in next.iter_mut().zip(&bounds) {
                *weight = weight.clamp(*least, *most);
            }
            let faster = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
            let push = (momentum - 1.0) / faster;
            ahead = next.iter().zip(&at).map(|(new, old)| new + push * (new - old)).collect();
            (at, momentum) = (next, faster);
        }
        at
    }
}

/// Returns the range of a weight: evidence against a leak has a negative one.
fn bounds(id: &str) -> (f64, f64) {
    if rules::evidence(id).is_some_and(|rule| rule.weight < 0.0) { (-LARGEST, 0.0) } else { (0.0, LARGEST) }
}

/// Returns the step size of each weight: rare evidence would need many more of the steps that suit common evidence. A
/// quarter of the mean of each strength times the sum of all bounds the curvature.
fn steps(samples: &[&Sample], bias: usize, penalty: f64) -> Vec<f64> {
    let mut curvature = vec![0.0; bias + 1];
    for sample in samples {
        let sum = 1.0 + sample.evidence.iter().map(|piece| piece.1).sum::<f64>();
        let share = sum * sample.all() / 4.0;
        for &(n, strength) in &sample.evidence {
            curvature[n] += strength * share;
        }
        curvature[bias] += share;
    }
    curvature.iter().map(|curvature| 1.0 / (curvature + 2.0 * penalty)).collect()
}

fn odds(sample: &Sample, at: &[f64]) -> f64 {
    at[at.len() - 1] + sample.evidence.iter().map(|&(n, strength)| at[n] * strength).sum::<f64>()
}

fn gradient(samples: &[&Sample], at: &[f64], penalty: f64) -> Vec<f64> {
    let bias = at.len() - 1;
    let mut gradient = vec![0.0; at.len()];
    for sample in samples {
        let probability = 1.0 / (1.0 + (-odds(sample, at)).exp());
        let error = sample.all() * probability - sample.lost;
        for &(n, strength) in &sample.evidence {
            gradient[n] += error * strength;
        }
        gradient[bias] += error;
    }
    for n in 0..bias {
        gradient[n] += 2.0 * penalty * at[n];
    }
    gradient
}

//! Weights from cases: logistic regression with weights that are not negative and an L2 penalty, by accelerated
//! projected gradient descent (Beck, Teboulle 2009).

use std::collections::BTreeMap;

use archon_pool_plugin::leaks::weights;

use crate::judge::{Judged, Truth};

/// How strongly large weights are held back, for each verdict.
const PENALTY: f64 = 2e-5;
const STEPS: usize = 4_000;

/// Verdicts with the same evidence, and what was true of them.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Evidence by its number, with its strength.
    evidence: Vec<(usize, f64)>,
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
    pub fn add(&mut self, looks: &[Judged]) {
        if looks.iter().any(|look| look.withheld) {
            return;
        }
        for verdict in looks.iter().flat_map(|look| &look.verdicts) {
            if verdict.confidence.is_none() || verdict.excluded || verdict.truth == Truth::Young {
                continue;
            }
            let mut evidence: Vec<(usize, f64)> =
                verdict.evidence.iter().map(|(id, strength)| (self.number(id), (strength * 20.0).round() / 20.0)).collect();
            evidence.sort_by_key(|piece| piece.0);
            let key = format!("{evidence:?}");
            let sample = self.samples.entry(key).or_insert_with(|| Sample { evidence, ..Sample::default() });
            if verdict.truth == Truth::Innocent { sample.not += 1.0 } else { sample.lost += 1.0 }
        }
    }

    fn number(&mut self, id: &str) -> usize {
        self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        })
    }

    /// Fits prior and weights.
    pub fn fit(&self) -> Fitted {
        let samples: Vec<&Sample> = self.samples.values().collect();
        let total: f64 = samples.iter().map(|sample| sample.lost + sample.not).sum();
        let bias = self.ids.len();
        let mut at = vec![1.0; bias + 1];
        at[bias] = weights::PRIOR;
        for (n, id) in self.ids.iter().enumerate() {
            at[n] = weights::of(id);
        }
        let (mut ahead, mut momentum) = (at.clone(), 1.0_f64);
        // A quarter of the largest possible sum of squared strengths bounds the curvature.
        let most = samples.iter().map(|s| 1.0 + s.evidence.iter().map(|e| e.1 * e.1).sum::<f64>()).fold(1.0, f64::max);
        let step = 4.0 / most;
        for _ in 0..STEPS {
            let gradient = gradient(&samples, &ahead, total);
            let mut next: Vec<f64> = ahead.iter().zip(&gradient).map(|(w, g)| w - step * g).collect();
            next[..bias].iter_mut().for_each(|weight| *weight = weight.max(0.0));
            let faster = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
            let push = (momentum - 1.0) / faster;
            ahead = next.iter().zip(&at).map(|(new, old)| new + push * (new - old)).collect();
            (at, momentum) = (next, faster);
        }
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

fn gradient(samples: &[&Sample], at: &[f64], total: f64) -> Vec<f64> {
    let bias = at.len() - 1;
    let mut gradient = vec![0.0; at.len()];
    for sample in samples {
        let odds = at[bias] + sample.evidence.iter().map(|&(n, strength)| at[n] * strength).sum::<f64>();
        let probability = 1.0 / (1.0 + (-odds).exp());
        let error = (sample.lost + sample.not) * probability - sample.lost;
        for &(n, strength) in &sample.evidence {
            gradient[n] += error * strength / total;
        }
        gradient[bias] += error / total;
    }
    for n in 0..bias {
        gradient[n] += 2.0 * PENALTY * at[n];
    }
    gradient
}

//! The score of the simulation and of the recordings in one table.

use crate::calibration::Calibration;
use crate::phases::Phases;
use crate::score::{Counts, Kills};
use crate::table::percent;

/// Share of lost sessions on a server that mostly works, for extrapolation.
const LOST_SHARE: f64 = 0.01;

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Line {
    /// The sessions that it is about.
    pub title: String,
    /// Their counts.
    pub phases: Phases,
    /// Confidence compared with the truth, and endings by `kill-idle`; none where these are counted together with others.
    pub details: Option<(Calibration, Kills)>,
}

/// Returns the share of suspects that are lost where one session in a hundred is, with the same recall and the same share
/// of innocent sessions suspected.
pub fn precision_at_one_in_a_hundred(counts: &Counts) -> Option<f64> {
    let suspected = LOST_SHARE * counts.recall()?;
    let wrongly = (1.0 - LOST_SHARE) * counts.false_alarms()?;
    (suspected + wrongly > 0.0).then(|| suspected / (suspected + wrongly))
}

/// Renders the table.
pub fn render(lines: &[Line]) -> String {
    let mut out = format!(
        "{:<34} {:>6} {:>8} {:>6} {:>9} {:>6} {:>6} {:>7} {:>8} {:>6} {:>6}\n",
        "", "lost", "innocent", "wrong", "precision", "recall", "F1", "alarms", "at 1:100", "calib.", "ended"
    );
    for Line { title, phases, details } in lines {
        for (when, counts) in
            [("", &phases.all), ("  within two thresholds", &phases.early), ("  later", &phases.later)]
        {
            let name = if when.is_empty() { title.as_str() } else { when };
            let (calibration, ended) = match details.as_ref().filter(|_| when.is_empty()) {
                Some((calibration, kills)) => (format!("{:.3}", calibration.error), kills.wrongly_ended.to_string()),
                None => (String::new(), String::new()),
            };
            let line = format!(
                "{name:<34} {:>6} {:>8} {:>6} {:>9} {:>6} {:>6.3} {:>7} {:>8} {calibration:>6} {ended:>6}",
                counts.lost(),
                counts.innocent(),
                counts.wrong,
                percent(counts.precision()),
                percent(counts.recall()),
                counts.f1(),
                counts.false_alarms().map_or_else(|| "–".to_owned(), |share| format!("{:.2}", share * 100.0)),
                percent(precision_at_one_in_a_hundred(counts)),
            );
            out += line.trim_end();
            out.push('\n');
        }
    }
    out + "alarms: innocent sessions that were suspected at any look, in percent; ended: sessions in use that `kill-idle`\nwould have ended; at 1:100: precision where one session in a hundred is lost\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_losses_make_false_alarms_costly() {
        let counts = Counts { found: 90, missed: 10, wrong: 5, left_alone: 995 };
        let precision = precision_at_one_in_a_hundred(&counts).expect("suspects");
        assert!((precision - 0.009 / (0.009 + 0.99 * 0.005)).abs() < 1e-9, "{precision}");
    }
}

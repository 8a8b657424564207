//! Renders the score as text.

use std::fmt::Write as _;

use crate::score::{Counts, Score, median, ninth_of_ten};

/// Renders a share, 0–1, as a percentage without its sign.
pub(crate) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.1}", value * 100.0))
}

/// Renders the table that `lab` prints.
pub fn table(score: &Score) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(score, &mut out);
    out
}

fn write(score: &Score, out: &mut String) -> std::fmt::Result {
    let lost = score.rules[0].all.lost();
    let all = score.rules[0].all;
    let sessions = lost + all.wrong + all.left_alone;
    writeln!(out, "{} cases, {} looks, {sessions} sessions, {lost} of them lost", score.cases, score.looks)?;
    writeln!(
        out,
        "no verdict in {} cases for lack of privileges; {} lost sessions with track_activities off\n",
        score.withheld, score.unseen
    )?;
    writeln!(
        out,
        "{:<28} {:>9} {:>7} {:>6} {:>10} {:>16}",
        "rule", "precision", "recall", "F1", "F1 unseen", "found after"
    )?;
    for rule in &score.rules {
        let after = match (median(&rule.looks), ninth_of_ten(&rule.seconds)) {
            (Some(looks), Some(seconds)) => format!("{looks} looks, {seconds:.0} s"),
            _ => "–".to_owned(),
        };
        writeln!(
            out,
            "{:<28} {:>9} {:>7} {:>6.3} {:>10.3} {:>16}",
            rule.name,
            percent(rule.all.precision()),
            percent(rule.all.recall()),
            rule.all.f1(),
            rule.held_out.f1(),
            after
        )?;
    }
    writeln!(out, "found after: looks in half of the cases, seconds in nine of ten\n")?;
    writeln!(
        out,
        "{:<28} {:>6} {:>9} {:>6} {:>7} {:>6} {:>9} {:>7}",
        "kind", "cases", "sessions", "lost", "missed", "wrong", "precision", "recall"
    )?;
    for kind in &score.kinds {
        let Counts { missed, wrong, left_alone, .. } = kind.counts;
        let lost = kind.counts.lost();
        let name = format!("{}{}", kind.kind, if kind.held_out { " *" } else { "" });
        writeln!(
            out,
            "{name:<28} {:>6} {:>9} {lost:>6} {missed:>7} {wrong:>6} {:>9} {:>7}",
            kind.cases,
            lost + wrong + left_alone,
            percent(kind.counts.precision()),
            percent(kind.counts.recall())
        )?;
    }
    writeln!(out, "* never learnt from\n")?;
    writeln!(out, "confidence      all: sure  true      n    with evidence: sure  true      n")?;
    for (n, (all, some)) in score.calibration.bins.iter().zip(&score.with_evidence.bins).enumerate() {
        writeln!(
            out,
            "{:>3}–{:<3} %  {:>13.1} {:>5.1} {:>6} {:>22.1} {:>5.1} {:>6}",
            n * 10,
            n * 10 + 10,
            all.confidence * 100.0,
            all.share * 100.0,
            all.count,
            some.confidence * 100.0,
            some.share * 100.0,
            some.count
        )?;
    }
    writeln!(
        out,
        "expected calibration error {:.4}, with evidence {:.4}\n",
        score.calibration.error, score.with_evidence.error
    )?;
    let kills = score.kills;
    writeln!(
        out,
        "kill-idle with default options: {} endings, {} of lost sessions, {} that cost a reconnect, {} wrongful",
        kills.lost + kills.reconnects + kills.wrongly_ended,
        kills.lost,
        kills.reconnects,
        kills.wrongly_ended
    )?;
    for (case, kind, harm) in score.wrongly_ended.iter().take(20) {
        let harm = match harm {
            crate::look::Harm::InUse => "in use",
            crate::look::Harm::Transaction => "in a transaction that continues",
            crate::look::Harm::HoldsState => "holds state",
            crate::look::Harm::Protected => "protected",
        };
        writeln!(out, "  wrongful: case {case}, {kind}, {harm}")?;
    }
    Ok(())
}

//! Renders the score as a self-contained page: curves as inline SVG, tables as text.

use std::fmt::Write as _;

use crate::calibration::Calibration;
use crate::score::{Score, median};
use crate::table::table;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}pre{font-size:12px;overflow-x:auto;background:#f6f6f6;\
padding:1rem}svg{background:#fff;border:1px solid #ddd;margin-right:1rem}text{font:11px system-ui,sans-serif;fill:#333}\
.grid{stroke:#e4e4e4}.ideal{stroke:#999;stroke-dasharray:4}.curve{stroke:#1769aa;fill:none;stroke-width:2}\
.dot{fill:#1769aa}.good{fill:#1769aa}.other{fill:#b9c6d0}.missed{fill:#c0392b}";

/// Renders the page.
pub fn page(score: &Score) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(score, &mut out);
    out
}

fn write(score: &Score, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>How sure is it?</title><style>{STYLE}</style>\
         <h1>How sure is it?</h1><p>{} cases, {} looks. Method and split: <code>tests/lab/README.md</code>.</p>",
        score.cases, score.looks
    )?;
    write!(out, "<h2>F1 by session, beside the rules of others</h2>")?;
    rules(score, out)?;
    write!(
        out,
        "<h2>Reliability: what a confidence is worth</h2><p>Left all verdicts, right those that rest on \
                 evidence; the dashed line is a perfect one. Expected calibration error {:.3} and {:.3}.</p>",
        score.calibration.error, score.with_evidence.error
    )?;
    reliability(&score.calibration, out)?;
    reliability(&score.with_evidence, out)?;
    write!(
        out,
        "<h2>Precision and recall by kind</h2><p>Blue is recall (lost sessions found), red what was missed; \
                 innocent kinds show the share that was left alone. * was never learnt from.</p>"
    )?;
    kinds(score, out)?;
    write!(
        out,
        "<h2>Time until a lost session is found</h2><p>Seconds from the moment at which its idleness passed the \
                 threshold, as a share of those found; logarithmic.</p>"
    )?;
    delays(&score.rules[0].seconds, out)?;
    write!(out, "<h2>All figures</h2><pre>{}</pre></html>", escape(&table(score)))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn rules(score: &Score, out: &mut String) -> std::fmt::Result {
    let height = score.rules.len() * 26 + 10;
    write!(out, "<svg width=\"820\" height=\"{height}\" role=\"img\" aria-label=\"F1 of each rule\">")?;
    for (n, rule) in score.rules.iter().enumerate() {
        let (y, width) = (n * 26 + 8, rule.all.f1() * 520.0);
        let class = if n == 0 { "good" } else { "other" };
        write!(
            out,
            "<text x=\"6\" y=\"{}\">{}<title>{}</title></text><rect class=\"{class}\" x=\"200\" y=\"{y}\" \
             width=\"{width:.1}\" height=\"18\"/><text x=\"{:.1}\" y=\"{}\">{:.3}</text>",
            y + 13,
            escape(rule.name),
            escape(rule.about),
            width + 206.0,
            y + 13,
            rule.all.f1()
        )?;
    }
    write!(out, "</svg>")
}

fn reliability(of: &Calibration, out: &mut String) -> std::fmt::Result {
    write!(out, "<svg width=\"360\" height=\"360\" role=\"img\" aria-label=\"reliability curve\">")?;
    let at = |x: f64, y: f64| (40.0 + x * 300.0, 320.0 - y * 300.0);
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        let ((left, y), (x, bottom)) = (at(0.0, share), at(share, 0.0));
        write!(
            out,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{y}\" x2=\"340\" y2=\"{y}\"/>\
             <text x=\"12\" y=\"{}\">{:.0}</text><text x=\"{}\" y=\"{}\">{:.0}</text>",
            y + 4.0,
            share * 100.0,
            x - 6.0,
            bottom + 18.0,
            share * 100.0
        )?;
    }
    write!(out, "<line class=\"ideal\" x1=\"40\" y1=\"320\" x2=\"340\" y2=\"20\"/>")?;
    let filled: Vec<_> = of.bins.iter().filter(|bin| bin.count > 0).collect();
    let points: Vec<String> =
        filled.iter().map(|bin| at(bin.confidence, bin.share)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    write!(out, "<polyline class=\"curve\" points=\"{}\"/>", points.join(" "))?;
    for bin in filled {
        let (x, y) = at(bin.confidence, bin.share);
        let radius = 2.0 + f64::from(bin.count).log10();
        write!(
            out,
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{} verdicts</title></circle>",
            bin.count
        )?;
    }
    write!(out, "<text x=\"130\" y=\"352\">confidence, percent</text></svg>")
}

fn kinds(score: &Score, out: &mut String) -> std::fmt::Result {
    let height = score.kinds.len() * 18 + 10;
    write!(out, "<svg width=\"820\" height=\"{height}\" role=\"img\" aria-label=\"recall by kind\">")?;
    for (n, kind) in score.kinds.iter().enumerate() {
        let y = n * 18 + 6;
        let counts = kind.counts;
        let (good, all) = if kind.leaks {
            (counts.found, counts.lost())
        } else {
            (counts.left_alone, counts.left_alone + counts.wrong)
        };
        let share = if all == 0 { 1.0 } else { f64::from(good) / f64::from(all) };
        let star = if kind.held_out { " *" } else { "" };
        let what = if kind.leaks {
            format!("{good} of {all} found, {} wrong", counts.wrong)
        } else {
            format!("{good} of {all} left alone")
        };
        let class = if kind.leaks { "good" } else { "other" };
        write!(
            out,
            "<text x=\"6\" y=\"{}\">{}{star}</text><rect class=\"{class}\" x=\"200\" y=\"{y}\" width=\"{:.1}\" \
             height=\"12\"/><rect class=\"missed\" x=\"{:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"12\"/>\
             <text x=\"606\" y=\"{}\">{what}</text>",
            y + 10,
            kind.kind,
            share * 400.0,
            200.0 + share * 400.0,
            (1.0 - share) * 400.0,
            y + 10
        )?;
    }
    write!(out, "</svg>")
}

fn delays(seconds: &[f64], out: &mut String) -> std::fmt::Result {
    write!(out, "<svg width=\"820\" height=\"240\" role=\"img\" aria-label=\"time to detection\">")?;
    let most = seconds.last().copied().unwrap_or(1.0).max(10.0).log10();
    let x = |value: f64| 40.0 + value.max(1.0).log10() / most * 760.0;
    for (label, value) in
        [("1 s", 1.0_f64), ("10 s", 10.0), ("1 min", 60.0), ("10 min", 600.0), ("1 h", 3_600.0), ("10 h", 36_000.0)]
    {
        if value.log10() <= most {
            write!(
                out,
                "<line class=\"grid\" x1=\"{0:.1}\" y1=\"10\" x2=\"{0:.1}\" y2=\"210\"/><text x=\"{0:.1}\" y=\"228\">{label}</text>",
                x(value)
            )?;
        }
    }
    let point = |(n, &value): (usize, &f64)| {
        format!("{:.1},{:.1}", x(value), 210.0 - (n + 1) as f64 / seconds.len() as f64 * 200.0)
    };
    let points: Vec<String> = seconds.iter().enumerate().step_by((seconds.len() / 400).max(1)).map(point).collect();
    write!(out, "<polyline class=\"curve\" points=\"{}\"/>", points.join(" "))?;
    let middle = median(seconds).unwrap_or(0.0);
    write!(out, "<text x=\"46\" y=\"24\">half within {middle:.0} s</text></svg>")
}

//! Renders the rows as a self-contained page without scripts: for each row, bars for this run and the baseline as inline
//! SVG, and a line for the target.

use std::fmt::Write as _;

use crate::baseline::Compared;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem;margin:1rem 0 0}p{margin:0}\
.about{color:#555;font-size:13px}svg{display:block;max-width:100%}text{font:12px system-ui,sans-serif;fill:#333}\
.now{fill:#1769aa}.missed{fill:#c0392b}.baseline{fill:#b9c6d0}.target{stroke:#222;stroke-width:2;stroke-dasharray:4 2}";

/// Left end of the bars, the width of the longest, and the height of a bar with its gap.
const LEFT: f64 = 80.0;
const WIDTH: f64 = 500.0;
const STEP: f64 = 22.0;
/// Left end of the figures, and the width of the picture.
const FIGURES: f64 = LEFT + WIDTH + 20.0;
const PICTURE: f64 = 800.0;

/// Rows of one benchmark program.
#[derive(Debug)]
pub struct Section {
    /// Name of the program.
    pub program: String,
    /// Its rows with the baseline's values.
    pub rows: Vec<Compared>,
}

/// Renders the page. `machine` describes where it was measured, `baseline` the commit of the baseline.
pub fn page(sections: &[Section], machine: &str, baseline: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(sections, machine, baseline, &mut out);
    out
}

fn write(sections: &[Section], machine: &str, baseline: &str, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Benchmarks</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>Benchmarks</h1>\n<p>Measured on {}. Blue is this run, red if it \
         misses its target, grey the baseline ({}), the dashed line the target. Each row has its own scale. Only ratios \
         are compared with the baseline: times of another run are not comparable.</p>",
        escape(machine),
        escape(baseline)
    )?;
    for section in sections.iter().filter(|section| !section.rows.is_empty()) {
        writeln!(out, "<h2>{}</h2>", escape(&section.program))?;
        for compared in &section.rows {
            row(compared, out)?;
        }
    }
    writeln!(out, "</body>\n</html>")
}

fn row(compared: &Compared, out: &mut String) -> std::fmt::Result {
    let row = &compared.row;
    writeln!(out, "<h3>{}</h3>", escape(&row.what))?;
    if !row.is_measured() {
        return writeln!(out, "<p class=\"about\">not measured: {}</p>", escape(&row.measured));
    }
    writeln!(out, "<p class=\"about\">{}; bounded by: {}</p>", escape(&row.measured), escape(&row.limit))?;
    let values = [Some(row.value), compared.baseline, row.target];
    let longest = values.into_iter().flatten().fold(f64::MIN_POSITIVE, f64::max);
    let bars = if compared.baseline.is_some() { 2.0 } else { 1.0 };
    let height = bars * STEP + if row.target.is_some() { STEP } else { 4.0 };
    writeln!(
        out,
        "<svg width=\"{PICTURE}\" height=\"{height}\" viewBox=\"0 0 {PICTURE} {height}\" role=\"img\" \
         aria-label=\"{}: {}\">",
        escape(&row.what),
        escape(&row.with_unit(row.value))
    )?;
    let class = if row.is_met() == Some(false) { "missed" } else { "now" };
    let change = compared.change().map(|change| format!(", {change:.2} of the baseline")).unwrap_or_default();
    bar(out, ("now", class), 0.0, row.value / longest, &format!("{}{change}", row.with_unit(row.value)))?;
    if let Some(baseline) = compared.baseline {
        bar(out, ("baseline", "baseline"), STEP, baseline / longest, &row.with_unit(baseline))?;
    }
    if let Some(target) = row.target {
        let (x, bottom) = (LEFT + WIDTH * target / longest, bars * STEP);
        writeln!(
            out,
            "<line class=\"target\" x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\n\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">target {}</text>",
            bottom + 14.0,
            escape(&row.with_unit(target))
        )?;
    }
    writeln!(out, "</svg>")
}

fn bar(out: &mut String, (label, class): (&str, &str), y: f64, share: f64, figure: &str) -> std::fmt::Result {
    let (width, text) = (WIDTH * share, y + 14.0);
    writeln!(
        out,
        "<text x=\"0\" y=\"{text}\">{label}</text>\n\
         <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\"/>\n\
         <text x=\"{FIGURES}\" y=\"{text}\">{}</text>",
        escape(figure)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::Row;

    fn compared(row: Row, baseline: Option<f64>) -> Compared {
        Compared { row, baseline }
    }

    fn ratio(what: &str, ours: u64, base: u64) -> Row {
        Row::ratio(what, Duration::from_millis(ours), Duration::from_millis(base), "database")
    }

    #[test]
    fn the_page_of_a_fixed_input() {
        let sections = [
            Section {
                program: "live".to_owned(),
                rows: vec![
                    compared(ratio("a call : its SQL", 12, 10).at_most(1.25), Some(1.5)),
                    compared(ratio("a slow call : its SQL", 30, 10).at_most(1.25), None),
                    compared(
                        Row::figure("empty call", 16.0, "µs", "half is the instance", "engine").at_most(30.0),
                        None,
                    ),
                ],
            },
            Section {
                program: "<neighbours> & \"others\"".to_owned(),
                rows: vec![
                    compared(ratio("</h3><script>alert(\"1\")</script>", 3, 30), Some(0.2)),
                    compared(Row::missing("ours : a tool", "not <installed>"), Some(0.5)),
                ],
            },
            Section { program: "not run".to_owned(), rows: Vec::new() },
        ];
        insta::assert_snapshot!(page(&sections, "a machine <of> 2 processors", "commit 1234567 & no more"));
    }

    #[test]
    fn the_page_needs_nothing_else_and_runs_nothing() {
        let sections = [Section { program: "live".to_owned(), rows: vec![compared(ratio("<script>", 1, 2), None)] }];
        let page = page(&sections, "<script src=x>", "<img src=y>");
        for forbidden in ["<script", "<img", "<link", "http:", "https:", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}: {page}");
        }
    }
}

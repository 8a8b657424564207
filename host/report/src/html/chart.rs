//! Line chart of one measure, drawn as SVG with classes for lines, so that styles decide on colours.

use maud::{Markup, PreEscaped, html};
use poloto::build::{self, PlotIterator as _};
use poloto::ticks::from_iter;

use crate::rounds::{DRAWN, Measure, Times};
use crate::text::decimal;

/// Size of the drawing, with wide margins that are cut off by the view.
const SIZE: [f64; 2] = [700.0, 420.0];
/// The drawing without its margins.
const VIEW: &str = "84 84 516 278";
/// Maximum number of points of a line. Of more rounds, the highest value of each interval is drawn.
const MOST_POINTS: usize = 400;
/// Number of intervals of the time axis.
const TIMES: u32 = 3;

/// Draws a chart over the times of at least two rounds.
pub(super) fn chart(measure: &Measure, times: &Times) -> Markup {
    let description = measure.lines.iter().map(described).collect::<Vec<_>>().join("; ");
    html! {
        figure.chart {
            figcaption {
                (measure.title)
                @if measure.lines.len() > 1 {
                    span.legend aria-hidden="true" {
                        @for (index, (name, _)) in measure.lines.iter().enumerate() {
                            span {
                                svg viewBox="0 0 24 8" width="24" height="8" {
                                    line class=(format!("poloto{index} poloto_stroke")) x1="0" x2="24" y1="4" y2="4" {}
                                }
                                " " (name)
                            }
                        }
                    }
                }
            }
            svg.poloto role="img" viewBox=(VIEW) {
                title { (measure.title) " from " (times.label(0.0)) " to " (times.label(times.span())) }
                desc { (description) }
                (PreEscaped(drawing(measure, times).unwrap_or_default()))
            }
        }
    }
}

/// Describes a line in words: its first, last and highest value.
fn described((name, values): &(&str, Vec<Option<f64>>)) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), decimal);
    let highest = values.iter().flatten().copied().reduce(f64::max);
    let [first, last] = [values.first(), values.last()].map(|value| number(value.copied().flatten()));
    format!("{name}: from {first} to {last}, at most {}", number(highest))
}

/// Draws axes and lines; none where a value cannot be drawn.
fn drawing(measure: &Measure, times: &Times) -> Option<String> {
    let highest = measure.top().max(1.0);
    let step = step(highest);
    let top = (highest / step).ceil() * step;
    let end = times.span();
    let heights: Vec<f64> = (0..=(top / step).round() as u32).map(|tick| f64::from(tick) * step).collect();
    let ticks: Vec<f64> = (0..=TIMES).map(|tick| end * f64::from(tick) / f64::from(TIMES)).collect();
    let lines = measure.lines.iter().map(|(_, values)| build::plot("").line(points(times.seconds(), values)));
    let frame = build::markers([0.0, end], [0.0, top]);
    poloto::frame()
        .with_viewbox(SIZE)
        .with_tick_lines([false, true])
        .build()
        .data(frame.chain(lines.collect::<Vec<_>>()))
        .map_xticks(|_| from_iter(ticks).with_tick_fmt(|seconds| times.label(*seconds)))
        .map_yticks(|_| from_iter(heights).with_tick_fmt(|height| short(*height)))
        .build_and_label(("", "", ""))
        .headless()
        .render_string()
        .ok()
        // Its indentation is text of the drawing.
        .map(|drawing| drawing.replace('\t', ""))
}

/// Formats a number for the narrow margin of an axis.
fn short(number: f64) -> String {
    let units = [(1e10, 1e9, " G"), (1e7, 1e6, " M"), (1e4, 1e3, " k")];
    match units.into_iter().find(|(from, ..)| number >= *from) {
        Some((_, unit, name)) => format!("{}{name}", decimal(number / unit)),
        None => decimal(number),
    }
}

/// Returns the distance of the lines of a grid: 1, 2 or 5 times a power of ten, for three to seven lines.
fn step(top: f64) -> f64 {
    let rough = top / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    // Most measures are counts.
    if top.fract() == 0.0 { step.max(1.0) } else { step }
}

/// Returns the points of a line: of each interval the highest value.
fn points(seconds: &[f64], values: &[Option<f64>]) -> Vec<[f64; 2]> {
    let all: Vec<[f64; 2]> = seconds
        .iter()
        .zip(values)
        .filter_map(|(at, value)| Some([*at, (*value)?]))
        .filter(|point| point.iter().all(|number| DRAWN.contains(number)))
        .collect();
    let size = all.len().div_ceil(MOST_POINTS).max(1);
    all.chunks(size).filter_map(|chunk| chunk.iter().copied().max_by(|a, b| a[1].total_cmp(&b[1]))).collect()
}

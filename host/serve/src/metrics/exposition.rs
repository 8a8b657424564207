//! The samples of one scrape, grouped by metric as both text formats require, and their encoding.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel as _, EncodeLabelSet, LabelSetEncoder, NoLabelSet};
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use super::metric::{Metric, PREFIX};
use crate::histogram::Histogram;

/// Largest number of series of one target.
pub const SERIES_OF_A_TARGET: usize = 400;

/// Labels of a sample besides `target`.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

/// Value of a sample.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    Gauge(f64),
    Counter(f64),
    Histogram(Histogram),
    Info,
}

/// A text format of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Returns the media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[derive(Debug)]
struct Sample {
    labels: SampleLabels,
    reading: Reading,
}

#[derive(Debug)]
struct SampleLabels {
    target: Option<Arc<str>>,
    others: Vec<(&'static str, String)>,
}

impl EncodeLabelSet for SampleLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        if let Some(target) = &self.target {
            ("target", &**target).encode(encoder.encode_label())?;
        }
        for (name, value) in &self.others {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// Samples by metric.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: BTreeMap<&'static str, (&'static Metric, Vec<Sample>)>,
}

impl Exposition {
    /// Adds a sample that belongs to no target.
    pub(crate) fn add(&mut self, metric: &'static Metric, labels: Labels<'_>, reading: Reading) {
        self.push(metric, None, labels, reading);
    }

    /// Returns a writer of the samples of one target, which keeps its budget.
    pub(crate) fn of(&mut self, target: &Arc<str>) -> TargetSeries<'_> {
        TargetSeries { exposition: self, target: Arc::clone(target), left: SERIES_OF_A_TARGET, dropped: 0 }
    }

    fn push(&mut self, metric: &'static Metric, target: Option<Arc<str>>, labels: Labels<'_>, reading: Reading) {
        let others = labels.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        let sample = Sample { labels: SampleLabels { target, others }, reading };
        self.families.entry(metric.name).or_insert_with(|| (metric, Vec::new())).1.push(sample);
    }

    /// Writes all samples.
    pub(crate) fn encode(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(self));
        let mut written = String::new();
        match format {
            Format::Text => prometheus_text::encode(&mut written, &registry)?,
            Format::OpenMetrics => text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (metric, samples) in self.families.values() {
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, metric.kind)?;
            for Sample { labels, reading } in samples {
                match reading {
                    Reading::Info => family.encode_info(labels)?,
                    Reading::Gauge(value) => family.encode_family(labels)?.encode_gauge(value)?,
                    Reading::Counter(value) => {
                        family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(value, None)?;
                    }
                    Reading::Histogram(histogram) => {
                        let (sum, count) = (histogram.sum(), histogram.count());
                        let mut histogram_of = family.encode_family(labels)?;
                        histogram_of.encode_histogram::<NoLabelSet>(sum, count, histogram.buckets(), None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds the samples of one target until its budget is used up.
pub(crate) struct TargetSeries<'e> {
    exposition: &'e mut Exposition,
    target: Arc<str>,
    left: usize,
    dropped: u64,
}

impl TargetSeries<'_> {
    /// Adds a gauge.
    pub(crate) fn gauge(&mut self, metric: &'static Metric, labels: Labels<'_>, value: f64) {
        self.add(metric, labels, Reading::Gauge(value), 1);
    }

    /// Adds a gauge that is absent without a value.
    pub(crate) fn gauge_if(&mut self, metric: &'static Metric, value: Option<f64>) {
        if let Some(value) = value {
            self.gauge(metric, &[], value);
        }
    }

    /// Adds a counter.
    pub(crate) fn counter(&mut self, metric: &'static Metric, labels: Labels<'_>, value: f64) {
        self.add(metric, labels, Reading::Counter(value), 1);
    }

    /// Adds a histogram.
    pub(crate) fn histogram(&mut self, metric: &'static Metric, histogram: &Histogram) {
        self.add(metric, &[], Reading::Histogram(histogram.clone()), histogram.series());
    }

    /// Returns the number of series that exceeded the budget.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn add(&mut self, metric: &'static Metric, labels: Labels<'_>, reading: Reading, series: usize) {
        match self.left.checked_sub(series) {
            Some(left) => {
                self.left = left;
                self.exposition.push(metric, Some(Arc::clone(&self.target)), labels, reading);
            }
            None => self.dropped += series as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SESSIONS: Metric = Metric::gauge("sessions", "Sessions of a test");
    static TRIES: Metric = Metric::counter("tries", "Tries of a test");

    #[test]
    fn drops_and_counts_series_beyond_the_budget() {
        let (mut exposition, target) = (Exposition::default(), Arc::from("shop"));
        let mut series = exposition.of(&target);
        for number in 0..SERIES_OF_A_TARGET + 7 {
            series.gauge(&SESSIONS, &[("application", &number.to_string())], 1.0);
        }
        assert_eq!(series.dropped(), 7);
        let text = exposition.encode(Format::Text).unwrap();
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), SERIES_OF_A_TARGET);
    }

    #[test]
    fn names_a_counter_as_each_format_does() {
        for (format, first) in [
            (Format::Text, "# HELP archon_pool_tries_total Tries of a test"),
            (Format::OpenMetrics, "# HELP archon_pool_tries Tries of a test"),
        ] {
            let mut exposition = Exposition::default();
            exposition.of(&Arc::from("shop")).counter(&TRIES, &[], 2.0);
            let text = exposition.encode(format).unwrap();
            assert!(text.starts_with(first), "{text}");
            assert!(text.contains("\narchon_pool_tries_total{target=\"shop\"} 2"), "{text}");
        }
    }

    #[test]
    fn escapes_label_values() {
        let mut exposition = Exposition::default();
        exposition.of(&Arc::from("shop")).gauge(&SESSIONS, &[("application", "a\"b\\c\nd")], 1.0);
        let text = exposition.encode(Format::Text).unwrap();
        assert!(text.contains(r#"application="a\"b\\c\nd""#), "{text}");
    }
}

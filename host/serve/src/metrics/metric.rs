//! Definition of a metric: name, help and type.

use prometheus_client::metrics::MetricType;

/// Prefix of every metric.
pub const PREFIX: &str = "archon_pool";

/// A metric without its values.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Name without [`PREFIX`], and without the suffix that a format adds to counters and infos.
    pub(crate) name: &'static str,
    /// Meaning, and the metric of postgres_exporter with the same fact.
    pub(crate) help: &'static str,
    pub(crate) kind: MetricType,
}

impl Metric {
    pub(crate) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Gauge }
    }

    pub(crate) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Counter }
    }

    pub(crate) const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Histogram }
    }

    pub(crate) const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Info }
    }

    /// Returns the name in a query: with the prefix, and the suffix of a counter or an info.
    pub fn full_name(&self) -> String {
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }

    /// Returns the meaning.
    pub fn help(&self) -> &'static str {
        self.help
    }
}

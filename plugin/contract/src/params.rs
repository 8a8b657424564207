//! Parameters of a call. A value out of range is refused with a fault that names field, value and range, and never
//! clamped; an unknown field is refused, too.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::{Fault, kind};
use crate::snapshot::{SessionKey, Snapshot};

/// The six actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Reads and computes statistics.
    Monitor,
    /// Scores every session for being leaked.
    DetectLeaks,
    /// Probes with fresh connections and classifies every session.
    HealthCheck,
    /// Computes the pool's target size and, where allowed, resizes it.
    AutoScale,
    /// Plans and, unless it is a dry run, ends idle sessions.
    KillIdle,
    /// All of the reading and computing; never kills, never resizes.
    FullAnalysis,
}

impl Action {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 6] =
        [Self::Monitor, Self::DetectLeaks, Self::HealthCheck, Self::AutoScale, Self::KillIdle, Self::FullAnalysis];

    /// The name in requests and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::DetectLeaks => "detect-leaks",
            Self::HealthCheck => "health-check",
            Self::AutoScale => "auto-scale",
            Self::KillIdle => "kill-idle",
            Self::FullAnalysis => "full-analysis",
        }
    }

    /// Finds an action by name.
    pub fn parse(name: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|action| action.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Fault::invalid(format!("action '{name}' is unknown: use one of {names}"))
        })
    }

    /// Returns true if it measures fresh connections.
    pub fn probes(self) -> bool {
        matches!(self, Self::HealthCheck | Self::FullAnalysis)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Action, credential and options: SkillInput without the fields for the host alone.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// One of the six actions; `full-analysis` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Name of a credential that the host holds; the host's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Thresholds, bounds and filters.
    #[serde(default)]
    pub options: RawOptions,
    /// State that the previous report returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carry: Option<Value>,
}

/// Thresholds, bounds and filters; an absent one takes its default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RawOptions {
    /// An idle session older than this may be ended, milliseconds. Default 300000, at least 10000.
    pub idle_timeout_ms: Option<u64>,
    /// Older sessions are reported as over-age, milliseconds. Default 3600000, at least 60000.
    pub max_connection_age: Option<u64>,
    /// Confidence from which a session is a suspect, percent. Default 80, 0–100.
    pub leak_detection_threshold: Option<u64>,
    /// Interval of probes in watch mode, milliseconds. Default 30000, at least 1000.
    pub health_check_interval: Option<u64>,
    /// False: compute the target size, resize nothing. Default true.
    pub allow_auto_scaling: Option<bool>,
    /// Cap on ended sessions, percent of the killable and of all client sessions, the smaller,
    /// rounded down. Default 25, 0–100.
    pub max_kill_percentage: Option<u64>,
    /// Lower bound of the pool. Default 5, at least 1.
    pub min_size: Option<u64>,
    /// Upper bound of the pool. Default 100, at least `minSize`.
    pub max_size: Option<u64>,
    /// Largest growth in one step, percent. Default 20, 1–100.
    pub growth_rate: Option<u64>,
    /// Largest reduction in one step, percent. Default 15, 1–100.
    pub shrink_rate: Option<u64>,
    /// A session idle in a transaction for longer may be ended, milliseconds. Default 60000, at
    /// least 1000.
    pub idle_in_transaction_timeout_ms: Option<u64>,
    /// Plan, signal nothing. Default false.
    pub dry_run: Option<bool>,
    /// Score and end only sessions that match.
    pub include: Option<Filter>,
    /// Never score or end sessions that match.
    pub exclude: Option<Filter>,
    /// In-call sampling for rates when there is no `carry`, milliseconds. Default 1000, 0–10000.
    pub sample_ms: Option<u64>,
    /// Process ids of sessions whose confidence is to be explained, suspected or not: at most 20.
    pub explain: Option<Vec<i32>>,
    /// End only these sessions, each by pid and start: at most 1000. The caps are the same; the report has the reason
    /// for each that is spared. An empty list selects none.
    pub only: Option<Vec<SessionKey>>,
}

/// A filter of sessions. An empty list is ignored; the lists of an `include` are joined by "and", those of an `exclude`
/// by "or".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Filter {
    /// Role names.
    pub roles: Vec<String>,
    /// Database names.
    pub databases: Vec<String>,
    /// Application-name patterns: `*` stands for anything, `?` for one character.
    pub applications: Vec<String>,
    /// Client networks, such as `10.0.0.0/8`.
    pub networks: Vec<String>,
}

/// The options after validation, with their defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// See [`RawOptions::idle_timeout_ms`].
    pub idle_timeout_ms: u64,
    /// See [`RawOptions::max_connection_age`].
    pub max_connection_age_ms: u64,
    /// See [`RawOptions::leak_detection_threshold`].
    pub leak_detection_threshold: u32,
    /// See [`RawOptions::allow_auto_scaling`].
    pub allow_auto_scaling: bool,
    /// See [`RawOptions::max_kill_percentage`].
    pub max_kill_percentage: u32,
    /// See [`RawOptions::min_size`].
    pub min_size: u32,
    /// See [`RawOptions::max_size`].
    pub max_size: u32,
    /// See [`RawOptions::growth_rate`].
    pub growth_rate: u32,
    /// See [`RawOptions::shrink_rate`].
    pub shrink_rate: u32,
    /// See [`RawOptions::idle_in_transaction_timeout_ms`].
    pub idle_in_transaction_timeout_ms: u64,
    /// See [`RawOptions::dry_run`].
    pub dry_run: bool,
    /// See [`RawOptions::include`].
    pub include: Filter,
    /// See [`RawOptions::exclude`].
    pub exclude: Filter,
    /// See [`RawOptions::sample_ms`].
    pub sample_ms: u64,
    /// See [`RawOptions::explain`].
    pub explain: Vec<i32>,
    /// See [`RawOptions::only`].
    pub only: Option<BTreeSet<SessionKey>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            idle_timeout_ms: 300_000,
            max_connection_age_ms: 3_600_000,
            leak_detection_threshold: 80,
            allow_auto_scaling: true,
            max_kill_percentage: 25,
            min_size: 5,
            max_size: 100,
            growth_rate: 20,
            shrink_rate: 15,
            idle_in_transaction_timeout_ms: 60_000,
            dry_run: false,
            include: Filter::default(),
            exclude: Filter::default(),
            sample_ms: 1_000,
            explain: Vec::new(),
            only: None,
        }
    }
}

/// A millisecond value above this (about ten years) is a mistake of unit.
const LONGEST_MS: u64 = 315_360_000_000;
/// One report explains so many sessions.
const MOST_EXPLAINED: usize = 20;
/// One call ends at most so many sessions.
const MOST_SELECTED: usize = 1_000;
/// No PostgreSQL server has more slots (`max_connections` ends at 262143).
const MOST_CONNECTIONS: u64 = 262_143;

impl RawOptions {
    /// Fills in the defaults and checks every range.
    pub fn validate(self) -> Result<Options, Fault> {
        let default = Options::default();
        let options = Options {
            idle_timeout_ms: ranged(
                "idleTimeoutMs",
                self.idle_timeout_ms,
                default.idle_timeout_ms,
                10_000..=LONGEST_MS,
            )?,
            max_connection_age_ms: ranged(
                "maxConnectionAge",
                self.max_connection_age,
                default.max_connection_age_ms,
                60_000..=LONGEST_MS,
            )?,
            leak_detection_threshold: ranged_u32(
                "leakDetectionThreshold",
                self.leak_detection_threshold,
                default.leak_detection_threshold,
                0..=100,
            )?,
            allow_auto_scaling: self.allow_auto_scaling.unwrap_or(default.allow_auto_scaling),
            max_kill_percentage: ranged_u32(
                "maxKillPercentage",
                self.max_kill_percentage,
                default.max_kill_percentage,
                0..=100,
            )?,
            min_size: ranged_u32("minSize", self.min_size, default.min_size, 1..=MOST_CONNECTIONS)?,
            max_size: ranged_u32("maxSize", self.max_size, default.max_size, 1..=MOST_CONNECTIONS)?,
            growth_rate: ranged_u32("growthRate", self.growth_rate, default.growth_rate, 1..=100)?,
            shrink_rate: ranged_u32("shrinkRate", self.shrink_rate, default.shrink_rate, 1..=100)?,
            idle_in_transaction_timeout_ms: ranged(
                "idleInTransactionTimeoutMs",
                self.idle_in_transaction_timeout_ms,
                default.idle_in_transaction_timeout_ms,
                1_000..=LONGEST_MS,
            )?,
            dry_run: self.dry_run.unwrap_or(default.dry_run),
            include: self.include.unwrap_or_default().checked("include")?,
            exclude: self.exclude.unwrap_or_default().checked("exclude")?,
            sample_ms: ranged("sampleMs", self.sample_ms, default.sample_ms, 0..=10_000)?,
            explain: self.explain.unwrap_or_default(),
            only: self.only.map(BTreeSet::from_iter),
        };
        // Used by the host alone, but a bad value must not pass here because of that.
        ranged("healthCheckInterval", self.health_check_interval, 30_000, 1_000..=LONGEST_MS)?;
        if options.min_size > options.max_size {
            return Err(Fault::invalid(format!(
                "options.minSize is {} and options.maxSize is {}: minSize must not be larger",
                options.min_size, options.max_size
            )));
        }
        if options.explain.len() > MOST_EXPLAINED {
            return Err(Fault::invalid(format!(
                "options.explain has {} process ids: it must have at most {MOST_EXPLAINED}",
                options.explain.len()
            )));
        }
        let selected = options.only.as_ref().map_or(0, BTreeSet::len);
        if selected > MOST_SELECTED {
            return Err(Fault::invalid(format!(
                "options.only has {selected} sessions: it must have at most {MOST_SELECTED}"
            )));
        }
        Ok(options)
    }
}

fn ranged(field: &str, value: Option<u64>, default: u64, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start(), range.end());
    Err(Fault::invalid(format!("options.{field} is {value}: it must be between {low} and {high}")))
}

fn ranged_u32(field: &str, value: Option<u64>, default: u32, range: RangeInclusive<u64>) -> Result<u32, Fault> {
    let value = ranged(field, value, default.into(), range)?;
    u32::try_from(value).map_err(|_| Fault::invalid(format!("options.{field} is {value}: it is too large")))
}

impl Filter {
    fn checked(self, field: &str) -> Result<Self, Fault> {
        for network in &self.networks {
            network.parse::<ipnet::IpNet>().map_err(|_| {
                Fault::invalid(format!(
                    "options.{field}.networks has '{network}': it must be a network such as 10.0.0.0/8"
                ))
            })?;
        }
        Ok(self)
    }
}

impl Request {
    /// Reads a SkillInput. A secret in it is refused before anything else is looked at, so that no
    /// message can echo it.
    pub fn from_json(text: &str) -> Result<Self, Fault> {
        let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let Value::Object(fields) = &value else {
            return Err(Fault::invalid(NO_OBJECT));
        };
        if fields.contains_key("supabaseKey") {
            return Err(Fault::new(
                kind::SECRET_IN_PARAMS,
                "supabaseKey reached the component: the host must keep it and pass a credential name instead",
            ));
        }
        for name in ["supabaseUrl", "credential", "action"] {
            if fields.get(name).and_then(Value::as_str).is_some_and(has_password) {
                let message =
                    format!("{name} contains a password: the host must keep it and pass a credential name instead");
                return Err(Fault::new(kind::SECRET_IN_PARAMS, message));
            }
        }
        if fields.contains_key("supabaseUrl") {
            // Ignoring it would mean to act on the host's default database instead.
            return Err(Fault::invalid("supabaseUrl reached the component: the host must resolve it"));
        }
        serde_path_to_error::deserialize(value).map_err(unreadable)
    }
}

/// Input of `analysis.analyse-json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnalysisInput {
    /// The snapshot to analyse.
    pub snapshot: Snapshot,
    /// Options; none for the defaults.
    #[serde(default)]
    pub options: Option<RawOptions>,
    /// The `carry` of the previous report.
    #[serde(default)]
    pub carry: Option<Value>,
}

impl AnalysisInput {
    /// Parses a text; the fault names the field that is wrong.
    pub fn from_json(text: &str) -> Result<Self, Fault> {
        if !text.trim_start().starts_with('{') {
            return Err(Fault::invalid(NO_OBJECT));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let input = serde_path_to_error::deserialize(&mut deserializer).map_err(unreadable)?;
        deserializer.end().map_err(|error| not_json(&error))?;
        Ok(input)
    }
}

const NO_OBJECT: &str = "the input must be a JSON object";

fn not_json(error: &serde_json::Error) -> Fault {
    Fault::invalid(format!("the input is not JSON: line {}, column {}", error.line(), error.column()))
}

/// Returns the fault of a value of another shape, with its path. serde's message repeats the value, which may be a
/// secret in the wrong place, and names types of this crate.
fn unreadable(error: serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let path = error.path().to_string();
    let error = error.into_inner();
    if !error.is_data() {
        return not_json(&error);
    }
    let said = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&position).unwrap_or(&said);
    let why = match said.split_once(": ").zip(said.rsplit_once(", expected ")) {
        Some(((what @ ("invalid type" | "invalid value"), _), (_, expected))) => {
            format!("{what}: expected {}", if expected.starts_with("struct ") { "an object" } else { expected })
        }
        _ => said.to_owned(),
    };
    Fault::invalid(if path == "." { why } else { format!("{path}: {why}") })
}

/// Returns true if a URL has a password, before an `@` or as a query parameter. Errs on the side of true: an unescaped
/// `/` in a password must not hide it.
pub fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || rest.to_ascii_lowercase().contains("password=")
}

#[cfg(test)]
mod tests;

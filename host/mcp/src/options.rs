//! Arguments of tools that are options of the contract, flat, so that a model need not nest them. The component checks
//! their ranges: a second copy of its rules here could only diverge.

use serde_json::{Map, Value, json};

/// Kind of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A whole number of at least 0.
    Number,
    /// A filter of sessions.
    Filter,
}

/// An option as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    /// Its name in the contract.
    pub(crate) name: &'static str,
    kind: Kind,
    about: &'static str,
}

const fn number(name: &'static str, about: &'static str) -> Opt {
    Opt { name, kind: Kind::Number, about }
}

const IDLE: Opt = number("idleTimeoutMs", "An idle session is old after this; default 300000, at least 10000");
const IN_TRANSACTION: Opt =
    number("idleInTransactionTimeoutMs", "The same within a transaction; default 60000, at least 1000");
const AGE: Opt = number("maxConnectionAge", "Older sessions are reported, ms; default 3600000");
const THRESHOLD: Opt = number("leakDetectionThreshold", "Confidence of a suspect, percent; default 80");
const CAP: Opt = number("maxKillPercentage", "Most sessions to end, percent; default 25");
const MIN: Opt = number("minSize", "Smallest pool; default 5");
const MAX: Opt = number("maxSize", "Largest pool; default 100");
const GROWTH: Opt = number("growthRate", "Largest growth in one step, percent; default 20");
const SHRINK: Opt = number("shrinkRate", "Largest reduction in one step, percent; default 15");
const SAMPLE: Opt = number("sampleMs", "Sample for rates at the first call, ms; default 1000, 0 for none");
const INCLUDE: Opt = Opt { name: "include", kind: Kind::Filter, about: "Only sessions that match all of these" };
const EXCLUDE: Opt = Opt { name: "exclude", kind: Kind::Filter, about: "No session that matches any of these" };

/// Options of `monitor` and `health_check`.
pub(crate) const READING: &[Opt] = &[IDLE, IN_TRANSACTION, AGE, SAMPLE];

/// Options of `detect_leaks`, `full_analysis` and `explain_session`.
pub(crate) const LEAKS: &[Opt] = &[IDLE, IN_TRANSACTION, AGE, THRESHOLD, MIN, SAMPLE, INCLUDE, EXCLUDE];

/// Options of `plan_kill_idle`.
pub(crate) const KILLING: &[Opt] = &[IDLE, IN_TRANSACTION, THRESHOLD, CAP, MIN, INCLUDE, EXCLUDE];

/// Options of `plan_auto_scale`.
pub(crate) const SCALING: &[Opt] = &[MIN, MAX, GROWTH, SHRINK, SAMPLE];

impl Opt {
    /// Returns the schema of the argument.
    pub(crate) fn schema(&self) -> Value {
        match self.kind {
            Kind::Number => json!({"type": "integer", "minimum": 0, "description": self.about}),
            Kind::Filter => {
                let list = json!({"type": "array", "items": {"type": "string"}});
                let kinds: Map<String, Value> = ["roles", "databases", "applications", "networks"]
                    .into_iter()
                    .map(|kind| (kind.to_owned(), list.clone()))
                    .collect();
                json!({"type": "object", "properties": kinds, "additionalProperties": false, "description": self.about})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::params::RawOptions;

    use super::*;

    #[test]
    fn every_option_is_one_of_the_contract_with_its_type() {
        for option in [READING, LEAKS, KILLING, SCALING].concat() {
            let value = match option.kind {
                Kind::Number => json!(7),
                Kind::Filter => json!({"roles": ["app"], "databases": [], "applications": ["web*"], "networks": []}),
            };
            let read: RawOptions = serde_json::from_value(json!({ option.name: value })).expect(option.name);
            assert_eq!(serde_json::to_value(read).expect("JSON")[option.name], value);
        }
    }

    #[test]
    fn no_argument_decides_that_anything_is_changed() {
        let names: Vec<&str> = [READING, LEAKS, KILLING, SCALING].concat().iter().map(|option| option.name).collect();
        for forbidden in ["dryRun", "allowAutoScaling", "confirm", "apply"] {
            assert!(!names.contains(&forbidden), "{forbidden}");
        }
    }
}

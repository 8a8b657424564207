//! The contract's options as flags. The plugin refuses values out of range and unknown names, with field, value and
//! range: a second copy of its rules here could only diverge.

use archon_pool::Fault;
use archon_pool_contract::params::{Filter, RawOptions};
use clap::Args as Group;
use serde_json::{Map, Value};

/// One flag an option, named like the contract, and `--option` for any by name.
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "Thresholds and bounds")]
pub(crate) struct OptionFlags {
    /// An idle session older than this may be ended [default: 300000]
    #[arg(long, value_name = "MS", hide_short_help = true)]
    idle_timeout_ms: Option<u64>,
    /// A session idle in a transaction for longer may be ended [default: 60000]
    #[arg(long, value_name = "MS", hide_short_help = true)]
    idle_in_transaction_timeout_ms: Option<u64>,
    /// Older sessions are reported as over-age, milliseconds [default: 3600000]
    #[arg(long, value_name = "MS", hide_short_help = true)]
    max_connection_age: Option<u64>,
    /// Confidence from which a session is a suspect [default: 80]
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    leak_detection_threshold: Option<u64>,
    /// How often `watch` repeats probes, milliseconds [default: 30000]
    #[arg(long, value_name = "MS", hide_short_help = true)]
    health_check_interval: Option<u64>,
    /// Cap on ended sessions: percent of the killable and of all client sessions, the smaller [default: 25]
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    max_kill_percentage: Option<u64>,
    /// If false, compute the target size and resize nothing [default: true]
    #[arg(long, value_name = "BOOL", hide_short_help = true)]
    allow_auto_scaling: Option<bool>,
    /// Lower bound of the pool [default: 5]
    #[arg(long, value_name = "N", hide_short_help = true)]
    min_size: Option<u64>,
    /// Upper bound of the pool [default: 100]
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_size: Option<u64>,
    /// Largest growth in one step [default: 20]
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    growth_rate: Option<u64>,
    /// Largest reduction in one step [default: 15]
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    shrink_rate: Option<u64>,
    /// Duration of the sample for rates without --carry, milliseconds; 0 = none [default: 1000]
    #[arg(long, value_name = "MS", hide_short_help = true)]
    sample_ms: Option<u64>,
    /// Any option of the contract by its name; VALUE is JSON, or text; repeatable
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = named, hide_short_help = true)]
    named: Vec<(String, Value)>,
    #[command(flatten)]
    filters: FilterFlags,
}

/// Filters of sessions. Repeatable; kinds of `include` are joined by "and", those of `exclude` by "or".
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "Which sessions")]
struct FilterFlags {
    /// Score and end only sessions of this role; repeatable
    #[arg(long, value_name = "ROLE", hide_short_help = true)]
    include_role: Vec<String>,
    /// … of this database
    #[arg(long, value_name = "DATABASE", hide_short_help = true)]
    include_database: Vec<String>,
    /// … of applications whose name matches; * and ? are wildcards
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    include_application: Vec<String>,
    /// … of clients in this network, such as 10.0.0.0/8
    #[arg(long, value_name = "NETWORK", hide_short_help = true)]
    include_network: Vec<String>,
    /// Never score or end sessions of this role; repeatable
    #[arg(long, value_name = "ROLE", hide_short_help = true)]
    exclude_role: Vec<String>,
    /// … of this database
    #[arg(long, value_name = "DATABASE", hide_short_help = true)]
    exclude_database: Vec<String>,
    /// … of applications whose name matches; * and ? are wildcards
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    exclude_application: Vec<String>,
    /// … of clients in this network
    #[arg(long, value_name = "NETWORK", hide_short_help = true)]
    exclude_network: Vec<String>,
}

impl OptionFlags {
    /// Returns the `options` of a SkillInput: only those given, so that the plugin's defaults apply.
    pub(crate) fn to_json(&self) -> Result<Map<String, Value>, Fault> {
        let mut options = given(serde_json::to_value(RawOptions {
            idle_timeout_ms: self.idle_timeout_ms,
            idle_in_transaction_timeout_ms: self.idle_in_transaction_timeout_ms,
            max_connection_age: self.max_connection_age,
            leak_detection_threshold: self.leak_detection_threshold,
            health_check_interval: self.health_check_interval,
            max_kill_percentage: self.max_kill_percentage,
            allow_auto_scaling: self.allow_auto_scaling,
            min_size: self.min_size,
            max_size: self.max_size,
            growth_rate: self.growth_rate,
            shrink_rate: self.shrink_rate,
            sample_ms: self.sample_ms,
            ..RawOptions::default()
        }));
        let [include, exclude] = self.filters.to_filters();
        for (name, filter) in [("include", include), ("exclude", exclude)] {
            let filter = given(serde_json::to_value(filter));
            if !filter.is_empty() {
                options.insert(name.to_owned(), filter.into());
            }
        }
        for (name, value) in &self.named {
            // Only `--apply` decides whether anything is changed.
            if name == "dryRun" {
                return Err(Fault::invalid(
                    "--option dryRun: kill-idle and auto-scale are plans unless --apply is given",
                ));
            }
            if options.insert(name.clone(), value.clone()).is_some() {
                return Err(Fault::invalid(format!("--option {name}: this option is given twice")));
            }
        }
        Ok(options)
    }
}

impl FilterFlags {
    /// Returns `include` and `exclude`.
    fn to_filters(&self) -> [Filter; 2] {
        [
            Filter {
                roles: self.include_role.clone(),
                databases: self.include_database.clone(),
                applications: self.include_application.clone(),
                networks: self.include_network.clone(),
            },
            Filter {
                roles: self.exclude_role.clone(),
                databases: self.exclude_database.clone(),
                applications: self.exclude_application.clone(),
                networks: self.exclude_network.clone(),
            },
        ]
    }
}

/// Returns the fields that have a value.
fn given(options: serde_json::Result<Value>) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = options else { return Map::new() };
    fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    fields
}

fn named(text: &str) -> Result<(String, Value), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
        }
        _ => Err("it must be NAME=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Probe {
        #[command(flatten)]
        options: OptionFlags,
    }

    fn options(flags: &[&str]) -> Result<Value, Fault> {
        let words = std::iter::once("probe").chain(flags.iter().copied());
        Probe::try_parse_from(words).expect("the flags parse").options.to_json().map(Value::Object)
    }

    #[test]
    fn without_flags_no_option_is_sent() {
        assert_eq!(options(&[]).expect("valid"), json!({}));
    }

    #[test]
    fn every_option_of_the_contract_has_a_flag() {
        let Ok(Value::Object(contract)) = serde_json::to_value(RawOptions::default()) else {
            panic!("options are an object");
        };
        // `--apply`, filters, the argument of `explain` and the marks of `top` stand for these.
        let elsewhere = ["dryRun", "include", "exclude", "explain", "only"];
        for name in contract.keys().filter(|name| !elsewhere.contains(&name.as_str())) {
            let flag = name.chars().fold(String::from("--"), |mut flag, letter| {
                if letter.is_ascii_uppercase() {
                    flag.push('-');
                }
                flag.push(letter.to_ascii_lowercase());
                flag
            });
            let value = if name == "allowAutoScaling" { "false" } else { "7" };
            let given = options(&[&flag, value]).expect("valid");
            assert_eq!(given[name].to_string(), value, "{flag}");
            assert_eq!(given.as_object().map(Map::len), Some(1), "{flag}");
        }
    }

    #[test]
    fn filters_are_grouped_by_kind() {
        let given = options(&[
            "--include-role=app",
            "--include-role=web",
            "--exclude-application=psql*",
            "--exclude-network=10.0.0.0/8",
        ]);
        assert_eq!(
            given.expect("valid"),
            json!({
                "include": {"roles": ["app", "web"]},
                "exclude": {"applications": ["psql*"], "networks": ["10.0.0.0/8"]},
            })
        );
    }

    #[test]
    fn a_named_option_is_json_or_text_and_is_given_once() {
        let given = options(&["--option=minSize=3", "--option=note=a=b", "--option=flag=true"]).expect("valid");
        assert_eq!(given, json!({"minSize": 3, "note": "a=b", "flag": true}));
        let twice = options(&["--min-size=3", "--option=minSize=4"]).expect_err("refused");
        assert_eq!(twice.message, "--option minSize: this option is given twice");
        assert!(Probe::try_parse_from(["probe", "--option", "minSize"]).is_err());
    }

    #[test]
    fn only_apply_requests_changes() {
        let fault = options(&["--option=dryRun=false"]).expect_err("refused");
        assert_eq!(fault.kind, "invalid-params");
    }
}

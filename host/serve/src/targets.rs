//! Targets: from a file, or the one of the command line. `fleet` reads the same file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::params::RawOptions;
use archon_pool_core::private_file::{self, Readers};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest size of the file, bytes.
const MOST_BYTES: usize = 4 << 20;

/// Longest name, bytes.
const LONGEST_NAME: usize = 64;

/// Longest name of a server, bytes: a host name and a port.
const LONGEST_SERVER: usize = 260;

/// Shortest and longest interval, seconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=86_400;

/// A server, and the manner in which it is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Name: the label `target` of its series.
    pub name: String,
    /// Name of its credential; the default credential when absent.
    pub credential: Option<String>,
    /// Placement in a fleet.
    pub placement: Placement,
    /// Settings of its rounds.
    pub rounds: RoundSettings,
}

/// Largest number of targets that keep a session each.
pub const MOST_TARGETS: usize = 1_000;

/// Placement of a target in a fleet. `serve` ignores it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// Server whose calls at the same time are bounded; that of the credential when absent.
    pub server: Option<String>,
    /// Zone whose workers reach it; the default zone when absent.
    pub zone: Option<String>,
    /// Tags by which commands select it.
    pub tags: Vec<String>,
}

/// Settings of a target's rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundSettings {
    /// Time from the start of a round to the start of the next.
    pub interval: Duration,
    /// Time between rounds that probe with fresh connections; none without probes.
    pub probe_interval: Option<Duration>,
    /// Thresholds and filters, as in a SkillInput.
    pub options: Map<String, Value>,
}

/// Source of the targets.
#[derive(Debug, Clone)]
pub enum Targets {
    /// The one of the command line.
    One(Box<Target>),
    /// A file, which is read again on request.
    File {
        /// The file.
        path: PathBuf,
        /// Settings of targets that have none of their own.
        defaults: RoundSettings,
        /// Largest number of targets.
        most: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    targets: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    credential: Option<String>,
    interval: Option<u64>,
    probe_interval: Option<u64>,
    server: Option<String>,
    zone: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    options: Map<String, Value>,
}

impl Target {
    /// Creates a target that is in no fleet.
    pub fn new(name: impl Into<String>, credential: Option<String>, rounds: RoundSettings) -> Self {
        Self { name: name.into(), credential, placement: Placement::default(), rounds }
    }
}

impl Targets {
    /// Reads the targets, by name.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or has a mistake, which the fault names.
    pub fn read(&self) -> Result<BTreeMap<String, Target>, Fault> {
        match self {
            Self::One(target) => {
                check_options(&target.rounds.options).map_err(Fault::invalid)?;
                Ok(BTreeMap::from([(target.name.clone(), (**target).clone())]))
            }
            Self::File { path, defaults, most } => read(path, defaults, *most)
                .map_err(|why| Fault::invalid(format!("--targets {}: {why}", path.display()))),
        }
    }
}

fn read(path: &Path, defaults: &RoundSettings, most: usize) -> Result<BTreeMap<String, Target>, String> {
    let bytes = private_file::read(path, Readers::Anyone, MOST_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let file: File = toml::from_str(&text).map_err(|error| error.to_string().trim_end().to_owned())?;
    if file.targets.is_empty() {
        return Err("it has no target: add one as [targets.NAME]".into());
    }
    if file.targets.len() > most {
        return Err(format!("it has more than {most} targets"));
    }
    file.targets
        .into_iter()
        .map(|(name, entry)| {
            let target = entry.target(&name, defaults).map_err(|why| format!("targets.{name}: {why}"))?;
            Ok((name, target))
        })
        .collect()
}

impl Entry {
    fn target(self, name: &str, defaults: &RoundSettings) -> Result<Target, String> {
        check_name(name)?;
        let Self { credential, interval, probe_interval, server, zone, tags, options: own } = self;
        let interval = match interval {
            Some(seconds) if INTERVALS.contains(&seconds) => Duration::from_secs(seconds),
            Some(seconds) => return Err(out_of_range("interval", seconds)),
            None => defaults.interval,
        };
        let probe_interval = match probe_interval {
            Some(0) => None,
            Some(seconds) if INTERVALS.contains(&seconds) => Some(Duration::from_secs(seconds)),
            Some(seconds) => return Err(out_of_range("probe-interval", seconds)),
            None => defaults.probe_interval,
        };
        let mut options = defaults.options.clone();
        options.extend(own);
        check_options(&options)?;
        if server.as_ref().is_some_and(|server| server.is_empty() || server.len() > LONGEST_SERVER) {
            return Err(format!("server must have 1 to {LONGEST_SERVER} bytes"));
        }
        zone.iter().chain(&tags).try_for_each(|word| check_word(word))?;
        // The name of the target is that of its credential unless it has another.
        let credential = Some(credential.unwrap_or_else(|| name.to_owned()));
        let placement = Placement { server, zone, tags };
        Ok(Target {
            name: name.to_owned(),
            credential,
            placement,
            rounds: RoundSettings { interval, probe_interval, options },
        })
    }
}

fn out_of_range(field: &str, seconds: u64) -> String {
    format!("{field} is {seconds}: it must be between {} and {} seconds", INTERVALS.start(), INTERVALS.end())
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    // Dots alone are another folder in the path of its page.
    let is_folder = name.bytes().all(|byte| byte == b'.');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain) && !is_folder {
        return Ok(());
    }
    Err(format!("a target's name has 1 to {LONGEST_NAME} letters, digits, '_', '.' and '-', and not dots alone"))
}

/// Checks the name of a zone or a tag.
fn check_word(word: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=LONGEST_NAME).contains(&word.len()) && word.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("a zone or a tag has 1 to {LONGEST_NAME} letters, digits, '_' and '-'"))
}

fn check_options(options: &Map<String, Value>) -> Result<(), String> {
    for acting in ["dryRun", "healthCheckInterval"] {
        if options.contains_key(acting) {
            let instead = if acting == "dryRun" { "rounds change nothing" } else { "set probe-interval" };
            return Err(format!("options.{acting} has no effect here: {instead}"));
        }
    }
    let options: RawOptions =
        serde_json::from_value(Value::Object(options.clone())).map_err(|error| format!("options: {error}"))?;
    options.validate().map(|_| ()).map_err(|fault| fault.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defaults() -> RoundSettings {
        let options = Map::from_iter([("minSize".to_owned(), json!(2))]);
        RoundSettings { interval: Duration::from_secs(30), probe_interval: None, options }
    }

    fn parse(text: &str) -> Result<BTreeMap<String, Target>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        read(file.path(), &defaults(), 2)
    }

    #[test]
    fn a_target_has_the_credential_of_its_name_and_the_default_settings() {
        let targets = parse("[targets.shop]").expect("valid");
        assert_eq!(targets["shop"].credential.as_deref(), Some("shop"));
        assert_eq!(targets["shop"].rounds, defaults());
    }

    #[test]
    fn settings_of_a_target_take_precedence() {
        let text = "[targets.a]\ncredential = 'main'\ninterval = 5\nprobe-interval = 60\noptions = { maxSize = 9 }";
        let a = parse(text).expect("valid").remove("a").expect("a target");
        assert_eq!(a.credential.as_deref(), Some("main"));
        assert_eq!(a.rounds.interval, Duration::from_secs(5));
        assert_eq!(a.rounds.probe_interval, Some(Duration::from_secs(60)));
        assert_eq!(Value::Object(a.rounds.options), json!({"minSize": 2, "maxSize": 9}));
    }

    #[test]
    fn a_target_has_a_place_in_a_fleet() {
        let text = "[targets.a]\nserver = 'db1:5432'\nzone = 'eu'\ntags = ['shop', 'prod']";
        let placement = parse(text).expect("valid").remove("a").expect("a target").placement;
        assert_eq!((placement.server.as_deref(), placement.zone.as_deref()), (Some("db1:5432"), Some("eu")));
        assert_eq!(placement.tags, ["shop", "prod"]);
    }

    #[test]
    fn errors_name_the_target_and_the_setting() {
        for (text, words) in [
            ("", "missing field `targets`"),
            ("[targets]", "[targets.NAME]"),
            ("[targets.a]\ninterval = 0", "targets.a: interval is 0"),
            ("[targets.a]\nintervall = 5", "intervall"),
            ("[targets.a]\noptions = { minSize = 0 }", "minSize"),
            ("[targets.a]\noptions = { minsize = 1 }", "minsize"),
            ("[targets.a]\noptions = { dryRun = false }", "rounds change nothing"),
            ("[targets.a]\nzone = 'a.b'", "a zone or a tag"),
            ("[targets.a]\nserver = ''", "server must have"),
            ("[targets.a]\n[targets.b]\n[targets.c]", "more than 2 targets"),
            ("[targets.'a b']", "letters, digits"),
            ("[targets.'..']", "not dots alone"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}

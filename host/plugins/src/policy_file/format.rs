//! The format of policy files: parsed strictly, and written.

use std::fmt::{Display, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use archon_pool_contract::params::Options;
use archon_pool_core::digest::Digest;
use archon_pool_core::policy::{Policy, Sql, check_pattern};
use archon_pool_core::world::World;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::toml_text::{self, list, quoted};

/// The only version of the format.
const VERSION: u32 = 1;

/// The approved component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Component {
    /// The file's name when it was approved, for readers; only the digest is checked.
    pub name: String,
    /// The SHA-256 of its bytes.
    #[serde(deserialize_with = "parsed")]
    pub sha256: Digest,
    /// The most powerful world that it may be of.
    #[serde(deserialize_with = "world")]
    pub world: World,
    /// The version of its skill.
    pub skill_version: Option<String>,
}

/// An approved statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The component's name for it.
    pub id: String,
    /// Its purpose, in the component's words.
    pub purpose: String,
    /// The SHA-256 of its text.
    #[serde(deserialize_with = "parsed")]
    pub sha256: Digest,
}

/// The changes that a component may make.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Signals {
    /// True if it may end sessions or resize pools at all.
    pub apply: bool,
    /// Cap on ended sessions in one call, percent.
    #[serde(deserialize_with = "percentage")]
    pub max_kill_percentage: u32,
    /// Cap on ended sessions in one call.
    pub max_kills: u32,
    /// Cap on ended sessions of one database in an hour.
    pub max_kills_per_hour: u32,
    /// True if it may resize pools and reconnect their server connections, provided `apply` is set.
    pub resize: bool,
    /// Cap on resizes and reconnects at one console in an hour.
    pub max_resizes_per_hour: u32,
    /// Role name patterns to protect in addition to the built-in ones.
    #[serde(deserialize_with = "patterns")]
    pub protected_roles: Vec<String>,
    /// Application name patterns to protect in addition to the built-in ones.
    #[serde(deserialize_with = "patterns")]
    pub protected_applications: Vec<String>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            apply: false,
            max_kill_percentage: Options::default().max_kill_percentage,
            max_kills: Policy::default().max_kills,
            max_kills_per_hour: Policy::default().max_kills_per_hour,
            resize: false,
            max_resizes_per_hour: Policy::default().max_resizes_per_hour,
            protected_roles: Vec::new(),
            protected_applications: Vec::new(),
        }
    }
}

/// The contents of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    /// Time of its creation, and the program that wrote it, if given.
    pub(super) approved_at: Option<String>,
    pub(super) approved_by: Option<String>,
    pub(super) component: Component,
    pub(super) sql: Sql,
    pub(super) statements: Vec<Statement>,
    pub(super) signals: Signals,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    #[serde(deserialize_with = "version")]
    #[expect(dead_code, reason = "reading it is all there is to it: another one is refused")]
    version: u32,
    approved_at: Option<String>,
    approved_by: Option<String>,
    plugin: Component,
    sql: RawSql,
    #[serde(default)]
    signals: Signals,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSql {
    #[serde(deserialize_with = "mode")]
    mode: Sql,
    #[serde(default)]
    statement: Vec<Statement>,
}

impl Terms {
    /// Parses a policy file; the error names line and key.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Raw { approved_at, approved_by, plugin, sql, signals, .. } = toml_text::parse(bytes)?;
        let RawSql { mode: mut sql, statement: statements } = sql;
        if let Sql::Pinned(digests) = &mut sql {
            *digests = pinned(&statements);
        } else if !statements.is_empty() {
            return Err("sql.statement: statements are listed only when sql.mode = \"pinned\"".into());
        }
        Ok(Self { approved_at, approved_by, component: plugin, sql, statements, signals })
    }

    /// Returns the file's text. Statements are pinned in it, whatever the mode was.
    pub(super) fn to_toml(&self) -> String {
        let mut text = String::from(
            "# What one component may do, written by `archon-pool approve` and read by `--policy`.\n\
             # Change [signals] by hand; a command line can only lower what stands here.\n",
        );
        let line = &mut |key: &str, value: &dyn Display| {
            let _ = writeln!(text, "{key} = {value}");
        };
        line("version", &VERSION);
        for (key, value) in [("approved-at", &self.approved_at), ("approved-by", &self.approved_by)] {
            if let Some(value) = value {
                line(key, &quoted(value));
            }
        }
        let Component { name, sha256, world, skill_version } = &self.component;
        line("\n[plugin]\nname", &quoted(name));
        line("sha256", &quoted(&sha256.to_string()));
        line("world", &quoted(world.name()));
        if let Some(version) = skill_version {
            line("skill-version", &quoted(version));
        }
        line("\n[sql]\nmode", &"\"pinned\"");
        for Statement { id, purpose, sha256 } in &self.statements {
            line("\n[[sql.statement]]\nid", &quoted(id));
            line("purpose", &quoted(purpose));
            line("sha256", &quoted(&sha256.to_string()));
        }
        let Signals {
            apply,
            max_kill_percentage,
            max_kills,
            max_kills_per_hour,
            resize,
            max_resizes_per_hour,
            protected_roles,
            protected_applications,
        } = &self.signals;
        line("\n[signals]\napply", apply);
        line("max-kill-percentage", max_kill_percentage);
        line("max-kills", max_kills);
        line("max-kills-per-hour", max_kills_per_hour);
        line("resize", resize);
        line("max-resizes-per-hour", max_resizes_per_hour);
        line("protected-roles", &list(protected_roles));
        line("protected-applications", &list(protected_applications));
        text
    }
}

/// Returns the digests of statements.
pub(super) fn pinned(statements: &[Statement]) -> Arc<std::collections::BTreeSet<Digest>> {
    Arc::new(statements.iter().map(|statement| statement.sha256).collect())
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sql, D::Error> {
    Ok(match String::deserialize(deserializer)?.as_str() {
        "pinned" => Sql::Pinned(Arc::default()),
        "catalogue" => Sql::Catalogue,
        "any" => Sql::Any,
        "strict" => Sql::Strict,
        _ => return Err(D::Error::custom("a mode is pinned, catalogue, strict or any")),
    })
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(D::Error::custom(format!("version {other} is unknown: this program reads version {VERSION}"))),
    }
}

fn world<'de, D: Deserializer<'de>>(deserializer: D) -> Result<World, D::Error> {
    let name = String::deserialize(deserializer)?;
    let found = World::ALL.into_iter().find(|world| world.name() == name);
    found.ok_or_else(|| D::Error::custom("a world is analyser, observer or manager"))
}

fn percentage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        percentage @ 0..=100 => Ok(percentage),
        _ => Err(D::Error::custom("a percentage is 0 to 100")),
    }
}

fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let patterns = Vec::<String>::deserialize(deserializer)?;
    patterns.iter().try_for_each(|pattern| check_pattern(pattern)).map_err(D::Error::custom)?;
    Ok(patterns)
}

fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let statement = |id: &str| Statement { id: id.into(), purpose: "a \"b\"\n[x]".into(), sha256: Digest::of(b"") };
        let statements = vec![statement("a"), statement("b")];
        Terms {
            approved_at: Some("2026-11-23T18:00:00Z".into()),
            approved_by: Some("archon-pool 1.0.0".into()),
            component: Component {
                name: "it\u{202e}.wasm".into(),
                sha256: Digest::of(b"it"),
                world: World::Manager,
                skill_version: Some("1.0.0".into()),
            },
            sql: Sql::Pinned(pinned(&statements)),
            statements,
            signals: Signals { apply: true, protected_roles: vec!["a*".into(), "\"".into()], ..Signals::default() },
        }
    }

    #[test]
    fn a_written_policy_file_is_read_back() {
        let text = terms().to_toml();
        assert_eq!(Terms::parse(text.as_bytes()), Ok(terms()), "{text}");
    }

    #[test]
    fn missing_keys_allow_nothing() {
        let text = terms().to_toml();
        let bare = &text[..text.find("\n[signals]").unwrap()];
        let read = Terms::parse(bare.as_bytes()).unwrap();
        assert_eq!((read.signals.apply, read.signals.resize, read.signals.max_kill_percentage), (false, false, 25));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused_with_line_and_key() {
        let long = format!("protected-applications = ['{}']", "a".repeat(64));
        for (right, wrong, key) in [
            ("version = 1", "version = 2", "version = 2"),
            ("version = 1\n", "version = 1\nextra = 1\n", "extra"),
            ("version = 1\n", "", "version"),
            ("world = \"manager\"", "world = \"root\"", "analyser, observer or manager"),
            ("mode = \"pinned\"", "mode = \"loose\"", "mode = \"loose\""),
            ("mode = \"pinned\"", "mode = \"strict\"", "sql.statement"),
            ("mode = \"pinned\"", "mode = \"any\"", "sql.statement"),
            ("sha256 = \"e3", "sha256 = \"g3", "64 hexadecimal digits"),
            ("id = \"b\"", "name = \"b\"", "`name`"),
            ("apply = true", "apply = 1", "apply = 1"),
            ("apply = true", "aply = true", "aply"),
            ("percentage = 25", "percentage = 101", "0 to 100"),
            ("percentage = 25", "percentage = -1", "max-kill-percentage = -1"),
            ("protected-applications = []", "protected-applications = [1]", "protected-applications = [1]"),
            ("protected-applications = []", long.as_str(), "a name has at most 63 bytes"),
        ] {
            let text = terms().to_toml();
            assert!(text.contains(right), "{right}");
            let error = Terms::parse(text.replacen(right, wrong, 1).as_bytes()).unwrap_err();
            assert!(error.contains(key), "{wrong}: {error}");
            assert!(error.starts_with("line ") || key == "sql.statement", "{wrong}: {error}");
        }
    }
}

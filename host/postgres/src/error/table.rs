//! `server_errors.json`: the errors of servers and poolers and their meaning. Hosts in other languages read it from
//! `guard.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use archon_pool_contract::fault::Fault;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The table's text.
pub const SERVER_ERRORS: &str = include_str!("server_errors.json");

/// The table. Parsed once.
pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(SERVER_ERRORS).expect("a unit test parses server_errors.json"));

/// Refusals of a session by a server or a pooler. The table describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refusal {
    NoRoom,
    NoServer,
    NoDatabase,
    Login,
    NoEntry,
    Address,
    Privilege,
    Console,
    NeedsTls,
    NeedsTlsInVain,
    NeedsTlsOrEntry,
    Project,
    Parameter,
    Unavailable,
    Disabled,
}

/// Rules by which an error is classified.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Table {
    /// The fault of each refusal of a session.
    pub(super) reasons: BTreeMap<Refusal, Reason>,
    /// Rules for refusals, in order: a text about a full pool may contain the server's name, and one about a password
    /// the database's.
    pub(super) rules: Vec<Rule>,
    /// Refusals that no rule recognises, in order, by the prefix of their SQLSTATE.
    pub(super) fallbacks: Vec<Fallback>,
    /// SQLSTATEs that poolers use for all errors; "" for none.
    pub(super) pooler_sqlstates: Vec<String>,
    /// Faults of statements, in order.
    pub(super) statements: Vec<Statement>,
}

/// Fault of a refused session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Reason {
    #[serde(rename = "about")]
    _about: IgnoredAny,
    /// The kind of the fault.
    pub(super) kind: String,
    /// True where the same login can succeed a moment later.
    pub(super) retryable: bool,
    /// Template of the message, with the setting or the step that helps.
    pub(super) message: String,
    /// The refusal where TLS was tried, too, or cannot be had.
    pub(super) after_tls: Option<Refusal>,
}

/// Conditions of a refusal, all of which apply. Texts are compared in lower case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(rename = "about", default)]
    _about: IgnoredAny,
    pub(super) reason: Refusal,
    /// Any of these SQLSTATEs, "" for none.
    sqlstates: Option<Vec<String>>,
    /// The whole text.
    equals: Option<String>,
    /// Prefixes of the text.
    starts: Option<Vec<String>>,
    /// Words of which the text has one.
    any: Option<Vec<String>>,
    /// Words of which the text has each.
    all: Option<Vec<String>>,
    /// True for the text of a pooler that has no server connection, also for a statement of an open session.
    #[serde(default)]
    pub(super) in_session: bool,
}

impl Rule {
    /// Checks that the rule applies to an error, its text in lower case.
    pub(super) fn applies(&self, sqlstate: &str, text: &str) -> bool {
        self.sqlstates.as_ref().is_none_or(|codes| codes.iter().any(|code| code == sqlstate))
            && self.equals.as_ref().is_none_or(|whole| whole == text)
            && self.starts.as_ref().is_none_or(|begins| begins.iter().any(|begin| text.starts_with(begin)))
            && self.any.as_ref().is_none_or(|words| words.iter().any(|word| text.contains(word)))
            && self.all.as_ref().is_none_or(|words| words.iter().all(|word| text.contains(word)))
    }
}

/// Refusal by the prefix of a SQLSTATE.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fallback {
    pub(super) reason: Refusal,
    pub(super) begins: Vec<String>,
}

/// Fault of a statement. It applies where one of its conditions does, or where it has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement {
    #[serde(rename = "about", default)]
    _about: IgnoredAny,
    /// By the text of a pooler.
    #[serde(default)]
    reasons: Vec<Refusal>,
    #[serde(default)]
    sqlstates: Vec<String>,
    /// By SQLSTATE, where the severity ends the session.
    #[serde(default)]
    fatal: Vec<String>,
    kind: String,
    retryable: bool,
    message: String,
    /// The limit that the message names.
    #[serde(default)]
    limit: String,
}

impl Statement {
    /// Checks that it applies to an error, with the refusal that a pooler's text is classified as.
    pub(super) fn applies(&self, of_pooler: Option<Refusal>, sqlstate: &str, fatal: bool) -> bool {
        of_pooler.is_some_and(|refusal| self.reasons.contains(&refusal))
            || self.sqlstates.iter().any(|code| code == sqlstate)
            // By any SQLSTATE: the driver ends the session after such an error.
            || (!self.fatal.is_empty() && fatal)
            || (self.reasons.is_empty() && self.sqlstates.is_empty() && self.fatal.is_empty())
    }

    /// Returns the fault of an error.
    pub(super) fn fault(&self, sqlstate: &str, said: &str) -> Fault {
        Fault {
            kind: self.kind.clone(),
            message: fill(&self.message, &[("said", said), ("limit", &self.limit)]),
            sqlstate: Some(sqlstate.to_owned()),
            retryable: self.retryable,
        }
    }
}

/// Replaces each `{name}` of a template. Braces in a value stay as they are.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(((before, name), behind)) =
        rest.split_once('}').and_then(|(part, behind)| Some((part.split_once('{')?, behind)))
    {
        text.push_str(before);
        text.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = behind;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use archon_pool_contract::fault::kind;
    use archon_pool_core::limits::Limits;

    use super::*;

    #[test]
    fn every_entry_has_a_known_kind_and_known_placeholders() {
        let reasons = TABLE.reasons.values().map(|reason| (&reason.kind, &reason.message));
        for (kind, message) in reasons.chain(TABLE.statements.iter().map(|it| (&it.kind, &it.message))) {
            assert!(kind::ALL.contains(&kind.as_str()), "{kind}");
            let known = ["target", "user", "database", "said", "limit"].map(|name| (name, ""));
            assert!(!fill(message, &known).contains(['{', '}']), "{message}");
            let names = message.split('{').skip(1).filter_map(|part| part.split('}').next());
            assert!(names.clone().all(|name| known.contains(&(name, ""))), "{message}");
        }
        let limits = serde_json::to_value(Limits::default().plain()).unwrap();
        for statement in &TABLE.statements {
            assert_eq!(statement.limit.is_empty(), !statement.message.contains("{limit}"), "{}", statement.message);
            assert!(statement.limit.is_empty() || limits.get(&statement.limit).is_some(), "{}", statement.limit);
        }
    }

    #[test]
    fn every_error_has_an_entry_and_every_rule_a_condition() {
        assert!(TABLE.rules.iter().all(|rule| !rule.applies("no SQLSTATE", "no words")));
        assert!(TABLE.fallbacks.last().unwrap().begins.contains(&String::new()));
        assert!(TABLE.statements.last().unwrap().applies(None, "no SQLSTATE", false));
        let rules = TABLE.rules.iter().map(|rule| rule.reason).chain(TABLE.fallbacks.iter().map(|it| it.reason));
        let named: BTreeSet<_> = rules.chain(TABLE.reasons.values().filter_map(|reason| reason.after_tls)).collect();
        assert_eq!(named, TABLE.reasons.keys().copied().collect());
    }

    #[test]
    fn lists_have_words_and_these_are_in_lower_case() {
        for rule in &TABLE.rules {
            let lists = [&rule.starts, &rule.any, &rule.all].into_iter().flatten();
            assert!(lists.clone().chain(&rule.sqlstates).all(|list| !list.is_empty()));
            for words in lists.flatten().chain(&rule.equals) {
                assert_eq!(*words, words.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn braces_in_a_value_are_not_expanded() {
        assert_eq!(fill("{a}: {b}", &[("a", "{b}"), ("b", "}x{")]), "{b}: }x{");
    }
}

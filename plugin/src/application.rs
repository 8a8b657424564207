//! Application names without their variable parts, so that the sessions of one application compare as one.
//!
//! Variable are the address that PgBouncer's `application_name_add_host` appends (` - ADDRESS:PORT`, perhaps cut with
//! the name at 63 bytes), and numbers that stand alone, UUIDs and hexadecimal words: process ids, slots, counts,
//! versions. The guard's SQL (`host/core/src/guard_sql.rs`) removes the same.

use std::borrow::Cow;
use std::sync::Arc;

use archon_pool_contract::snapshot::Backend;

use crate::fast_map::{Map, Name};

/// The server cuts names at so many bytes (`NAMEDATALEN` - 1).
const LONGEST: usize = 63;
/// Separator between a name and the address appended to it.
const SEPARATOR: &str = " - ";
/// The lengths of a UUID's words.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];
/// A word of hexadecimal digits is variable from so many on.
const HEX_WORD: usize = 8;

/// Notes the family of each session's application. Each distinct name is read once.
pub fn note_families(backends: &mut [Backend]) {
    let mut known = Map::<Name<'_>, Option<Arc<str>>>::default();
    let families: Vec<Option<Arc<str>>> = backends
        .iter()
        .map(|backend| {
            let name = &backend.application;
            if !may_vary(name) {
                return None;
            }
            known.entry(Name(name)).or_insert_with(|| variable(name).map(Arc::from)).clone()
        })
        .collect();
    for (backend, family) in backends.iter_mut().zip(families) {
        backend.family = family;
    }
}

/// Returns true if a name can have variable parts: each has a digit, or is the cut end of a long name.
fn may_vary(name: &str) -> bool {
    name.len() >= LONGEST || name.bytes().any(|byte| byte.is_ascii_digit())
}

/// The family of a name: itself without an appended address, and with `*` for each other variable part.
pub fn family(name: &str) -> Cow<'_, str> {
    variable(name).map_or(Cow::Borrowed(name), Cow::Owned)
}

/// Names that drivers give to all their applications: pgJDBC, R2DBC, postgres.js, Vert.x, Npgsql, crystal-pg, and
/// PHP's processes.
const DEFAULTS: [&str; 9] = [
    "PostgreSQL JDBC Driver",
    "r2dbc-postgresql",
    "postgres.js",
    "vertx-pg-client",
    "Npgsql",
    "crystal",
    "php",
    "php-fpm",
    "node",
];

/// Returns true if an application chose this name: it is neither empty, nor its driver's default, nor the path of a
/// program, as Ruby's `pg` sets it.
pub fn is_own(name: &str) -> bool {
    !name.is_empty() && !DEFAULTS.contains(&name) && !name.starts_with('/')
}

/// The name that stands for sessions of one family: their own if it is the same for all, else the family.
pub fn common_name<'a>(members: impl IntoIterator<Item = &'a Backend>) -> &'a str {
    let mut members = members.into_iter();
    let Some(first) = members.next() else { return "" };
    if members.all(|member| member.application == first.application) { &first.application } else { first.family() }
}

/// A name without the addresses appended to it.
pub fn without_address(name: &str) -> &str {
    let mut bare = if name.len() >= LONGEST { without_part_of_address(name) } else { name };
    while let Some((before, address)) = bare.rsplit_once(SEPARATOR)
        && is_address(address)
    {
        bare = before;
    }
    bare
}

/// Returns true if an address is appended to a name, as only a pooler does; the beginning of one that was cut off
/// counts from its first letter on.
pub fn has_address(name: &str) -> bool {
    name.get(without_address(name).len()..).is_some_and(|end| end.len() > SEPARATOR.len())
}

/// A cut name without the beginning of an address at its end.
fn without_part_of_address(name: &str) -> &str {
    match name.rsplit_once(SEPARATOR) {
        Some((before, rest)) if is_part_of_address(rest) => before,
        _ => name.strip_suffix(" -").or_else(|| name.strip_suffix(' ')).unwrap_or(name),
    }
}

/// Returns true if a text is an address with a port, as PgBouncer writes it: `10.0.0.1:5000`, `[::1]:5000`, `unix:6432`
/// or `unix(PID@HOST):6432`.
fn is_address(text: &str) -> bool {
    let Some((address, port)) = text.rsplit_once(':') else { return false };
    (1..=5).contains(&port.len()) && all_digits(port) && is_host(address)
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return !inner.is_empty() && inner.bytes().all(is_of_ipv6);
    }
    if let Some(process) = text.strip_prefix("unix") {
        let inner = process.strip_prefix('(').and_then(|process| process.strip_suffix(')'));
        return process.is_empty() || inner.is_some_and(|inner| !inner.contains(['(', ')']));
    }
    let parts = text.split('.');
    parts.clone().count() == 4 && parts.into_iter().all(|part| (1..=3).contains(&part.len()) && all_digits(part))
}

/// Returns true if an address begins so.
fn is_part_of_address(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if all_digits(port) && !host.starts_with('[') => (host, true),
        Some((host, port)) if all_digits(port) && host.ends_with(']') => (host, true),
        _ => (text, false),
    };
    if let Some(inner) = host.strip_prefix('[') {
        let (inner, closed) = inner.strip_suffix(']').map_or((inner, false), |inner| (inner, true));
        return (closed || !port) && inner.bytes().all(is_of_ipv6);
    }
    if let Some(process) = host.strip_prefix("unix") {
        let rest = process.strip_prefix('(').map(|inner| inner.strip_suffix(')').unwrap_or(inner));
        return process.is_empty() || rest.is_some_and(|rest| !rest.contains(['(', ')']));
    }
    let number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !host.starts_with('.');
    (number && !(host.is_empty() && port)) || (!port && "unix".starts_with(host))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_of_ipv6(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'%')
}

/// The family of a name that has variable parts.
fn variable(name: &str) -> Option<String> {
    let bare = without_address(name);
    let mut family = String::with_capacity(bare.len());
    let mut rest = bare;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphanumeric()) {
        let (before, words) = rest.split_at(start);
        family.push_str(before);
        let word = first_word(words);
        let end = match uuid(words) {
            Some(end) => {
                family.push('*');
                end
            }
            None => {
                family.push_str(if is_variable(word) { "*" } else { word });
                word.len()
            }
        };
        rest = &words[end..];
    }
    family.push_str(rest);
    (family != name).then_some(family)
}

/// The word of ASCII letters and digits that a text begins with.
fn first_word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

fn is_variable(word: &str) -> bool {
    all_digits(word)
        || (word.len() >= HEX_WORD
            && word.bytes().all(|byte| byte.is_ascii_hexdigit())
            && word.bytes().any(|byte| byte.is_ascii_digit()))
}

/// Length in bytes of the UUID that a text begins with.
fn uuid(text: &str) -> Option<usize> {
    let mut rest = text;
    for (index, len) in UUID.into_iter().enumerate() {
        let word = first_word(if index == 0 { rest } else { rest.strip_prefix('-')? });
        if word.len() != len || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        rest = &rest[len + usize::from(index > 0)..];
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::idle;
    use proptest::prelude::*;

    #[test]
    fn a_family_has_no_variable_parts() {
        for (name, expected) in [
            ("puma: cluster worker 3: 8821 [app]", "puma: cluster worker *: * [app]"),
            ("sidekiq 7.1 app [2 of 10 busy]", "sidekiq *.* app [* of * busy]"),
            ("job-550e8400-e29b-41d4-a716-446655440000 x", "job-* x"),
            ("job-550e8400-e29b-41d4-a716-446655440000x", "job-*-e29b-41d4-a716-446655440000x"),
            ("pod-5d4f8c7b9f", "pod-*"),
            ("cafebabe web2 v3 3x", "cafebabe web2 v3 3x"),
            ("web - 10.0.0.1:5000", "web"),
            ("web-2 - [fe80::1]:5000", "web-*"),
            ("psql - unix(22577@vm):55778", "psql"),
            ("a - unix:1 - 1.2.3.4:5", "a"),
            ("web - dashboard", "web - dashboard"),
            ("web - 10.0.0.256.1:5", "web - *.*.*.*.*:*"),
            ("café 3", "café *"),
            ("", ""),
        ] {
            assert_eq!(family(name), expected, "{name}");
        }
    }

    #[test]
    fn names_of_drivers_and_programs_are_not_an_applications_own() {
        for name in ["", "PostgreSQL JDBC Driver", "postgres.js", "/srv/app/bin/rails"] {
            assert!(!is_own(name), "{name}");
        }
        assert!(is_own("checkout") && is_own("puma: cluster worker *: * [app]"));
    }

    #[test]
    fn a_truncated_address_is_recognised() {
        let name = "n".repeat(40);
        for address in
            ["10.0.0.17:5", "10.0.0.17:500", "[fe80::1:2", "[fe80::1]:", "unix(22577@", "unix(2257)", "unix:6432"]
        {
            let cut = format!("{name} - {address}");
            let cut = format!("{}{cut}", "n".repeat(LONGEST - cut.len()));
            assert_eq!(without_address(&cut).trim_start_matches('n'), "", "{cut}");
        }
        for (len, end) in [(62, " "), (61, " -"), (60, " - "), (59, " - u"), (59, " - ["), (59, " - 1")] {
            let name = "n".repeat(len);
            assert_eq!(without_address(&format!("{name}{end}")), name, "{end}");
        }
        let whole = format!("{} - hours", "n".repeat(55));
        assert_eq!(without_address(&whole), whole);
    }

    #[test]
    fn an_appended_address_is_distinguished_from_a_name_with_a_similar_end() {
        let cut = |end: &str| format!("{}{end}", "n".repeat(LONGEST - end.len()));
        for name in ["web - 10.0.0.1:5000", "a - unix:1", &cut(" - 10.0."), &cut(" - u")] {
            assert!(has_address(name), "{name}");
        }
        for name in ["web", "web - dashboard", "web - 10", "", &cut("n"), &cut(" - ")] {
            assert!(!has_address(name), "{name}");
        }
    }

    #[test]
    fn sessions_are_named_by_what_they_share() {
        let named = |name: &str| Backend { application: name.into(), ..idle(1, 5) };
        let mut sessions = [named("worker 1"), named("worker 1"), named("worker 2"), named("web")];
        note_families(&mut sessions);
        assert_eq!(sessions.each_ref().map(|session| session.family()), ["worker *", "worker *", "worker *", "web"]);
        assert_eq!(common_name(&sessions[..2]), "worker 1");
        assert_eq!(common_name(&sessions[..3]), "worker *");
        assert_eq!(common_name([]), "");
    }

    proptest! {
        #[test]
        fn a_family_is_idempotent_and_matches_the_name(name in "[a-f0-9 .:\\-\\[\\]u]{0,63}") {
            let family = family(&name);
            prop_assert_eq!(super::family(&family), family.as_ref());
            let bare = without_address(&name);
            prop_assert!(crate::protected::matches_any(&crate::protected::compile(&[&*family]), bare));
        }

        #[test]
        fn any_name_is_accepted(name in "\\PC{0,70}") {
            family(&name);
        }
    }
}

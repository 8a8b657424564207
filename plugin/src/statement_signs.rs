//! Signs in a session's last statement that it listens, leads others or takes a backup.
//!
//! A text may be cut anywhere and hold several statements. The guard's SQL (`host/core/src/guard_sql.rs`) reads the
//! same signs where it refuses to end a session.

use archon_pool_contract::statement_text::skip_gap;

/// Signs of a session's purpose in its last statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// It ran `LISTEN`, and no `UNLISTEN *` after that.
    pub listens: bool,
    /// It ran `UNLISTEN` for a channel: others may be left.
    pub leaves_a_channel: bool,
    /// It ran `UNLISTEN *` or `DISCARD ALL` last: it listens to nothing.
    pub listens_no_more: bool,
    /// It exported its snapshot for others.
    pub exports_snapshot: bool,
    /// It works on another session's snapshot.
    pub follows_snapshot: bool,
    /// It began a backup that ends with the session.
    pub begins_backup: bool,
    /// It ended that backup.
    pub ends_backup: bool,
    /// It locks tables as pg_dump does, before it copies them.
    pub locks_for_copy: bool,
    /// It copies a table out.
    pub copies_out: bool,
    /// It declared a cursor `WITH HOLD`, or read from a cursor, and did not close it. Outside of a transaction only a
    /// held cursor can be open.
    pub uses_cursor: bool,
    /// It closed its cursors.
    pub closes_cursor: bool,
}

/// Statements that end within so many bytes are read for functions of backups and snapshots.
const SHORT: usize = 400;

impl Signs {
    /// Reads a text.
    pub fn of(sql: &str) -> Self {
        let mut signs = Self::default();
        for (at, _) in sql.match_indices("isten").chain(sql.match_indices("ISTEN")) {
            signs.listen(sql, at);
        }
        let start = skip_gap(sql);
        if starts_with(start, "discard all") {
            (signs.listens_no_more, signs.closes_cursor) = (true, true);
        } else if starts_with(start, "fetch") || starts_with(start, "move") {
            signs.uses_cursor = !has_word(sql, "close");
        } else if starts_with(start, "declare") || (starts_with(start, "begin") && has_word(sql, "declare")) {
            signs.uses_cursor = has_word(sql, "with hold") && !has_word(sql, "close");
        } else if starts_with(start, "close") {
            signs.closes_cursor = true;
        } else if starts_with(start, "copy") {
            signs.copies_out = has_word(sql, " to ");
        } else if starts_with(start, "lock") {
            signs.locks_for_copy = has_word(sql, "in access share mode");
        } else if sql.len() <= SHORT {
            signs.exports_snapshot = has_word(sql, "pg_export_snapshot");
            signs.follows_snapshot = has_word(sql, "set transaction snapshot");
            signs.begins_backup = has_word(sql, "pg_backup_start") || has_word(sql, "pg_start_backup");
            signs.ends_backup = has_word(sql, "pg_backup_stop") || has_word(sql, "pg_stop_backup");
        }
        signs
    }

    /// Reads a word that ends in `ISTEN` from the second or later letter on.
    fn listen(&mut self, sql: &str, at: usize) {
        let (before, after) = (&sql[..at], &sql[at + "isten".len()..]);
        let Some(before) = before.strip_suffix(['l', 'L']) else { return };
        let rest = skip_gap(after);
        if let Some(before) = strip_suffix(before, "un") {
            if is_statement(before) && rest.starts_with('*') {
                *self = Self { listens_no_more: true, ..Self::default() };
            } else if is_statement(before) && !rest.is_empty() {
                self.leaves_a_channel = true;
            }
            return;
        }
        let names_a_channel = if rest.len() < after.len() {
            rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '"' | '\'' | '%' | '\u{fffd}'))
        } else {
            rest.starts_with('"')
        };
        if (names_a_channel && is_statement(before)) || is_call(before, after) {
            (self.listens, self.listens_no_more) = (true, false);
        }
    }
}

/// Returns true if a statement can begin after this text: at the start, after `;`, a comment or a block's opening, or
/// in a literal that is executed.
fn is_statement(before: &str) -> bool {
    let trimmed = before.trim_end();
    if trimmed.is_empty() || trimmed.ends_with([';', '/', '$']) || before[trimmed.len()..].contains('\n') {
        return true;
    }
    if let Some(executed) = trimmed.strip_suffix('\'') {
        let executed = executed.trim_end();
        let executed = executed.strip_suffix('(').map(str::trim_end).unwrap_or(executed);
        return strip_suffix(executed, "execute").is_some() || strip_suffix(executed, "format").is_some();
    }
    ["begin", "then", "else", "loop"].iter().any(|word| strip_suffix(trimmed, word).is_some_and(ends_a_word))
}

/// Returns true if `listen` between these texts is the name of a function that is called, or a word of that name.
fn is_call(before: &str, after: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"');
    let name_end = after.trim_start_matches(is_part);
    let name_start = before.trim_end_matches(|c: char| is_part(c) || c == '.');
    let keyword = name_start.trim_end();
    let is_word = (before.len() == name_start.len() || before.ends_with(['_', '.', '"']))
        && (after.len() == name_end.len() || after.starts_with(['_', '"']));
    is_word
        && keyword.len() < name_start.len()
        && name_end.trim_start().starts_with('(')
        && ["select", "call", "from", "perform"].iter().any(|word| strip_suffix(keyword, word).is_some_and(ends_a_word))
}

fn ends_a_word(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn strip_suffix<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let start = text.len().checked_sub(word.len())?;
    text.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(word)).then(|| &text[..start])
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Returns true if a text has a word, letter case aside.
fn has_word(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listens(sql: &str) -> bool {
        Signs::of(sql).listens
    }

    #[test]
    fn listen_is_recognised_at_the_start_of_any_statement() {
        for sql in [
            "LISTEN jobs",
            "  listen\t\"jobs\"",
            "/* worker */ LISTEN\"jobs\"",
            "-- worker\nListen jobs",
            "BEGIN; LISTEN jobs; COMMIT",
            "UNLISTEN *; LISTEN jobs",
            "DO $$BEGIN LISTEN jobs; END$$",
            "do $x$ begin if true then listen jobs; end if; end $x$",
            "DO $$ BEGIN EXECUTE 'LISTEN ' || 'jobs'; END $$",
            "DO $$ BEGIN EXECUTE format('LISTEN %I', 'jobs'); END $$",
            "LISTEN \u{fffd}t\u{fffd}",
            "LISTEN/**/jobs",
            "listen -- the queue\n jobs",
            "select start_listen()",
            "SELECT * FROM queue.\"listen_to\" ('jobs')",
            "CALL listen('jobs')",
        ] {
            assert!(listens(sql), "{sql}");
        }
        for sql in [
            "",
            "SELECT 1",
            "listener",
            "SELECT listen FROM songs",
            "SELECT 'listen to me'",
            "UNLISTEN jobs",
            "LISTEN jobs; UNLISTEN *",
            "NOTIFY jobs",
            "listen",
            "SELECT * FROM listen_jobs",
            "INSERT INTO listen (song) VALUES (1)",
            "SELECT listening_time(7)",
            "SELECT unlisten_all()",
            "LISTEN/*",
        ] {
            assert!(!listens(sql), "{sql}");
        }
    }

    #[test]
    fn unlisten_of_all_channels_is_distinguished_from_one_channel() {
        assert!(Signs::of("UNLISTEN *").listens_no_more && Signs::of("DISCARD ALL").listens_no_more);
        let asyncpg = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;";
        assert!(Signs::of(asyncpg).listens_no_more);
        assert!(Signs::of("UNLISTEN other").leaves_a_channel);
    }

    #[test]
    fn leaders_and_backups_are_recognised_by_their_statements() {
        assert!(Signs::of("SELECT pg_catalog.pg_export_snapshot()").exports_snapshot);
        assert!(Signs::of("SET TRANSACTION SNAPSHOT '00000003-0000001B-1'").follows_snapshot);
        assert!(Signs::of("select pg_start_backup('x', false, false)").begins_backup);
        assert!(Signs::of("SELECT * FROM pg_backup_stop()").ends_backup);
        assert!(Signs::of("LOCK TABLE public.t IN ACCESS SHARE MODE").locks_for_copy);
        assert!(Signs::of("COPY public.t (a) TO stdout;").copies_out);
        assert!(!Signs::of("COPY public.t (a) FROM stdin").copies_out);
    }

    #[test]
    fn an_open_cursor_is_recognised_by_its_declaration_and_its_use() {
        for sql in [
            "FETCH FORWARD 10 FROM \"_django_curs_1\"",
            "/* report */ move 5 in c",
            "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1",
            "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT",
        ] {
            assert!(Signs::of(sql).uses_cursor, "{sql}");
        }
        for sql in ["FETCH ALL FROM c; CLOSE c", "DECLARE c CURSOR FOR SELECT 1", "CLOSE c", "SELECT 'fetch'"] {
            assert!(!Signs::of(sql).uses_cursor, "{sql}");
        }
        assert!(Signs::of("CLOSE ALL").closes_cursor && Signs::of("DISCARD ALL").closes_cursor);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(sql in "[ulLIiSsTtEeNn;* \"'$/é\n]{0,60}") {
            Signs::of(&sql);
        }
    }
}

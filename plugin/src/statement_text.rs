//! Statement texts without their literals: the same code path reads the same, and no customer's data
//! leaves the server in a report.

/// Longest text in a report, characters.
const LONGEST: usize = 200;

/// Replaces string, number and dollar-quoted literals by `?`, drops comments, folds white space.
///
/// The server cuts texts at `track_activity_query_size`: a literal that does not end is one too.
pub fn normalise(sql: &str) -> String {
    let scanned = Scanner::scan(sql, LONGEST * 4);
    let text = scanned.trim_end();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a statement is a `LISTEN`, comments and spacing aside.
pub fn is_listen(sql: &str) -> bool {
    // A text that starts with another letter keeps it, or has it taken away with the literal that it introduces.
    if sql.starts_with(|c: char| c.is_ascii_alphabetic() && !c.eq_ignore_ascii_case(&'l')) {
        return false;
    }
    // What follows the word is decided by then; most sessions ran something longer.
    let scanned = Scanner::scan(sql, 2 * "LISTEN \"".len());
    let text = scanned.trim_end();
    let follows = |c: char| c == ' ' || c == '"';
    text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("listen")) && text[6..].starts_with(follows)
}

/// Statements that drivers and pools send on their own account: they set a session up, check or clean it. Of these
/// words, each begins such a statement.
const HOUSEKEEPING: [&str; 8] =
    ["set ", "reset ", "show ", "discard ", "rollback", "deallocate ", "select ?", "listen "];

/// Whether a normalised statement is no application's work, but its driver's or its pool's.
pub fn is_housekeeping(normalised: &str) -> bool {
    let text = normalised.to_ascii_lowercase();
    text.is_empty()
        || HOUSEKEEPING.iter().any(|word| text.starts_with(word) && (*word != "select ?" || text.len() <= 9))
        || text.starts_with("select pg_catalog.version()")
        || text.contains(" from pg_type")
        || text.contains(" from pg_catalog.")
}

/// Whether a normalised statement is one by which pools clean a session up when it comes back.
pub fn is_clean_up(normalised: &str) -> bool {
    let text = normalised.to_ascii_lowercase();
    ["discard ", "reset ", "rollback", "deallocate ", "close all"].iter().any(|word| text.starts_with(word))
        || text.contains("pg_advisory_unlock_all()")
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
}

impl<'a> Scanner<'a> {
    /// The statement without its literals, to its end or a little beyond so many bytes.
    fn scan(sql: &'a str, enough: usize) -> String {
        let mut scanner = Self { rest: sql, out: String::with_capacity(sql.len().min(enough)) };
        while !scanner.rest.is_empty() && scanner.out.len() < enough {
            match scanner.plain(enough - scanner.out.len()) {
                0 => scanner.step(),
                bytes => scanner.copy(bytes),
            }
        }
        scanner.out
    }

    /// How many of the next bytes stand for themselves, up to some: most of a statement does, and is copied in one
    /// go.
    fn plain(&self, most: usize) -> usize {
        let means_more =
            |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'-' | b'/' | b'\'' | b'"' | b'$' | b'0'..=b'9');
        self.rest.bytes().take(most).take_while(|byte| !means_more(byte)).count()
    }

    fn step(&mut self) {
        let Some(first) = self.rest.chars().next() else { return };
        let rest = self.rest;
        if rest.starts_with("--") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest));
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
            self.space();
        } else if first == '\'' {
            // E'…' allows backslash escapes; B, N, U&, X do not matter for where a literal ends.
            let escapes = self.drop_prefix();
            self.literal(quoted(rest, '\'', escapes));
        } else if first == '"' {
            self.copy(quoted(rest, '"', false));
        } else if let Some(end) = (first == '$').then(|| dollar_quoted(rest)).flatten() {
            self.literal(end);
        } else if first.is_ascii_digit() && !self.in_word() {
            self.literal(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len()));
        } else {
            self.copy(first.len_utf8());
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn copy(&mut self, bytes: usize) {
        self.out.push_str(&self.rest[..bytes]);
        self.skip(bytes);
    }

    fn literal(&mut self, bytes: usize) {
        self.out.push('?');
        self.skip(bytes);
    }

    fn space(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
    }

    /// Whether what came before continues into a digit here: an identifier or a `$1`.
    fn in_word(&self) -> bool {
        self.out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
    }

    /// Takes a one-letter string prefix back out of the output; true when it was `E`.
    fn drop_prefix(&mut self) -> bool {
        let mut tail = self.out.chars().rev();
        let Some(prefix @ ('e' | 'E' | 'b' | 'B' | 'x' | 'X' | 'n' | 'N')) = tail.next() else { return false };
        if tail.next().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            return false;
        }
        self.out.pop();
        prefix.eq_ignore_ascii_case(&'e')
    }
}

/// Bytes of a quoted token that starts at `rest`; a doubled quote stands for itself.
fn quoted(rest: &str, quote: char, backslash: bool) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if backslash && c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some(&(_, next)) if next == quote => {
                    chars.next();
                }
                _ => return at + c.len_utf8(),
            }
        }
    }
    rest.len()
}

/// Bytes of a dollar-quoted literal that starts at `rest`, if one does.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag_end = 1 + rest[1..].find('$')?;
    let tag = &rest[..=tag_end];
    let name = &tag[1..tag.len() - 1];
    let valid =
        name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| rest[tag.len()..].find(tag).map_or(rest.len(), |end| tag.len() + end + tag.len()))
}

/// Bytes of a block comment that starts at `rest`; they nest.
fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_and_comments_go_and_names_stay() {
        for (sql, expected) in [
            ("SELECT * FROM t1 WHERE id = 42 AND x2 > 1.5e3", "SELECT * FROM t1 WHERE id = ? AND x2 > ?"),
            ("SELECT 'it''s', E'a\\'b', $tag$ x ' $tag$, $1", "SELECT ?, ?, ?, $1"),
            ("ALTER ROLE a PASSWORD 'hunter2'", "ALTER ROLE a PASSWORD ?"),
            ("SELECT /* a /* b */ 'c' */ 1 -- 2\n , \"Col 3\"", "SELECT ? , \"Col 3\""),
            ("select 'never ends", "select ?"),
            ("  select\n\t1 ", "select ?"),
            ("", ""),
        ] {
            assert_eq!(normalise(sql), expected, "{sql}");
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = normalise(&"é".repeat(500));
        assert_eq!(text.chars().count(), LONGEST + 1);
    }

    #[test]
    fn listen_is_recognised() {
        assert!(is_listen("LISTEN jobs"));
        assert!(is_listen("  listen\t\"jobs\""));
        assert!(is_listen("/* worker */ LISTEN\"jobs\""));
        assert!(!is_listen("SELECT 1"));
        assert!(!is_listen("listener"));
    }

    proptest! {
        #[test]
        fn no_quoted_text_survives(prefix in "[a-z ]{0,8}", secret in "[A-Z]{12}", tail in "\\PC{0,20}") {
            let sql = format!("{prefix} '{secret}' {tail}");
            prop_assert!(!normalise(&sql).contains(&secret) || tail.contains(&secret));
        }

        #[test]
        fn any_text_is_taken(sql in "\\PC{0,300}") {
            normalise(&sql);
        }
    }
}

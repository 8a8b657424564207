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

/// The beginning of a text that the server sent as ASCII: a quoted literal of which bytes beyond ASCII and backslashes
/// are escaped. What is cut or unreadable is shown as far as it goes.
pub fn unescape(literal: &str) -> String {
    let Some(body) = literal.strip_prefix('E').unwrap_or(literal).strip_prefix('\'') else { return literal.to_owned() };
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\'', [b'\'', after @ ..]) => (b'\'', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), after)
            }
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns true if a text lets its session listen: by a `LISTEN` among its statements, or by one in an anonymous block.
pub fn is_listen(sql: &str) -> bool {
    let listens = |statement: &String| {
        let text = statement.to_ascii_lowercase();
        let follows = |c: char| c == ' ' || c == '"';
        text.strip_prefix("listen").is_some_and(|rest| rest.starts_with(follows)) || text.starts_with("do ")
    };
    // Most sessions ran something without the word, which need not be read any further.
    has_word(sql, "listen") && statements(sql).iter().any(listens)
}

/// Returns true if a text has a word anywhere, letter case aside.
fn has_word(sql: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let (bytes, initial) = (sql.as_bytes(), word.as_bytes().first());
    bytes.windows(word.len()).enumerate().any(|(at, window)| {
        window.first().map(u8::to_ascii_lowercase).as_ref() == initial
            && window.eq_ignore_ascii_case(word.as_bytes())
            && !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && !is_part(bytes.get(at + word.len()))
    })
}

/// Statements of one text without their literals and comments, trimmed, empty ones left out. Some hundred bytes are
/// read: what a driver or a pool sends of its own is short.
pub fn statements(sql: &str) -> Vec<String> {
    let scanned = Scanner::scan(sql, LONGEST * 4);
    let mut statements = Vec::new();
    let mut rest = scanned.as_str();
    while !rest.is_empty() {
        let end = end_of_statement(rest);
        statements.push(rest[..end].trim().to_owned());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// The next semicolon outside of quoted names, which are the only quotes that a scanned text has left.
fn end_of_statement(scanned: &str) -> usize {
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c == ';' && !quoted
    };
    scanned.find(ends).unwrap_or(scanned.len())
}

/// A text without the white space and comments that it begins with.
pub fn skip_gap(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let comment = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else {
            return rest;
        };
        rest = rest[comment..].trim_start();
    }
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

    /// Number of the next bytes that are copied as they are, up to a limit: most of a statement is, in one go.
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

    /// Returns true if a digit here continues the text before: an identifier or a `$1`.
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
    fn literals_and_comments_are_removed_and_names_stay() {
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
    fn long_texts_are_truncated_at_a_character_boundary() {
        let text = normalise(&"é".repeat(500));
        assert_eq!(text.chars().count(), LONGEST + 1);
    }

    #[test]
    fn an_escaped_text_is_unescaped_unchanged() {
        for (literal, expected) in [
            (r"'SELECT 1", "SELECT 1"),
            (r"E'SELECT ''it''''s'' \\ \303\251", r"SELECT 'it''s' \ é"),
            (r"'caf\351 au", "caf\u{fffd} au"),
            (r"'cut\303", "cut\u{fffd}"),
            ("?", "?"),
        ] {
            assert_eq!(unescape(literal), expected, "{literal}");
        }
    }

    #[test]
    fn a_text_is_split_into_its_statements() {
        for (sql, expected) in [
            ("BEGIN; LISTEN jobs; COMMIT", &["BEGIN", "LISTEN jobs", "COMMIT"][..]),
            ("SELECT 'a;b', \"c;d\"; -- e;f\n;;/* g; */ DO $x$ BEGIN; END $x$", &["SELECT ?, \"c;d\"", "DO ?"]),
            (" ; \n", &[]),
            ("SELECT \"never; ends", &["SELECT \"never; ends"]),
            ("é;ü", &["é", "ü"]),
        ] {
            assert_eq!(statements(sql), expected, "{sql}");
        }
    }

    #[test]
    fn listen_is_recognised_among_other_statements() {
        for text in [
            "LISTEN jobs",
            "  listen\t\"jobs\"",
            "/* worker */ LISTEN\"jobs\"",
            "BEGIN; LISTEN jobs; COMMIT",
            "DO $$BEGIN LISTEN jobs; END$$",
        ] {
            assert!(is_listen(text), "{text}");
        }
        for text in ["SELECT 1", "listener", "UNLISTEN jobs", "DO $$BEGIN UNLISTEN *; END$$", "SELECT 'listen x'"] {
            assert!(!is_listen(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_quoted_text_remains(prefix in "[a-z ]{0,8}", secret in "[A-Z]{12}", tail in "\\PC{0,20}") {
            let sql = format!("{prefix} '{secret}' {tail}");
            prop_assert!(!normalise(&sql).contains(&secret) || tail.contains(&secret));
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(sql in "\\PC{0,300}") {
            normalise(&sql);
            statements(&sql);
            skip_gap(&sql);
            unescape(&sql);
        }
    }
}

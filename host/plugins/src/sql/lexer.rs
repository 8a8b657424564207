//! Lexer that splits a text as PostgreSQL would, and refuses text that other lexers could split differently.

use super::names;
use super::refused::Refused;

/// Maximum length of a text, bytes: about three times the longest of the catalogue.
const BYTES: usize = 4096;
/// Maximum length of a name, bytes: PostgreSQL truncates longer ones, so that two of them could be equal.
const NAME_BYTES: usize = 63;
/// Most operators and keywords together. Each can make the tree one level deeper.
const STEPS: usize = 240;
/// Maximum depth of parentheses. Parsers try several interpretations of each.
const PARENTHESES: usize = 12;

/// The characters that form PostgreSQL's operators.
const OPERATOR: &[u8] = b"+-*/<>=~!@#%^&|`?";

/// A piece of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or an unquoted name, which may be in any case.
    Word(&'a str),
    /// A name in double quotes, without them.
    Quoted(&'a str),
    /// A string in single quotes, undecoded, without them.
    Text(&'a str),
    /// A number without a sign.
    Number(&'a str),
    /// `$1`, without the dollar sign.
    Parameter(&'a str),
    /// An operator, a cast, a dot, a comma or a parenthesis.
    Sign(&'a str),
}

/// Returns the text after the leading comment, and its tokens.
pub(super) fn cut(text: &str) -> Result<(&str, Vec<Token<'_>>), Refused> {
    if text.len() > BYTES {
        return Err(Refused::new(format!("a text longer than {BYTES} bytes is not admitted")));
    }
    if let Some(byte) = text.bytes().find(|byte| !matches!(byte, b'\n' | b'\t' | b'\r' | b' '..=b'~')) {
        let what = if byte.is_ascii() { "a control character" } else { "a character beyond ASCII" };
        return Err(Refused::new(format!("{what} is not admitted: send it as a parameter")));
    }
    if text.contains('\\') {
        return Err(Refused::new("a backslash is not admitted: whether it escapes is a setting of the server"));
    }
    let body = without_comment(text)?;
    let mut cutter = Cutter { rest: body, tokens: Vec::new(), steps: 0, depth: 0 };
    while cutter.next()? {}
    if cutter.depth != 0 {
        return Err(Refused::new("a parenthesis without its other half is not admitted"));
    }
    Ok((body, cutter.tokens))
}

/// Returns true if two statements are equal, apart from the case of unquoted words and from optional words.
pub(super) fn same(one: &[Token<'_>], other: &[Token<'_>]) -> bool {
    fn telling<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = &'a Token<'a>> {
        tokens.iter().filter(|token| !matches!(token, Token::Word(word) if names::is_optional(word)))
    }
    telling(one).map(Some).chain(std::iter::repeat(None)).zip(telling(other).map(Some).chain([None])).all(
        |(one, other)| match (one, other) {
            (Some(Token::Word(one)), Some(Token::Word(other))) => one.eq_ignore_ascii_case(other),
            (one, other) => one == other,
        },
    )
}

/// Strips one leading comment, by which administrators recognise the origin of a statement.
fn without_comment(text: &str) -> Result<&str, Refused> {
    let text = text.trim_start();
    let Some(inner) = text.strip_prefix("/*") else { return Ok(text) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_' | b'.' | b':');
    match inner.split_once("*/") {
        Some((comment, body)) if comment.bytes().all(plain) => Ok(body),
        _ => Err(Refused::new("a comment of other than letters, digits and hyphens is not admitted")),
    }
}

struct Cutter<'a> {
    rest: &'a str,
    tokens: Vec<Token<'a>>,
    steps: usize,
    depth: usize,
}

impl<'a> Cutter<'a> {
    /// Reads one token; false at the end.
    fn next(&mut self) -> Result<bool, Refused> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r']);
        let Some(first) = self.rest.bytes().next() else { return Ok(false) };
        let token = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word()?,
            b'0'..=b'9' => self.number()?,
            b'$' => self.parameter()?,
            b'"' => self.quoted()?,
            b'\'' => self.text()?,
            b':' if self.rest.starts_with("::") => {
                self.step()?;
                Token::Sign(self.take(2))
            }
            b'(' => {
                self.depth += 1;
                if self.depth > PARENTHESES {
                    return Err(Refused::new(format!("more than {PARENTHESES} nested parentheses are not admitted")));
                }
                Token::Sign(self.take(1))
            }
            b')' => {
                let outer = self.depth.checked_sub(1);
                self.depth = outer.ok_or_else(|| Refused::new("a closing parenthesis too many is not admitted"))?;
                Token::Sign(self.take(1))
            }
            b'.' if self.rest[1..].starts_with(|next: char| next.is_ascii_digit() || next == '.') => {
                return Err(Refused::new("a number that is not plain decimal is not admitted"));
            }
            b'.' | b',' => Token::Sign(self.take(1)),
            _ if OPERATOR.contains(&first) => self.operator()?,
            b';' => return Err(Refused::new("a semicolon is not admitted: one statement needs none")),
            other => return Err(Refused::new(format!("`{}` is not admitted", char::from(other)))),
        };
        self.tokens.push(token);
        Ok(true)
    }

    fn word(&mut self) -> Result<Token<'a>, Refused> {
        let word = self.take_while(is_name);
        if self.rest.starts_with(['$', '"', '\'']) {
            return Err(Refused::new(format!("`{word}` directly before a quote or a dollar sign is not admitted")));
        }
        if word.len() > NAME_BYTES {
            return Err(Refused::new(format!("a name longer than {NAME_BYTES} bytes is not admitted")));
        }
        if names::is_keyword(word) {
            if !names::is_admitted_keyword(word) {
                let word = word.to_ascii_lowercase();
                return Err(Refused::new(format!(
                    "the keyword `{word}` is not admitted: a name is put in double quotes"
                )));
            }
            self.step()?;
        }
        Ok(Token::Word(word))
    }

    fn number(&mut self) -> Result<Token<'a>, Refused> {
        let (start, digits) = (self.rest, |byte: u8| byte.is_ascii_digit());
        self.take_while(digits);
        if let Some(fraction) = self.rest.strip_prefix('.')
            && fraction.starts_with(|first: char| first.is_ascii_digit())
        {
            self.rest = fraction;
            self.take_while(digits);
        }
        if self.rest.bytes().next().is_some_and(|next| is_name(next) || matches!(next, b'.' | b'$' | b'"' | b'\'')) {
            return Err(Refused::new("a number that is not plain decimal is not admitted"));
        }
        Ok(Token::Number(&start[..start.len() - self.rest.len()]))
    }

    fn parameter(&mut self) -> Result<Token<'a>, Refused> {
        self.take(1);
        let number = self.take_while(|byte| byte.is_ascii_digit());
        let plain = matches!(number.len(), 1..=3) && !number.starts_with('0');
        if !plain || self.rest.bytes().next().is_some_and(|next| is_name(next) || matches!(next, b'$' | b'"' | b'\'')) {
            return Err(Refused::new("a dollar sign that is not a parameter's is not admitted"));
        }
        Ok(Token::Parameter(number))
    }

    fn quoted(&mut self) -> Result<Token<'a>, Refused> {
        let name = self.between('"').ok_or_else(|| Refused::new("a quoted name without its end is not admitted"))?;
        let plain = |byte: u8| is_name(byte) || matches!(byte, b' ' | b'-');
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(plain) || self.rest.starts_with(['"', '\''])
        {
            return Err(Refused::new(
                "a quoted name of other than letters, digits, spaces and hyphens is not admitted",
            ));
        }
        Ok(Token::Quoted(name))
    }

    /// Reads a string. It may stand only where a value must: after a name, PostgreSQL would cast it to the type of that
    /// name, and after a string it could be its continuation.
    fn text(&mut self) -> Result<Token<'a>, Refused> {
        let stands = match self.tokens.last() {
            // `zone` alone is a name.
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("zone") => {
                let before = self.tokens.len().checked_sub(2).and_then(|index| self.tokens.get(index));
                matches!(before, Some(Token::Word(word)) if word.eq_ignore_ascii_case("time"))
            }
            Some(Token::Word(word)) => names::precedes_value(word),
            Some(Token::Sign(sign)) => !matches!(*sign, ")" | "." | "::"),
            Some(Token::Quoted(_) | Token::Text(_) | Token::Number(_) | Token::Parameter(_)) | None => false,
        };
        if !stands {
            return Err(Refused::new("a string after a name or another value is not admitted: write a cast with `::`"));
        }
        let start = &self.rest[1..];
        let unended = || Refused::new("a string without its end is not admitted");
        loop {
            self.between('\'').ok_or_else(unended)?;
            if !self.rest.starts_with('\'') {
                break;
            }
        }
        if self.rest.bytes().next().is_some_and(|next| is_name(next) || matches!(next, b'"' | b'$')) {
            return Err(Refused::new("a string directly before a name is not admitted"));
        }
        Ok(Token::Text(&start[..start.len() - self.rest.len() - 1]))
    }

    /// Reads an operator. PostgreSQL takes as many operator characters as possible, so a run that is not listed is a
    /// user-defined operator, a comment, or a pair that only blanks would separate.
    fn operator(&mut self) -> Result<Token<'a>, Refused> {
        let run = self.take_while(|byte| OPERATOR.contains(&byte));
        if run.contains("--") || run.contains("/*") || run.contains("*/") {
            return Err(Refused::new("a comment other than one at the start is not admitted"));
        }
        if !names::lists(names::OPERATORS, run) {
            return Err(Refused::new(format!("the operator `{run}` is not admitted")));
        }
        self.step()?;
        // Two spellings of one operator; the parser keeps one.
        Ok(Token::Sign(if run == "!=" { "<>" } else { run }))
    }

    fn step(&mut self) -> Result<(), Refused> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Refused::new(format!("more than {STEPS} operators and keywords are not admitted")));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !wanted(byte)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Reads the text up to the next quote.
    fn between(&mut self, quote: char) -> Option<&'a str> {
        let (inner, rest) = self.rest.strip_prefix(quote)?.split_once(quote)?;
        self.rest = rest;
        Some(inner)
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

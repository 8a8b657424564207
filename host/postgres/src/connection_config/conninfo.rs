//! Parser for key=value texts, as libpq reads them.

use std::iter::Peekable;
use std::str::Chars;

use archon_pool_contract::fault::Fault;
use secrecy::zeroize::Zeroizing;

use super::fault::{invalid, separator_in_pairs};
use super::keywords;
use super::parts::Parts;
use super::setting::{Meaning, SEPARATORS};

pub(super) fn parts(text: &str) -> Result<Parts, Fault> {
    if is_ado_net(text) {
        return Err(invalid("parameters are separated by ';': give a postgres:// URL, or separate them by blanks"));
    }
    let mut parts = Parts::default();
    let holds_password = keywords::holds_password(text);
    let mut letters = text.chars().peekable();
    loop {
        skip_blanks(&mut letters);
        if letters.peek().is_none() {
            return Ok(parts);
        }
        let name = name(&mut letters)?;
        skip_blanks(&mut letters);
        let is_quoted = letters.peek() == Some(&'\'');
        let value = value(&mut letters)?;
        if !is_quoted
            && value.contains(SEPARATORS)
            && let Some(Meaning::Is(setting)) = keywords::meaning(&name)
            && let Some(part) = setting.repeated_part()
        {
            return Err(separator_in_pairs(part));
        }
        if value.contains('\0') {
            return Err(invalid("the connection text holds a zero byte"));
        }
        parts.parameter(&name, Some(&value), holds_password)?;
    }
}

/// Recognises `Host=h;Username=u`: one '=' before the first ';', and one in each of the rest.
fn is_ado_net(text: &str) -> bool {
    let mut pairs = text.split(';').map(|pair| pair.matches('=').count());
    text.contains(';') && pairs.next() == Some(1) && pairs.clone().next() == Some(1)
}

fn skip_blanks(letters: &mut Peekable<Chars<'_>>) {
    while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
}

/// Reads a name and the '=' that follows it.
fn name(letters: &mut Peekable<Chars<'_>>) -> Result<String, Fault> {
    let mut name = String::new();
    while let Some(letter) = letters.next_if(|letter| *letter != '=' && !letter.is_whitespace()) {
        name.push(letter);
    }
    skip_blanks(letters);
    match letters.next() {
        Some('=') => Ok(name),
        _ => Err(invalid("an '=' is missing in the key=value text: quote a value with blanks, as in password='a b'")),
    }
}

fn value(letters: &mut Peekable<Chars<'_>>) -> Result<Zeroizing<String>, Fault> {
    // Large enough that no reallocation leaves a part of a secret behind.
    let mut value = Zeroizing::new(String::with_capacity(letters.size_hint().1.unwrap_or_default() * 4));
    if letters.next_if_eq(&'\'').is_some() {
        loop {
            match letters.next() {
                Some('\'') => return Ok(value),
                Some('\\') => value.extend(letters.next()),
                Some(letter) => value.push(letter),
                None => return Err(invalid("a quoted value is not closed: write \\' for a quote within it")),
            }
        }
    }
    while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
        if letter == '\\' { value.extend(letters.next()) } else { value.push(letter) }
    }
    Ok(value)
}

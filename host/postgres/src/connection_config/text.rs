//! Connection texts as copied or mounted: in quotes, after a byte order mark, before a line break.

use archon_pool_contract::fault::Fault;

use super::fault::invalid;
use super::parts::Parts;
use super::{conninfo, url};

/// Parses a URL or key=value text.
pub(crate) fn parts(text: &str) -> Result<Parts, Fault> {
    let text = unwrapped(text);
    if text.is_empty() {
        return Err(invalid("the connection text is empty: it must start with postgres:// or postgresql://"));
    }
    if let Some(scheme) = url::Scheme::of(text)? {
        if text.contains(['\n', '\r']) {
            return Err(invalid("the URL holds a line break: write it on one line"));
        }
        return url::parts(&scheme);
    }
    let is_pairs = text.contains('=') && text.find("://").is_none_or(|at| text[..at].contains('='));
    if is_pairs { conninfo::parts(text) } else { Err(url::not_postgresql()) }
}

/// Strips white space, a byte order mark, quotes, and a leading `psql`, as dashboards show it.
pub(crate) fn unwrapped(text: &str) -> &str {
    let blank = |letter: char| letter.is_whitespace() || letter == '\u{feff}';
    let mut text = text.trim_matches(blank);
    if let Some(rest) = text.strip_prefix("psql").filter(|rest| rest.starts_with([' ', '\t'])) {
        text = rest.trim_matches(blank);
    }
    for quote in ['"', '\'', '`'] {
        if let Some(within) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return within.trim_matches(blank);
        }
    }
    text
}

//! Secrets to search for, in every encoding, whole or in pieces of eight bytes.

use std::collections::HashMap;

/// Minimum length of a piece of a secret, bytes.
const PIECE: usize = 8;

/// Set of secrets to search for.
#[derive(Clone)]
pub(super) struct Needles {
    /// Encoded pieces by their first bytes, each with the name of its encoding.
    by_start: HashMap<[u8; PIECE], Vec<(Vec<u8>, &'static str)>>,
    /// True for the first two bytes of any encoded piece: set for few pairs, which makes the search fast.
    starts: Vec<bool>,
}

impl Needles {
    pub(super) fn new() -> Self {
        Self { by_start: HashMap::new(), starts: vec![false; 1 << 16] }
    }

    /// Adds a secret.
    pub(super) fn plant(&mut self, secret: &[u8]) {
        for piece in secret.windows(PIECE) {
            for (form, needle) in forms(piece) {
                let mut start = [0; PIECE];
                start.copy_from_slice(&needle[..PIECE]);
                self.starts[pair(&start)] = true;
                self.by_start.entry(start).or_default().push((needle, form));
            }
        }
    }

    /// Returns the encoding of the first piece of a secret in a text.
    pub(super) fn find(&self, text: &[u8]) -> Option<&'static str> {
        text.windows(PIECE).enumerate().filter(|(_, window)| self.starts[pair(window)]).find_map(|(at, window)| {
            let needles = self.by_start.get(window)?;
            needles.iter().find(|(needle, _)| text[at..].starts_with(needle)).map(|(_, form)| *form)
        })
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Returns a piece in each encoding.
pub(super) fn forms(piece: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let each = |letter: fn(u8) -> String| piece.iter().map(|byte| letter(*byte)).collect::<String>().into_bytes();
    let mut forms = vec![
        ("raw", piece.to_vec()),
        ("reversed", piece.iter().rev().copied().collect()),
        ("UTF-16LE", piece.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("hex", each(|byte| format!("{byte:02x}"))),
        ("HEX", each(|byte| format!("{byte:02X}"))),
        ("percent-encoded", each(percent)),
        ("percent-encoded in small letters", each(small_percent)),
    ];
    for before in 0..3 {
        // The characters at the edges also depend on the adjacent bytes.
        let padded = [&vec![0; before][..], piece].concat();
        let letters = base64(&padded);
        forms.push(("base64", letters[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_vec()));
    }
    forms
}

/// Percent-encodes one byte of a URL's password.
pub(super) fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

fn small_percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { percent(byte) } else { percent(byte).to_lowercase() }
}

/// Encodes bytes in Base64 without padding.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |index: usize| bytes.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
    let letter = |index: usize| (0..6).fold(0, |sum, n| sum << 1 | usize::from(bit(index * 6 + n)));
    (0..(bytes.len() * 8).div_ceil(6)).map(|index| LETTERS[letter(index)]).collect()
}

//! Equality of short texts, eight bytes at a time.
//!
//! WebAssembly has no instruction for that: a compiler calls a function that compares byte by byte, and every iteration
//! of that loop is metered.

/// Returns true if two texts are equal.
#[inline]
pub fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    one.len() == other.len() && same_long(one, other).unwrap_or_else(|| same_short(one, other))
}

/// Compares texts of one length of eight bytes and more: the last eight may overlap the ones before.
#[inline]
fn same_long(one: &[u8], other: &[u8]) -> Option<bool> {
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let (last, other_last) = (one.last_chunk()?, other.last_chunk()?);
    let mut words = one.as_chunks().0.iter().zip(other.as_chunks().0);
    Some(word(last) == word(other_last) && words.all(|(one, other)| word(one) == word(other)))
}

/// Compares texts of fewer than eight bytes.
#[inline]
fn same_short(one: &[u8], other: &[u8]) -> bool {
    let half = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
    match (one.first_chunk(), other.first_chunk(), one.last_chunk(), other.last_chunk()) {
        (Some(first), Some(other_first), Some(last), Some(other_last)) => {
            half(first) == half(other_first) && half(last) == half(other_last)
        }
        _ => one.iter().zip(other).all(|(one, other)| one == other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_difference_is_found_at_any_place() {
        let text = "0123456789abcdefghijk";
        for len in 0..=text.len() {
            assert!(same(&text[..len], &text.to_owned()[..len]));
            for at in 0..len {
                let mut other = text[..len].to_owned();
                other.replace_range(at..=at, "-");
                assert!(!same(&text[..len], &other), "{other}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_string_equality(one in "[ab]{0,20}", other in "[ab]{0,20}") {
            prop_assert_eq!(same(&one, &other), one == other);
        }
    }
}

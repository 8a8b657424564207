//! How deep components lie in one another, found out before anything is parsed.
//!
//! What the parser remembers grows with the square of the depth: 200 kB of empty components in one
//! another take gigabytes. Compilers nest three or four.

/// How deep components may lie in one another.
const DEEPEST: usize = 32;

/// A component's magic number and version.
const HEADER: usize = 8;

/// The section that holds a component.
const COMPONENT: u8 = 4;

/// Refuses components in one another that are too deep, and what has no sections to look into.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    // Where the components end that the position is in.
    let mut ends = vec![bytes.len()];
    let mut position = HEADER;
    while let Some(&end) = ends.last() {
        if position == end {
            ends.pop();
            continue;
        }
        let (section, start, length) = section(bytes, position).ok_or_else(broken)?;
        let section_end = start.checked_add(length).filter(|&last| last <= end).ok_or_else(broken)?;
        position = section_end;
        if section == COMPONENT {
            if ends.len() > DEEPEST {
                return Err(format!("components lie in one another more than {DEEPEST} deep"));
            }
            position = start.checked_add(HEADER).filter(|&first| first <= section_end).ok_or_else(broken)?;
            ends.push(section_end);
        }
    }
    Ok(())
}

/// A section's number, start and length.
fn section(bytes: &[u8], position: usize) -> Option<(u8, usize, usize)> {
    let number = *bytes.get(position)?;
    let mut length = 0_u64;
    // Seven bits at a time, in five bytes at the most.
    for index in 0..5 {
        let byte = *bytes.get(position + 1 + index)?;
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((number, position + 2 + index, usize::try_from(length).ok()?));
        }
    }
    None
}

fn broken() -> String {
    "its sections are not as long as they say".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let wat = format!("{}{}", "(component ".repeat(depth + 1), ")".repeat(depth + 1));
        wat::parse_str(wat).unwrap()
    }

    #[test]
    fn a_few_components_may_lie_in_one_another() {
        for depth in [0, 1, DEEPEST] {
            assert_eq!(check(&nested(depth)), Ok(()), "{depth}");
        }
        assert!(check(&nested(DEEPEST + 1)).unwrap_err().contains("deep"));
    }

    #[test]
    fn neighbours_do_not_count() {
        let wat = format!("(component {})", "(component (component))".repeat(3 * DEEPEST));
        assert_eq!(check(&wat::parse_str(wat).unwrap()), Ok(()));
    }

    #[test]
    fn the_built_in_components_pass_and_none_of_their_beginnings() {
        let whole = crate::components::embedded(crate::components::World::Manager);
        assert_eq!(check(whole), Ok(()));
        for length in (HEADER + 1..whole.len()).step_by(997) {
            // A cut between two sections leaves a shorter component, which is the parser's to refuse.
            if check(&whole[..length]).is_ok() {
                assert!(section(whole, length).is_some(), "{length}");
            }
        }
    }

    #[test]
    fn lengths_that_lead_nowhere_are_refused() {
        for tail in [&[4][..], &[4, 0x80], &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &[0, 5, 1], &[4, 3, 0, 0, 0]] {
            let bytes = [b"\0asm\x0d\0\x01\0", tail].concat();
            assert!(check(&bytes).is_err(), "{tail:?}");
        }
    }
}

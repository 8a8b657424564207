//! How deep components lie in one another and how heavy their modules are, found out before anything is
//! parsed.
//!
//! What the parser remembers grows with the square of the depth: 200 kB of empty components in one
//! another take gigabytes. Compilers nest three or four. And what an instance of a module takes of the
//! host's memory beside its own is counted by no limiter of the engine.

/// How deep components may lie in one another.
const DEEPEST: usize = 32;

/// A component's magic number and version.
const HEADER: usize = 8;

/// The section that holds a component.
const COMPONENT: u8 = 4;

/// The section that holds a core module, and in it those that count its functions and its globals.
const MODULE: u8 = 1;
const FUNCTIONS: u8 = 3;
const GLOBALS: u8 = 6;

/// What a function and a global weigh in an instance, at the most.
const FUNCTION: u64 = 32;
const GLOBAL: u64 = 16;

/// What an instance of a module may weigh beside its memories and tables. The largest known language
/// runtime weighs a quarter of it.
const HEAVIEST: u64 = 4 << 20;

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
        if section == MODULE && weight(&bytes[start..section_end]).ok_or_else(broken)? > HEAVIEST {
            return Err(format!("an instance of one of its modules would take more than {} MiB", HEAVIEST >> 20));
        }
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

/// What an instance of a core module takes for its functions and globals, bytes.
fn weight(module: &[u8]) -> Option<u64> {
    let (mut position, mut weight) = (HEADER, 0);
    while position < module.len() {
        let (section, start, length) = section(module, position)?;
        let each = match section {
            FUNCTIONS => FUNCTION,
            GLOBALS => GLOBAL,
            _ => 0,
        };
        if each > 0 {
            weight += number(module, start)?.0 * each;
        }
        position = start.checked_add(length)?;
    }
    Some(weight)
}

/// A section's number, start and length.
fn section(bytes: &[u8], position: usize) -> Option<(u8, usize, usize)> {
    let (length, start) = number(bytes, position + 1)?;
    Some((*bytes.get(position)?, start, usize::try_from(length).ok()?))
}

/// A number, and the position behind it.
fn number(bytes: &[u8], position: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    // Seven bits at a time, in five bytes at the most.
    for index in 0..5 {
        let byte = *bytes.get(position + index)?;
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((number, position + index + 1));
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
    fn modules_may_weigh_only_so_much() {
        let module = |globals: usize| {
            let globals = "(global i64 (i64.const 0))".repeat(globals);
            wat::parse_str(format!("(component (component (core module {globals})))")).unwrap()
        };
        assert_eq!(check(&module(1_000)), Ok(()));
        assert!(check(&module(300_000)).unwrap_err().contains("4 MiB"));
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

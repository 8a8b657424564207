//! Limits of a component's structure, checked before it is compiled: the depth of nested components, and the memory
//! that an instance of a module takes.
//!
//! The validator's memory grows with the square of the depth: 200 kB of nested empty components take gigabytes.
//! Compilers nest three or four. And no limiter of the engine counts the host's memory for an instance of a module,
//! beside its linear memories and tables.

use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

/// Depth of nested components that is allowed.
const DEEPEST: usize = 32;

/// Bytes of an instance for each of its functions and globals, at the most.
const FUNCTION: u64 = 32;
const GLOBAL: u64 = 16;

/// Bytes that an instance of a module may take beside its memories and tables. The largest known language runtime takes
/// a quarter of it.
const HEAVIEST: u64 = 4 << 20;

/// Checks a component; the error names the limit that it exceeds, or the position of a syntax error.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    // One for each component and module that the parser is in.
    let mut weights: Vec<u64> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| broken(&error))?;
        let added = match &payload {
            Payload::Version { encoding, .. } => {
                // Modules hold no components, so that all but the last are components.
                if *encoding == Encoding::Component && weights.len() > DEEPEST {
                    return Err(format!("components lie in one another more than {DEEPEST} deep"));
                }
                weights.push(0);
                0
            }
            Payload::End(_) => {
                weights.pop();
                0
            }
            Payload::FunctionSection(functions) => u64::from(functions.count()) * FUNCTION,
            Payload::GlobalSection(globals) => u64::from(globals.count()) * GLOBAL,
            _ => 0,
        };
        if let Some(weight) = weights.last_mut() {
            *weight += added;
            if *weight > HEAVIEST {
                return Err(format!("an instance of one of its modules would take more than {} MiB", HEAVIEST >> 20));
            }
        }
    }
    Ok(())
}

fn broken(error: &BinaryReaderError) -> String {
    format!("its sections cannot be parsed: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let wat = format!("{}{}", "(component ".repeat(depth + 1), ")".repeat(depth + 1));
        wat::parse_str(wat).unwrap()
    }

    #[test]
    fn nesting_of_components_is_limited() {
        for depth in [0, 1, DEEPEST] {
            assert_eq!(check(&nested(depth)), Ok(()), "{depth}");
        }
        assert!(check(&nested(DEEPEST + 1)).unwrap_err().contains("deep"));
    }

    #[test]
    fn components_side_by_side_are_not_nested() {
        let wat = format!("(component {})", "(component (component))".repeat(3 * DEEPEST));
        assert_eq!(check(&wat::parse_str(wat).unwrap()), Ok(()));
    }

    #[test]
    fn limits_the_memory_of_a_module() {
        let module = |globals: usize| {
            let globals = "(global i64 (i64.const 0))".repeat(globals);
            wat::parse_str(format!("(component (component (core module {globals})))")).unwrap()
        };
        assert_eq!(check(&module(1_000)), Ok(()));
        assert!(check(&module(300_000)).unwrap_err().contains("4 MiB"));
    }

    #[test]
    fn accepts_the_built_in_component_and_refuses_it_when_it_is_cut() {
        let whole = crate::components::embedded(crate::components::World::Manager);
        assert_eq!(check(whole), Ok(()));
        let module = Parser::new(0).parse_all(whole).find_map(|payload| match payload {
            Ok(Payload::ModuleSection { unchecked_range, .. }) => Some(unchecked_range),
            _ => None,
        });
        // Between two sections a cut leaves a shorter component, which the validator refuses.
        for length in module.unwrap().step_by(997).skip(1) {
            assert!(check(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn refuses_sections_that_are_longer_than_the_file() {
        for tail in [&[4][..], &[4, 0x80], &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &[0, 5, 1], &[4, 3, 0, 0, 0]] {
            let bytes = [b"\0asm\x0d\0\x01\0", tail].concat();
            assert!(check(&bytes).is_err(), "{tail:?}");
        }
    }
}

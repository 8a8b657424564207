//! Names of a component's imports and exports, as its binary form lists them.

use wasmparser::{BinaryReaderError, Parser, Payload};

/// Names of what a component imports and exports, in its own order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Names of the imports, such as `archon:connection-pool/database@1.0.0`.
    pub imports: Vec<String>,
    /// Names of the exports.
    pub exports: Vec<String>,
}

impl Interfaces {
    /// Reads the names from a component; the error names the position of a syntax error.
    pub fn of(component: &[u8]) -> Result<Self, String> {
        Self::read(component).map_err(|error| format!("its imports and exports cannot be parsed: {error}"))
    }

    fn read(component: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut found = Self::default();
        // Modules and components within the component have imports and exports of their own.
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        found.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        found.exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{World, embedded};

    #[test]
    fn names_of_nested_components_are_left_out() {
        let wat = r#"(component
            (import "a:b/c" (instance $c))
            (component (import "inner" (func)) (export "x:y/z" (func 0)))
            (export "d:e/f@1.2.3" (instance $c)))"#;
        let expected = Interfaces { imports: vec!["a:b/c".to_owned()], exports: vec!["d:e/f@1.2.3".to_owned()] };
        assert_eq!(Interfaces::of(&wat::parse_str(wat).unwrap()), Ok(expected));
    }

    #[test]
    fn the_analyser_imports_nothing_and_all_worlds_export_the_analysis() {
        assert_eq!(Interfaces::of(embedded(World::Analyser)).unwrap().imports, [""; 0]);
        for world in World::ALL {
            let exports = Interfaces::of(embedded(world)).unwrap().exports;
            assert!(exports.iter().any(|name| name.starts_with("archon:connection-pool/analysis@")), "{exports:?}");
        }
    }

    #[test]
    fn a_file_that_was_cut_is_refused() {
        let whole = embedded(World::Observer);
        assert!(Interfaces::of(&whole[..whole.len() / 2]).unwrap_err().contains("cannot be parsed"));
    }
}

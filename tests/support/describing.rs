//! Generates a component that only describes itself, with a given text.

/// Returns the WAT of a component whose `skill.describe` returns this text.
pub fn describing(description: &str) -> String {
    let data: String = description.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let length = description.len();
    format!(
        r#"(component
          (core module $m
            (memory (export "memory") 1)
            (data (i32.const 16) "{data}")
            (func (export "describe") (result i32)
              (i32.store (i32.const 0) (i32.const 16))
              (i32.store (i32.const 4) (i32.const {length}))
              (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $describe (result string) (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
          (instance $skill (export "describe" (func $describe)))
          (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
    )
}

//! Entry points of the fuzz targets into private code. No part of the interface: it may change at any time.

use std::sync::LazyLock;

use serde_json::Value as Json;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Type as ComponentType};

use crate::components::{World, embedded};
use crate::engine::Engine;
use crate::json_values;
use crate::limits::Limits;

/// The types of everything that the analyser's functions take.
static TYPES: LazyLock<Vec<ComponentType>> = LazyLock::new(|| {
    let engine = Engine::new(&Limits::default()).unwrap_or_else(|fault| panic!("{fault}"));
    let component = Component::from_binary(engine.wasmtime(), embedded(World::Analyser));
    let component = component.unwrap_or_else(|error| panic!("{error}"));
    let mut types = Vec::new();
    for (_, item) in component.component_type().exports(engine.wasmtime()) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        for (_, item) in instance.exports(engine.wasmtime()) {
            if let ComponentItem::ComponentFunc(function) = item.ty {
                types.extend(function.params().map(|(_, expected)| expected));
            }
        }
    }
    assert!(!types.is_empty(), "the analyser takes nothing");
    types
});

/// Reads a document as each type that a component of ours takes. What can be read is written as what reads the same.
pub fn json_value(json: &Json) {
    for expected in TYPES.iter() {
        let Ok(value) = json_values::from_json(json, expected) else { continue };
        let Ok(written) = json_values::to_json(&value) else { panic!("a value that was read cannot be written") };
        let Ok(again) = json_values::from_json(&written, expected) else { panic!("what was written cannot be read") };
        assert!(json_values::to_json(&again).is_ok_and(|again| again == written), "a value came back changed");
    }
}

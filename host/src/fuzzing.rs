//! What is private but worth fuzzing and measuring. No part of the interface: it may change at any time.

use std::sync::LazyLock;

use bytes::BytesMut;
use serde_json::Value as Json;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Type as ComponentType};

use crate::components::{World, embedded};
use crate::engine::Engine;
use crate::json_values;
use crate::limits::Limits;
use crate::values::{Cell, parameter_type};

/// The engine as it is configured for components, for benchmarks that link them to hosts of their own.
pub fn wasmtime(engine: &Engine) -> &wasmtime::Engine {
    engine.wasmtime()
}

/// Decodes what a server sent for a column. What can be decoded goes out and comes back as the same bytes.
pub fn value(type_oid: u32, raw: &[u8]) {
    let Some(column) = Type::from_oid(type_oid) else { return };
    let Ok(cell) = Cell::from_sql(&column, raw) else { return };
    let sent_as = parameter_type(&cell.0);
    let mut sent = BytesMut::new();
    let Ok(IsNull::No) = cell.to_sql(&sent_as, &mut sent) else { return };
    let Ok(back) = Cell::from_sql(&sent_as, &sent) else { panic!("a value that was sent is unreadable") };
    let mut again = BytesMut::new();
    assert!(matches!(back.to_sql(&sent_as, &mut again), Ok(IsNull::No)) && sent == again, "a value came back changed");
}

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

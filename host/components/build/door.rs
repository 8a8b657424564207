//! Composition of `pool-door.wasm`: the observer between an adapter, which provides its imports, and a front, which
//! exports one function.
//!
//! Written here and not with `wac-graph`: the features that it wants of shared crates would have Cargo compile wasmtime
//! once more.

use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentInstanceSection,
    ComponentSectionId, RawSection,
};
use wasmparser::{ComponentTypeRef, Parser, Payload};

/// The observer's export that the front imports.
const SKILL: &str = "archon:connection-pool/skill@1.0.0";
/// The front's export.
const FULL_ANALYSIS: &str = "full-analysis";

const INSTANCE: ComponentExportKind = ComponentExportKind::Instance;

/// Indices of the nested components.
const ADAPTER: u32 = 0;
const OBSERVER: u32 = 1;
const FRONT: u32 = 2;

/// Composes the three. The result imports what the adapter imports, and exports what the front exports.
pub(super) fn compose(adapter: &[u8], observer: &[u8], front: &[u8]) -> Result<Vec<u8>, String> {
    let mut composed = Component::new();
    let imports = copy_imports(adapter, &mut composed)?;
    for bytes in [adapter, observer, front] {
        composed.section(&RawSection { id: ComponentSectionId::Component.into(), data: bytes });
    }
    // The imported instances come first.
    let mut next = index(imports.len());
    let provided =
        instantiate(&mut composed, &mut next, ADAPTER, imports.iter().map(String::as_str).zip(0..).collect());
    let wanted = instance_imports(observer)?;
    let lent = wanted.iter().map(|name| (name.as_str(), alias(&mut composed, &mut next, provided, name))).collect();
    let analysis = instantiate(&mut composed, &mut next, OBSERVER, lent);
    let skill = alias(&mut composed, &mut next, analysis, SKILL);
    let called = instantiate(&mut composed, &mut next, FRONT, vec![(SKILL, skill)]);
    let mut function = ComponentAliasSection::new();
    function.alias(Alias::InstanceExport { instance: called, kind: ComponentExportKind::Func, name: FULL_ANALYSIS });
    composed.section(&function);
    let mut exports = ComponentExportSection::new();
    exports.export(FULL_ANALYSIS, ComponentExportKind::Func, 0, None);
    composed.section(&exports);
    Ok(composed.finish())
}

/// Copies the sections in which a component declares its imports and their types, which are those before its modules.
/// Returns the imports' names, each of an instance.
fn copy_imports(component: &[u8], into: &mut Component) -> Result<Vec<String>, String> {
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| error.to_string())?;
        match &payload {
            Payload::Version { .. } => {}
            Payload::ComponentTypeSection(_)
            | Payload::ComponentImportSection(_)
            | Payload::ComponentAliasSection(_) => {
                let (id, range) = payload.as_section().ok_or("a section has no bytes")?;
                into.section(&RawSection { id, data: &component[range] });
            }
            _ => break,
        }
    }
    instance_imports(component)
}

/// Returns the names of a component's imports.
fn instance_imports(component: &[u8]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(|error| error.to_string())?;
                    if !matches!(import.ty, ComponentTypeRef::Instance(_)) {
                        return Err(format!("{} is no interface", import.name.name));
                    }
                    names.push(import.name.name.to_owned());
                }
            }
            // Nested modules and components have imports of their own.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => break,
            _ => {}
        }
    }
    Ok(names)
}

/// Instantiates a nested component, and returns the instance.
fn instantiate(into: &mut Component, next: &mut u32, component: u32, arguments: Vec<(&str, u32)>) -> u32 {
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(component, arguments.into_iter().map(|(name, instance)| (name, INSTANCE, instance)));
    into.section(&instances);
    take(next)
}

/// Takes an interface from the exports of an instance, and returns it.
fn alias(into: &mut Component, next: &mut u32, instance: u32, name: &str) -> u32 {
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::InstanceExport { instance, kind: INSTANCE, name });
    into.section(&aliases);
    take(next)
}

fn take(next: &mut u32) -> u32 {
    *next += 1;
    *next - 1
}

fn index(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

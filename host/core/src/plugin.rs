//! A compiled component, checked against the worlds and linked to one.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use archon_pool_contract::fault::{Fault, kind};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use crate::call_state::CallState;
use crate::compiler::not_a_component;
use crate::component_limits;
use crate::components::{embedded, precompiled};
use crate::digest::Digest;
use crate::engine::{Engine, Metering};
use crate::exports::{Exports, Function};
use crate::limits::LimitError;
use crate::private_file;
use crate::world::World;

/// The WIT package and its version that this host implements.
const PACKAGE: &str = "archon:connection-pool/";
const MAJOR: &str = "1";
const VERSION: &str = "1.0.0";

/// Imports that each world adds.
const IMPORTS: [(World, &[&str]); 3] = [
    (World::Analyser, &["types", "analysis"]),
    (World::Observer, &["credentials", "database", "pooler"]),
    (World::Manager, &["backends", "scaling"]),
];

/// A compiled component that is linked to a world.
pub struct Plugin {
    pub(crate) pre: InstancePre<CallState>,
    exports: Exports,
    engine: Engine,
    metering: Metering,
    name: String,
    world: World,
    digest: Digest,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, sha256 {})", self.name, self.world, self.digest)
    }
}

impl Plugin {
    /// Loads the built-in component of a world.
    pub fn built_in(engine: &Engine, world: World) -> Result<Self, Fault> {
        check_size(engine, embedded(world).len() as u64)?;
        Self::load_built_in(engine, world.file_name(), world, world)
    }

    /// The built-in components are trusted: compiling them has no time limit.
    fn load_built_in(engine: &Engine, name: &str, world: World, most: World) -> Result<Self, Fault> {
        let bytes = embedded(world);
        let digest = Digest::of(bytes);
        let metering = engine.built_in_metering();
        let wasmtime = engine.wasmtime_of(metering);
        let component = match precompiled(wasmtime, world, digest) {
            Some(component) => component,
            None => {
                Component::from_binary(wasmtime, bytes).map_err(|error| not_a_component(name, &format!("{error:#}")))?
            }
        };
        Self::link(engine, name, digest, &component, metering, most)
    }

    /// Reads a component from a file.
    ///
    /// Fails with `not-a-component` for a file that is none, with `world-mismatch` for a component
    /// of another world or version, and with `limit-exceeded` for one that is too large.
    pub fn from_file(engine: &Engine, path: &Path) -> Result<Self, Fault> {
        Self::from_file_within(engine, path, World::Manager)
    }

    /// Reads a component from a file and refuses one whose imports exceed a world.
    pub fn from_file_within(engine: &Engine, path: &Path, most: World) -> Result<Self, Fault> {
        Self::load(engine, &path.display().to_string(), &Self::bytes(engine, path)?, most)
    }

    /// Reads a file within the size limit of components.
    pub fn bytes(engine: &Engine, path: &Path) -> Result<Vec<u8>, Fault> {
        let unreadable = |why: &str| not_a_component(&path.display().to_string(), why);
        // This error states the size; growth since then is detected while reading.
        check_size(engine, std::fs::metadata(path).map_or(0, |metadata| metadata.len()))?;
        let limit = usize::try_from(engine.component_bytes()).unwrap_or(usize::MAX);
        private_file::read_from_anyone(path, limit).map_err(|why| unreadable(&why))
    }

    /// Loads a component from memory; `name` identifies it in messages.
    pub fn from_bytes(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Self, Fault> {
        Self::load(engine, name, bytes, World::Manager)
    }

    /// Compiles a component, which blocks, and refuses one whose imports exceed a world.
    pub fn load(engine: &Engine, name: &str, bytes: &[u8], most: World) -> Result<Self, Fault> {
        check_size(engine, bytes.len() as u64)?;
        if let Some(world) = World::ALL.into_iter().find(|world| embedded(*world) == bytes) {
            return Self::load_built_in(engine, name, world, most);
        }
        if !bytes.starts_with(b"\0asm") {
            return Err(not_a_component(name, "it does not start like WebAssembly"));
        }
        if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
            return Err(not_a_component(name, "it is a core module: link it with wasm-component-ld"));
        }
        component_limits::check(bytes).map_err(|why| not_a_component(name, &why))?;
        let component = engine.compiler().compile(engine.wasmtime(), name, bytes)?;
        Self::link(engine, name, Digest::of(bytes), &component, Metering::Counted, most)
    }

    fn link(
        engine: &Engine,
        name: &str,
        digest: Digest,
        component: &Component,
        metering: Metering,
        most: World,
    ) -> Result<Self, Fault> {
        let shape = component.component_type();
        let interfaces = |item: &ComponentItem| matches!(item, ComponentItem::ComponentInstance(_));
        let wasmtime = engine.wasmtime_of(metering);
        let imports: BTreeSet<String> = shape.imports(wasmtime).map(|(name, _)| name.to_owned()).collect();
        let exports: Vec<String> =
            shape.exports(wasmtime).filter(|(_, item)| interfaces(&item.ty)).map(|(name, _)| name.to_owned()).collect();
        let world = world(name, &imports, &exports, most)?;
        let pre = engine.linker(metering, world).instantiate_pre(component).map_err(|error| {
            let message = format!("{name} does not fit the world {world}: {error:#}");
            Fault::new(kind::WORLD_MISMATCH, message)
        })?;
        let exports = Exports::of(component, |interface| {
            exports.iter().find(|name| ours(name) == Some(interface)).map(String::as_str)
        });
        Ok(Self { pre, exports, engine: engine.clone(), metering, name: name.to_owned(), world, digest })
    }

    /// Returns the component's world: the least powerful one that has all of its imports.
    pub fn world(&self) -> World {
        self.world
    }

    /// Returns the SHA-256 of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the component's name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the engine that it was loaded into.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns whether its instructions are counted, so that its store needs fuel.
    pub(crate) fn metering(&self) -> Metering {
        self.metering
    }

    /// Checks that the component exports the interface, in any minor version, that has a function.
    pub(crate) fn exports_interface_of(&self, function: Function) -> bool {
        self.exports.has_interface_of(function)
    }

    /// Returns the index of an exported function. Fails with `world-mismatch` when it is missing.
    pub(crate) fn function(&self, function: Function) -> Result<&ComponentExportIndex, Fault> {
        self.exports.index(function, &self.name, self.world)
    }
}

fn check_size(engine: &Engine, size: u64) -> Result<(), Fault> {
    let limit = engine.component_bytes();
    if size > limit { Err(LimitError::ComponentBytes { size, limit }.into()) } else { Ok(()) }
}

/// Returns the interface's short name if it belongs to this package in a supported version.
fn ours(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    (version.split('.').next() == Some(MAJOR)).then_some(interface)
}

fn is_wasi(name: &str) -> bool {
    name.starts_with("wasi:") && name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
}

/// Returns the interfaces that the host offers instead of an unknown import: the one of the same name in another
/// version or world, or all of the world's.
fn offered(import: &str, most: World) -> String {
    let full = |interface: &str| format!("{PACKAGE}{interface}@{VERSION}");
    let wanted = import.strip_prefix(PACKAGE).and_then(|rest| rest.split('@').next());
    let found = IMPORTS.into_iter().find_map(|(world, interfaces)| {
        let found = interfaces.iter().find(|interface| Some(**interface) == wanted);
        found.map(|interface| (world, full(interface)))
    });
    match found {
        Some((world, interface)) if world <= most => interface,
        Some((world, interface)) => format!("{interface} in the world {world} alone"),
        None if import.starts_with("wasi:") => "WASI 0.2".into(),
        None => {
            let worlds = IMPORTS.into_iter().filter(|(world, _)| *world <= most);
            let all: Vec<String> = worlds.flat_map(|(_, interfaces)| interfaces).map(|name| full(name)).collect();
            format!("{} and WASI 0.2", all.join(", "))
        }
    }
}

/// Returns the least powerful world that has all the imports and one of the exports.
fn world(name: &str, imports: &BTreeSet<String>, exports: &[String], most: World) -> Result<World, Fault> {
    let needs = |import: &String| match ours(import) {
        Some(interface) => {
            IMPORTS.into_iter().find(|(_, offered)| offered.contains(&interface)).map(|(world, _)| world)
        }
        None => is_wasi(import).then_some(World::Analyser),
    };
    let strange: Vec<String> = imports
        .iter()
        .filter(|import| needs(import).is_none_or(|world| world > most))
        .map(|import| format!("wants {import}; offered: {}", offered(import, most)))
        .collect();
    if !strange.is_empty() {
        let message = format!("{name} does not fit the world {most}: it {}", some_of(&strange, "; it "));
        return Err(Fault::new(kind::WORLD_MISMATCH, message));
    }
    let found: Vec<&str> = exports.iter().filter_map(|export| ours(export)).collect();
    let least = match found.as_slice() {
        found if found.contains(&"skill") || found.contains(&"pool-manager") => World::Observer,
        found if found.contains(&"analysis") => World::Analyser,
        _ => {
            let has = if exports.is_empty() { "nothing".to_owned() } else { some_of(exports, ", ") };
            let message =
                format!("{name} exports {has}; wanted: some of {PACKAGE}{{analysis,pool-manager,skill}}@{VERSION}");
            return Err(Fault::new(kind::WORLD_MISMATCH, message));
        }
    };
    Ok(imports.iter().filter_map(needs).max().unwrap_or(least).max(least))
}

/// Returns the first few of a component's names: there may be a million, of any length.
fn some_of(words: &[String], between: &str) -> String {
    const FEW: usize = 8;
    const LONG: usize = 1_000;
    let mut shown: Vec<String> = words.iter().take(FEW).map(|word| word.chars().take(LONG).collect()).collect();
    if words.len() > FEW {
        shown.push(format!("and {} more", words.len() - FEW));
    }
    shown.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn load(wat: &str, most: World) -> Result<Plugin, Fault> {
        let engine = Engine::new(&Limits::default()).unwrap();
        Plugin::load(&engine, "it.wasm", &wat::parse_str(wat).unwrap(), most)
    }

    /// Returns a component that imports some empty interfaces and exports others.
    fn component(imports: &[&str], exports: &[&str]) -> String {
        let import = |name: &&str| format!("(import \"{name}\" (instance))");
        let export = |name: &&str| format!("(export \"{name}\" (instance $empty))");
        format!(
            "(component (instance $empty) {} {})",
            imports.iter().map(import).collect::<String>(),
            exports.iter().map(export).collect::<String>()
        )
    }

    const SKILL: &str = "archon:connection-pool/skill@1.0.0";
    const DATABASE: &str = "archon:connection-pool/database@1.0.0";
    const BACKENDS: &str = "archon:connection-pool/backends@1.0.0";
    const ANALYSIS: &str = "archon:connection-pool/analysis@1.0.0";

    #[test]
    fn a_component_gets_the_world_with_the_fewest_imports() {
        let world =
            |imports: &[&str], exports: &[&str]| load(&component(imports, exports), World::Manager).unwrap().world();
        assert_eq!(world(&[], &[ANALYSIS]), World::Analyser);
        assert_eq!(world(&[], &[SKILL]), World::Observer);
        assert_eq!(world(&[DATABASE], &[ANALYSIS, SKILL]), World::Observer);
        assert_eq!(world(&[DATABASE, BACKENDS], &[SKILL]), World::Manager);
        // A later minor version of this package is supported.
        assert_eq!(world(&["archon:connection-pool/database@1.4.0"], &[SKILL]), World::Observer);
    }

    #[test]
    fn a_component_of_another_world_is_refused_with_both_import_lists() {
        for (imports, exports, word) in [
            (&["other:thing/power@1.0.0"][..], &[SKILL][..], "other:thing/power@1.0.0"),
            (
                &["archon:connection-pool/database@2.0.0"],
                &[SKILL],
                "wants archon:connection-pool/database@2.0.0; offered: archon:connection-pool/database@1.0.0",
            ),
            (&["archon:connection-pool/files@1.0.0"], &[SKILL], "scaling@1.0.0 and WASI 0.2"),
            (&["wasi:http/handler@0.3.0"], &[SKILL], "wants wasi:http/handler@0.3.0; offered: WASI 0.2"),
            (&[], &["other:thing/door@1.0.0"], "other:thing/door@1.0.0"),
            (&[], &[], "nothing"),
        ] {
            let fault = load(&component(imports, exports), World::Manager).unwrap_err();
            assert_eq!(fault.kind, kind::WORLD_MISMATCH);
            assert!(fault.message.contains(word), "{fault}");
        }
    }

    #[test]
    fn a_world_with_more_imports_than_allowed_is_refused() {
        let fault = load(&component(&[BACKENDS], &[SKILL]), World::Observer).unwrap_err();
        assert_eq!(fault.kind, kind::WORLD_MISMATCH);
        assert!(fault.message.contains(&format!("offered: {BACKENDS} in the world manager alone")), "{fault}");
    }

    #[test]
    fn a_missing_or_different_function_is_named() {
        let import = |function: &str| {
            let credential = "(export \"credential\" (type $c (sub resource)))";
            format!(
                "(component (import \"archon:connection-pool/credentials@1.0.0\" (instance {credential} {function})) \
                 (instance $empty) (export \"{SKILL}\" (instance $empty)))"
            )
        };
        for function in ["unlock", "lookup"] {
            let export = format!("(export \"{function}\" (func (param \"name\" string)))");
            let fault = load(&import(&export), World::Manager).unwrap_err();
            assert_eq!(fault.kind, kind::WORLD_MISMATCH);
            assert!(fault.message.contains("credentials@1.0.0") && fault.message.contains(function), "{fault}");
        }
    }

    #[test]
    fn a_file_that_is_no_component_is_named() {
        let engine = Engine::new(&Limits::default()).unwrap();
        let core = wat::parse_str("(module)").unwrap();
        for bytes in [&b""[..], b"hello", b"\0asm", b"\0asm\x0d\0\x01\0nonsense", &core] {
            let fault = Plugin::from_bytes(&engine, "it.wasm", bytes).unwrap_err();
            assert_eq!(fault.kind, kind::NOT_A_COMPONENT);
            assert!(fault.message.starts_with("it.wasm is not a WebAssembly component"), "{fault}");
        }
        let fault = Plugin::from_file(&engine, Path::new("/no/such.wasm")).unwrap_err();
        assert!(fault.message.contains("/no/such.wasm"), "{fault}");
    }

    #[test]
    fn a_component_can_be_too_large() {
        let engine = Engine::new(&Limits { component_bytes: 10, ..Limits::default() }).unwrap();
        let fault = Plugin::built_in(&engine, World::Analyser).unwrap_err();
        assert!(fault.message.contains("`component_bytes`"), "{fault}");
    }

    #[test]
    fn the_built_in_components_match_their_worlds() {
        let engine = Engine::new(&Limits::default()).unwrap();
        for world in World::ALL {
            let plugin = Plugin::built_in(&engine, world).unwrap();
            assert_eq!(plugin.world(), world);
            assert_eq!(plugin.digest(), Digest::of(embedded(world)));
        }
    }

    #[test]
    fn instructions_of_built_in_components_are_counted_only_with_a_limit_of_their_own() {
        let engine = Engine::new(&Limits::default()).unwrap();
        let bytes = embedded(World::Analyser);
        let of_file = Plugin::from_bytes(&engine, "copy.wasm", bytes).unwrap();
        assert_eq!(of_file.metering(), Metering::TimeOnly);
        let other = load(&component(&[], &[ANALYSIS]), World::Manager).unwrap();
        assert_eq!(other.metering(), Metering::Counted);
        let counting = Engine::new(&Limits { fuel: 1_000, ..Limits::default() }).unwrap();
        assert_eq!(Plugin::built_in(&counting, World::Analyser).unwrap().metering(), Metering::Counted);
    }
}

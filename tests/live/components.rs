//! Built-in components: imports limited to their world, no WASI, and a bounded size.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use archon_pool::components::{World, embedded};
use wit_component::{DecodedWasm, decode};
use wit_parser::Resolve;

use crate::wit;

/// Recorded sizes in bytes. An increase by half is either a mistake or requires an update here.
const RECORDED: [(World, usize); 3] =
    [(World::Analyser, 1_130_000), (World::Observer, 1_620_000), (World::Manager, 1_630_000)];

#[test]
fn components_import_only_items_of_their_world() -> Result<()> {
    for world in World::ALL {
        let allowed = imports_of_world(world)?;
        let imported = imports_of_component(embedded(world))?;
        let surplus: Vec<&String> = imported.difference(&allowed).collect();
        assert!(surplus.is_empty(), "pool-{world}.wasm imports {surplus:?}, which its world does not lend");
        assert!(!imported.iter().any(|import| import.starts_with("wasi:")), "pool-{world}.wasm imports WASI");
    }
    Ok(())
}

#[test]
fn only_the_manager_imports_interfaces_that_change_something() -> Result<()> {
    let named = |interface: &str| format!("archon:connection-pool/{interface}@1.0.0");
    let [analyser, observer, manager] = World::ALL.map(|world| imports_of_component(embedded(world)));
    assert_eq!(analyser?, BTreeSet::new());
    let (observer, manager) = (observer?, manager?);
    for power in ["backends", "scaling"] {
        assert!(!observer.contains(&named(power)), "an observer can use {power}");
    }
    // Binaries omit imports that no code calls, so `scaling` is not checked.
    assert!(manager.contains(&named("backends")), "a manager cannot end sessions");
    Ok(())
}

#[test]
fn components_match_their_world() -> Result<()> {
    for world in World::ALL {
        let mut resolve = Resolve::default();
        let package = wit::push(&mut resolve, "../wit", "1.0.0")?;
        let id = resolve.packages[package].worlds[world.name()];
        wit_component::targets(&resolve, id, embedded(world), false).with_context(|| format!("pool-{world}.wasm"))?;
    }
    Ok(())
}

#[test]
fn components_are_not_50_percent_larger_than_recorded() {
    for (world, recorded) in RECORDED {
        let size = embedded(world).len();
        assert!(2 * size <= 3 * recorded, "pool-{world}.wasm has {size} bytes; {recorded} were recorded");
    }
}

fn imports_of_world(world: World) -> Result<BTreeSet<String>> {
    let mut resolve = Resolve::default();
    let package = wit::push(&mut resolve, "../wit", "1.0.0")?;
    let id = resolve.packages[package].worlds[world.name()];
    Ok(imports(&resolve, id))
}

fn imports_of_component(bytes: &[u8]) -> Result<BTreeSet<String>> {
    match decode(bytes)? {
        DecodedWasm::Component(resolve, world) => Ok(imports(&resolve, world)),
        DecodedWasm::WitPackage(..) => bail!("this is a WIT package and no component"),
    }
}

fn imports(resolve: &Resolve, world: wit_parser::WorldId) -> BTreeSet<String> {
    resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect()
}

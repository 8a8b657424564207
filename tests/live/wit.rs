//! The contract: `wit/` parses, and components of the released version are still compatible.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wit_parser::{PackageId, Resolve, SourceMap};

const WORLDS: [&str; 3] = ["analyser", "observer", "manager"];

#[test]
fn the_wit_package_parses_with_its_three_worlds() -> Result<()> {
    let mut resolve = Resolve::default();
    let package = push(&mut resolve, "../wit", "1.0.0")?;
    assert_eq!(resolve.packages[package].name.to_string(), "archon:connection-pool@1.0.0");
    let worlds: Vec<&str> = resolve.packages[package].worlds.keys().map(String::as_str).collect();
    assert_eq!(worlds, WORLDS);
    Ok(())
}

#[test]
fn the_printed_document_is_the_package() -> Result<()> {
    let mut sources = SourceMap::default();
    sources.push(Path::new("printed.wit"), archon_pool::components::WIT);
    let group = sources.parse().map_err(|(_, error)| anyhow::anyhow!("{error}"))?;
    let mut printed = Resolve::default();
    let printed_package = printed.push_group(group)?;
    let mut folder = Resolve::default();
    let package = push(&mut folder, "../wit", "1.0.0")?;
    let names = |resolve: &Resolve, package: PackageId| {
        let package = &resolve.packages[package];
        let of = |id| {
            let interface = &resolve.interfaces[id];
            let types: Vec<_> = interface.types.keys().cloned().collect();
            (interface.docs.contents.clone(), types, interface.functions.keys().cloned().collect::<Vec<_>>())
        };
        let mut interfaces: Vec<_> = package.interfaces.iter().map(|(name, id)| (name.clone(), of(*id))).collect();
        interfaces.sort();
        (package.docs.contents.clone(), interfaces, package.worlds.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(names(&printed, printed_package), names(&folder, package));
    Ok(())
}

#[test]
fn every_wit_item_is_documented() -> Result<()> {
    let mut resolve = Resolve::default();
    push(&mut resolve, "../wit", "1.0.0")?;
    let mut bare = Vec::new();
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.as_deref().unwrap_or_default();
        if interface.docs.contents.is_none() {
            bare.push(name.to_owned());
        }
        let types = interface.types.iter().filter(|(_, id)| {
            // `use` creates aliases, which are documented at their origin.
            let ty = &resolve.types[**id];
            ty.docs.contents.is_none() && !matches!(ty.kind, wit_parser::TypeDefKind::Type(_))
        });
        bare.extend(types.map(|(ty, _)| format!("{name}.{ty}")));
        let functions = interface.functions.iter().filter(|(_, function)| function.docs.contents.is_none());
        bare.extend(functions.map(|(function, _)| format!("{name}.{function}")));
    }
    assert!(bare.is_empty(), "undocumented: {}", bare.join(", "));
    Ok(())
}

#[test]
fn components_of_the_released_version_still_load() -> Result<()> {
    for world in WORLDS {
        let mut resolve = Resolve::default();
        // One `Resolve` holds a package version only once, and the check ignores versions.
        let frozen = push(&mut resolve, "wit-1.0.0", "0.0.0")?;
        let current = push(&mut resolve, "../wit", "1.0.0")?;
        let (frozen, current) = (resolve.packages[frozen].worlds[world], resolve.packages[current].worlds[world]);
        wit_component::semver_check(resolve, frozen, current).with_context(|| {
            format!("world `{world}` has changed in a way that breaks components (before the first release: `make freeze-wit`)")
        })?;
    }
    Ok(())
}

/// Reads a folder of WIT with another version number.
pub(crate) fn push(resolve: &mut Resolve, folder: &str, version: &str) -> Result<PackageId> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = SourceMap::default();
    let files = fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?;
    for file in files {
        let file = file?.path();
        let text = fs::read_to_string(&file)?.replace("connection-pool@1.0.0;", &format!("connection-pool@{version};"));
        sources.push(&file, text);
    }
    let group = sources.parse().map_err(|(_, error)| anyhow::anyhow!("{error}"))?;
    Ok(resolve.push_group(group)?)
}

//! `server.json`, which describes the MCP server to its registry, and the packages that it names: the registry compares
//! names and versions.

use serde_json::Value;

const SERVER: &str = include_str!("../../server.json");
const NPM: &str = include_str!("../../../node/package.json");
const PYTHON: &str = include_str!("../../../python/pyproject.toml");
const PYTHON_README: &str = include_str!("../../../python/README.md");

/// Limit of the registry's schema.
const DESCRIPTION_CHARACTERS: usize = 100;

#[test]
fn the_registry_finds_the_same_names_and_versions_in_the_packages() {
    let server: Value = serde_json::from_str(SERVER).unwrap();
    let npm: Value = serde_json::from_str(NPM).unwrap();
    let name = server["name"].as_str().unwrap();
    assert_eq!(npm["mcpName"], name);
    assert!(PYTHON_README.contains(&format!("<!-- mcp-name: {name} -->")));
    assert_eq!(server["version"], env!("CARGO_PKG_VERSION"));
    assert!(server["description"].as_str().unwrap().chars().count() <= DESCRIPTION_CHARACTERS);
    let packages = server["packages"].as_array().unwrap();
    assert_eq!(packages.iter().map(|it| &it["registryType"]).collect::<Vec<_>>(), ["npm", "pypi"]);
    for package in packages {
        let (identifier, version) = (package["identifier"].as_str().unwrap(), package["version"].as_str().unwrap());
        assert_eq!((&npm["name"], &npm["version"]), (&identifier.into(), &version.into()));
        for line in [format!("name = {identifier:?}"), format!("version = {version:?}")] {
            assert!(PYTHON.lines().any(|it| it == line), "{line}");
        }
        assert_eq!(package["packageArguments"][0]["value"], "mcp");
    }
}

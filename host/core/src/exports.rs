//! Exported functions of a component, found when it is loaded.

use archon_pool_contract::fault::{Fault, kind};
use wasmtime::component::{Component, ComponentExportIndex};

use crate::world::World;

/// An exported function that the host calls. All take and return JSON texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    /// `skill.run`: a SkillInput in, a SkillOutput out.
    Run,
    /// `skill.describe`: the description out.
    Describe,
    /// `pool-manager.collect-json`: a SkillInput in, a snapshot out.
    Collect,
    /// `analysis.analyse-json`: a snapshot with options and carry in, a report out.
    Analyse,
}

impl Function {
    const ALL: [Self; 4] = [Self::Run, Self::Describe, Self::Collect, Self::Analyse];

    /// Returns the interface in `wit/` that has the function.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Self::Run | Self::Describe => "skill",
            Self::Collect => "pool-manager",
            Self::Analyse => "analysis",
        }
    }

    /// Returns the function's name in `wit/`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Describe => "describe",
            Self::Collect => "collect-json",
            Self::Analyse => "analyse-json",
        }
    }
}

/// The functions of the interfaces that a component exports. One that its interface lacks has no index.
pub(crate) struct Exports(Vec<(Function, Option<ComponentExportIndex>)>);

impl Exports {
    /// Finds the functions of a component. `interface` returns the full name under which it exports an interface.
    pub(crate) fn of<'a>(component: &Component, interface: impl Fn(&str) -> Option<&'a str>) -> Self {
        let find = |function: Function| {
            let instance = component.get_export_index(None, interface(function.interface())?)?;
            Some((function, component.get_export_index(Some(&instance), function.name())))
        };
        Self(Function::ALL.into_iter().filter_map(find).collect())
    }

    /// Checks that the interface of a function is exported.
    pub(crate) fn has_interface_of(&self, function: Function) -> bool {
        self.0.iter().any(|(found, _)| *found == function)
    }

    /// Returns the index of a function; `name` identifies the component in messages. Fails with `world-mismatch`.
    pub(crate) fn index(&self, function: Function, name: &str, world: World) -> Result<&ComponentExportIndex, Fault> {
        match self.0.iter().find(|(found, _)| *found == function) {
            Some((_, Some(index))) => Ok(index),
            Some((_, None)) => Err(missing(function, name)),
            None => {
                let message = format!("{name} is of the world {world} and does not export {}", function.interface());
                Err(Fault::new(kind::WORLD_MISMATCH, message))
            }
        }
    }
}

/// Returns the fault of a component without a function of this name and type.
pub(crate) fn missing(function: Function, name: &str) -> Fault {
    let message =
        format!("{name} exports no function {} of the expected type in {}", function.name(), function.interface());
    Fault::new(kind::WORLD_MISMATCH, message)
}

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

/// The exported interfaces of a component, and those of their functions that the host calls.
pub(crate) struct Exports {
    interfaces: Vec<&'static str>,
    functions: Vec<(Function, ComponentExportIndex)>,
}

impl Exports {
    /// Finds the functions of a component. `interface` returns the full name under which it exports an interface.
    pub(crate) fn of<'a>(component: &Component, interface: impl Fn(&str) -> Option<&'a str>) -> Self {
        let (mut interfaces, mut functions) = (Vec::new(), Vec::new());
        for function in Function::ALL {
            let instance = interface(function.interface()).and_then(|name| component.get_export_index(None, name));
            let Some(instance) = instance else { continue };
            if !interfaces.contains(&function.interface()) {
                interfaces.push(function.interface());
            }
            let found = component.get_export_index(Some(&instance), function.name());
            functions.extend(found.map(|index| (function, index)));
        }
        Self { interfaces, functions }
    }

    /// Checks that the interface of a function is exported.
    pub(crate) fn has_interface_of(&self, function: Function) -> bool {
        self.interfaces.contains(&function.interface())
    }

    /// Returns the index of a function; `name` identifies the component in messages. Fails with `world-mismatch`.
    pub(crate) fn index(&self, function: Function, name: &str, world: World) -> Result<&ComponentExportIndex, Fault> {
        if let Some((_, index)) = self.functions.iter().find(|(found, _)| *found == function) {
            return Ok(index);
        }
        if self.has_interface_of(function) {
            return Err(missing(function, name));
        }
        let message = format!("{name} is of the world {world} and does not export {}", function.interface());
        Err(Fault::new(kind::WORLD_MISMATCH, message))
    }
}

/// Returns the fault of a component without a function of this name and type.
pub(crate) fn missing(function: Function, name: &str) -> Fault {
    let message =
        format!("{name} exports no function {} of the expected type in {}", function.name(), function.interface());
    Fault::new(kind::WORLD_MISMATCH, message)
}

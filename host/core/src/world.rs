//! The worlds of the WIT package, by the imports that a component may have.

use std::fmt;

/// A world of the WIT package, from the one with the fewest imports to the one with the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum World {
    /// Analyses a snapshot; imports nothing.
    Analyser,
    /// Reads a live server.
    Observer,
    /// Reads a live server, ends sessions and resizes pools.
    Manager,
}

impl World {
    /// All worlds, in their order.
    pub const ALL: [Self; 3] = [Self::Analyser, Self::Observer, Self::Manager];

    /// Returns the world's name in the WIT package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analyser => "analyser",
            Self::Observer => "observer",
            Self::Manager => "manager",
        }
    }

    /// Returns the file name of the built-in component.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Analyser => "pool-analyser.wasm",
            Self::Observer => "pool-observer.wasm",
            Self::Manager => "pool-manager.wasm",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Folder of what one process keeps.

use std::path::PathBuf;

use archon_pool::{Fault, xdg};

use crate::args::StateFlag;

/// Returns the folder of states and reports.
pub(super) fn folder(flags: &StateFlag) -> Result<PathBuf, Fault> {
    let default = || Some(xdg::state()?.join("archon-pool").join("fleet"));
    let none = || Fault::invalid("--state is needed: neither $XDG_STATE_HOME nor $HOME is a full path");
    flags.state.clone().or_else(default).ok_or_else(none)
}

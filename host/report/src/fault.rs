//! A fault for readers.

use std::fmt::Write as _;

use archon_pool_contract::fault::Fault;

use crate::style::{BAD, DIM, REMARK};
use crate::{hints, sanitize};

/// Renders the message, the kind of fault, and the next step if one is known.
pub fn fault(fault: &Fault) -> String {
    let mut text = format!("{BAD}error{BAD:#}: {}\n", sanitize::line(&fault.message));
    let kind = sanitize::line(&fault.kind);
    let _ = match &fault.sqlstate {
        Some(sqlstate) => {
            writeln!(text, "  {DIM}kind:{DIM:#} {kind}, {DIM}SQLSTATE:{DIM:#} {}", sanitize::line(sqlstate))
        }
        None => writeln!(text, "  {DIM}kind:{DIM:#} {kind}"),
    };
    if let Some(hint) = hints::hint(&fault.kind) {
        let _ = writeln!(text, "\n{REMARK}hint{REMARK:#}: {hint}");
    }
    text
}

//! State of the walk through a statement: the names it uses, and its counters.

use std::collections::BTreeSet;

use sqlparser::ast::{Expr, Value, ValueWithSpan};

use super::refused::Refused;
use super::scope::Scope;

/// Maximum number of operations that build longer texts: chained ones double the length.
const GROWTH: usize = 6;

/// Names and counts of the statement that is analysed.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) scope: Scope,
    pub(super) relations: BTreeSet<String>,
    pub(super) functions: BTreeSet<String>,
    pub(super) sources: usize,
    growth: usize,
    /// Bytes of all values that were compared so far.
    pub(super) compared: u64,
}

impl Walk {
    /// Counts an operation that builds a longer text.
    pub(super) fn grow(&mut self) -> Result<(), Refused> {
        self.growth += 1;
        none(self.growth > GROWTH, &format!("more than {GROWTH} of `||`, to_jsonb and array_to_string"))
    }
}

/// Returns an error if the clause is present.
pub(super) fn none(there: bool, clause: &str) -> Result<(), Refused> {
    if there { Err(Refused::new(format!("{clause} is not admitted"))) } else { Ok(()) }
}

/// Creates the refusal of a computed value that a backend would cache.
pub(super) fn stored(what: &str) -> Refused {
    Refused::new(format!("{what} is not admitted: write a literal or a column"))
}

/// Returns the number of a literal, of rows or letters.
pub(super) fn integer(expression: &Expr) -> Option<u64> {
    match expression {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, false), span: _ }) => digits.parse().ok(),
        _ => None,
    }
}

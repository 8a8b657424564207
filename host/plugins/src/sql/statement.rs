//! A statement on the way through it: the names it uses, and what it has been counted for.

use std::collections::BTreeSet;

use sqlparser::ast::{Expr, Value, ValueWithSpan};

use super::refused::Refused;
use super::scope::Scope;

/// Most operations that make a longer text of texts: chained ones double it.
const GROWTH: usize = 6;

/// Names and counts of a statement that is being read.
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
    /// Counts an operation that makes a longer text.
    pub(super) fn grow(&mut self) -> Result<(), Refused> {
        self.growth += 1;
        none(self.growth > GROWTH, &format!("more than {GROWTH} of `||`, to_jsonb and array_to_string"))
    }
}

/// An error when the clause is there.
pub(super) fn none(there: bool, clause: &str) -> Result<(), Refused> {
    if there { Err(Refused::new(format!("{clause} is not admitted"))) } else { Ok(()) }
}

/// Refuses a computed value where a backend remembers each that it was given.
pub(super) fn stored(what: &str) -> Refused {
    Refused::new(format!("{what} is not admitted: write a literal or a column"))
}

/// The number that a literal is, of rows or letters.
pub(super) fn integer(expression: &Expr) -> Option<u64> {
    match expression {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, false), span: _ }) => digits.parse().ok(),
        _ => None,
    }
}

//! The names of a statement: their bindings, and a check that every use is a column.
//!
//! In PostgreSQL `a.b` is a column of `a` only if it exists: otherwise it is the call `b(a)`, of any function that
//! takes such a row or, when `a` is a function in `FROM`, such a value. So each name before a dot must be bound once in
//! the whole statement, and the name after it must be one of its columns.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::estimate::Estimate;
use super::names::{self, Relation};
use super::part::{Column, Columns, Part};
use super::refused::Refused;

/// Binding of a name in `FROM`.
struct Binding {
    columns: BTreeMap<String, Estimate>,
    /// True if the row may be used as a whole.
    whole: bool,
}

/// The names of one statement. Uses are checked at its end: names in the list of columns are bound after it.
#[derive(Default)]
pub(super) struct Scope {
    bound: BTreeMap<String, Binding>,
    queries: BTreeMap<String, Part>,
    /// Names given to columns of an answer, which `ORDER BY` may use.
    given: BTreeMap<String, Estimate>,
    qualified: BTreeSet<(String, String)>,
    bare: BTreeSet<String>,
}

impl Scope {
    /// Binds a relation of `pg_catalog`.
    pub(super) fn bind_relation(&mut self, name: String, relation: &Relation) -> Result<(), Refused> {
        let columns = relation.columns.split(' ').map(|column| (column.to_owned(), Estimate::column(column))).collect();
        self.bind(name, Binding { columns, whole: relation.whole })
    }

    /// Binds a subquery. A whole row of it would be a type of its own, which a session caches for its lifetime.
    pub(super) fn bind_columns(&mut self, name: String, columns: Columns) -> Result<(), Refused> {
        self.bind(name, Binding { columns: named(columns), whole: false })
    }

    /// Binds a function.
    pub(super) fn bind_function(&mut self, name: String, columns: Columns) -> Result<(), Refused> {
        self.bind(name, Binding { columns: named(columns), whole: true })
    }

    fn bind(&mut self, name: String, binding: Binding) -> Result<(), Refused> {
        self.fresh(&name)?;
        self.bound.insert(name, binding);
        Ok(())
    }

    /// Defines the name of a `WITH` query. All later parts of the text can read it: there are none inside of
    /// subqueries, and none that reads itself.
    pub(super) fn define_query(&mut self, name: String, query: Part) -> Result<(), Refused> {
        if name.starts_with("pg_") {
            return Err(Refused::new("a WITH query named like a relation of pg_catalog is not admitted"));
        }
        self.fresh(&name)?;
        self.queries.insert(name, query);
        Ok(())
    }

    /// Returns a `WITH` query.
    pub(super) fn query(&self, name: &str) -> Option<&Part> {
        self.queries.get(name)
    }

    fn fresh(&self, name: &str) -> Result<(), Refused> {
        if name == "pg_catalog" {
            return Err(Refused::new("the name `pg_catalog` for something else is not admitted"));
        }
        if self.bound.contains_key(name) {
            return Err(Refused::new(format!("the name `{name}` for two things is not admitted")));
        }
        Ok(())
    }

    /// Records a name that the statement gives to a column.
    pub(super) fn give(&mut self, name: String, estimate: Estimate) {
        self.given.entry(name).and_modify(|given| *given = given.and(estimate)).or_insert(estimate);
    }

    /// Records a use of `name`, which may be any of the columns of that name: it weighs as much as all of them.
    pub(super) fn use_bare(&mut self, name: String) -> Estimate {
        let columns = self.bound.values().filter_map(|binding| binding.columns.get(&name));
        let whole = self.bound.get(&name).map(|_| &Estimate::ROW);
        let estimate = columns.chain(self.given.get(&name)).chain(whole).copied().reduce(Estimate::and);
        self.bare.insert(name);
        estimate.unwrap_or(Estimate::UNKNOWN)
    }

    /// Records a use of `of.name`.
    pub(super) fn use_qualified(&mut self, of: String, name: String) -> Estimate {
        let estimate = self.bound.get(&of).and_then(|binding| binding.columns.get(&name)).copied();
        self.qualified.insert((of, name));
        estimate.unwrap_or(Estimate::UNKNOWN)
    }

    /// Checks every use.
    pub(super) fn check(&self) -> Result<(), Refused> {
        for (of, name) in &self.qualified {
            if !self.bound.get(of).is_some_and(|binding| binding.columns.contains_key(name)) {
                return Err(Refused::new(format!("`{of}.{name}` is not admitted: it is no column that may be read")));
            }
        }
        for name in self.bare.iter().chain(self.given.keys()) {
            if names::is_withheld(name) {
                return Err(Refused::new(format!("the column `{name}` is not admitted")));
            }
        }
        for name in &self.bare {
            let known = match self.bound.get(name) {
                Some(binding) => binding.whole,
                None => {
                    self.given.contains_key(name)
                        || self.bound.values().any(|binding| binding.columns.contains_key(name))
                }
            };
            if !known {
                return Err(Refused::new(format!("`{name}` is not admitted: it is no column that may be read")));
            }
        }
        Ok(())
    }
}

/// Returns the columns by their names, as far as those are certain; duplicates weigh as much as both.
fn named(columns: Columns) -> BTreeMap<String, Estimate> {
    let mut named = BTreeMap::new();
    for Column { name, estimate } in columns {
        let Some(name) = name else { continue };
        named.entry(name).and_modify(|known: &mut Estimate| *known = known.and(estimate)).or_insert(estimate);
    }
    named
}

/// Returns a name as PostgreSQL reads it: in lower case unless it is quoted.
pub(super) fn name(ident: &Ident) -> Result<String, Refused> {
    let Ident { value, quote_style, span: _ } = ident;
    match quote_style {
        Some('"') => Ok(value.clone()),
        None if !names::is_keyword(value) => Ok(value.to_ascii_lowercase()),
        _ => Err(Refused::new(format!("`{value}` as a name is not admitted"))),
    }
}

/// Returns the parts of a name with dots.
pub(super) fn parts(name_: &ObjectName) -> Result<Vec<String>, Refused> {
    let ObjectName(parts) = name_;
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => name(ident),
        ObjectNamePart::Function(_) => Err(Refused::new("a computed name is not admitted")),
    };
    parts.iter().map(part).collect()
}

/// Returns the unqualified name of a function or relation of `pg_catalog`; none for any other name.
pub(super) fn of_catalog(parts: &[String]) -> Option<&str> {
    match parts {
        [schema, name] if schema == "pg_catalog" => Some(name),
        _ => None,
    }
}

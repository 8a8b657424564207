//! `FROM`: relations, subqueries and functions of a query, and their joins.

use sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs, TableWithJoins,
};

use super::estimate::{self, Estimate, Work};
use super::memory;
use super::names;
use super::part::{Column, Columns, Part};
use super::refused::Refused;
use super::scope;
use super::statement::{Walk, none};

/// Most relations, subqueries and functions in all `FROM`s together: each multiplies the rows.
const SOURCES: usize = 5;

/// A part of `FROM`.
pub(super) struct Source {
    pub(super) work: Work,
    pub(super) rows: u64,
}

impl Walk {
    /// Reads a part of `FROM`.
    pub(super) fn source(&mut self, source: &TableWithJoins) -> Result<Source, Refused> {
        let TableWithJoins { relation, joins } = source;
        let mut joined = self.factor(relation)?;
        for Join { relation, global, join_operator } in joins {
            none(*global, "GLOBAL JOIN")?;
            let right = self.factor(relation)?;
            joined.work += right.work;
            joined.work += match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::CrossJoin(constraint) => self.constraint(constraint)?,
                JoinOperator::FullOuter(constraint) => {
                    let mut work = memory::full_join(joined.rows, right.rows);
                    work += self.constraint(constraint)?;
                    work
                }
                _ => return Err(Refused::new("a join that PostgreSQL does not have is not admitted")),
            };
            joined.rows = joined.rows.saturating_mul(right.rows);
        }
        Ok(joined)
    }

    fn constraint(&mut self, constraint: &JoinConstraint) -> Result<Work, Refused> {
        match constraint {
            JoinConstraint::None => Ok(Work::default()),
            JoinConstraint::On(condition) => Ok(self.expression(condition)?.work),
            JoinConstraint::Using(columns) => {
                let mut work = Work::default();
                for column in columns {
                    let [name] = &scope::parts(column)?[..] else {
                        return Err(Refused::new("a qualified column in USING is not admitted"));
                    };
                    work += self.scope.use_bare(name.clone()).work;
                }
                Ok(work)
            }
            JoinConstraint::UsingAlias(_, _) => Err(Refused::new("a name for USING is not admitted")),
            JoinConstraint::Natural => Err(Refused::new("NATURAL JOIN is not admitted: name the columns")),
        }
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<Source, Refused> {
        self.sources += 1;
        if self.sources > SOURCES {
            return Err(Refused::new(format!("more than {SOURCES} relations are not admitted")));
        }
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_directives,
                inheritance,
            } => {
                none(sample.is_some(), "TABLESAMPLE")?;
                none(*with_ordinality, "WITH ORDINALITY")?;
                let foreign = !with_hints.is_empty()
                    || version.is_some()
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || !index_directives.is_empty()
                    || inheritance.is_some();
                none(foreign, "anything beside a relation's name")?;
                let parts = scope::parts(name)?;
                match args {
                    None => self.relation(&parts, alias.as_ref()),
                    Some(TableFunctionArgs { args, settings }) => {
                        none(!args.is_empty() || settings.is_some(), "an argument of a function in FROM")?;
                        self.function_in_from(&parts, alias.as_ref())
                    }
                }
            }
            TableFactor::Derived { lateral: _, subquery, alias, sample } => {
                none(sample.is_some(), "TABLESAMPLE")?;
                let Some(alias) = alias else { return Err(Refused::new("a subquery without a name is not admitted")) };
                let Part { columns: own, work, rows } = self.subquery(subquery)?;
                let (name, columns) = alias_of(alias)?;
                let columns = self.renamed(own, columns);
                self.scope.bind_columns(name, columns)?;
                Ok(Source { work, rows })
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                none(alias.is_some(), "a name for a join")?;
                self.source(table_with_joins)
            }
            _ => Err(Refused::new("this in FROM is not admitted")),
        }
    }

    fn relation(&mut self, parts: &[String], alias: Option<&TableAlias>) -> Result<Source, Refused> {
        let alias = alias.map(alias_of).transpose()?;
        if let Some(name) = scope::of_catalog(parts) {
            let known = names::RELATIONS.iter().find(|relation| relation.name == name);
            let relation =
                known.ok_or_else(|| Refused::new(format!("the relation `pg_catalog.{name}` is not admitted")))?;
            let (bound, renamed) = alias.unwrap_or_else(|| (name.to_owned(), Vec::new()));
            none(!renamed.is_empty(), "another name for a column of a relation")?;
            self.relations.insert(name.to_owned());
            self.scope.bind_relation(bound, relation)?;
            return Ok(Source { work: of_relation(), rows: memory::rows_of(name) });
        }
        let [name] = parts else {
            return Err(Refused::new(format!(
                "the relation `{}` is not admitted: it is not in pg_catalog",
                parts.join(".")
            )));
        };
        // It may be planned again for each reference.
        let Some(Part { columns: own, work, rows }) = self.scope.query(name).cloned() else {
            return Err(Refused::new(format!("the relation `{name}` is not admitted without `pg_catalog.`")));
        };
        let (bound, renamed) = alias.unwrap_or_else(|| (name.clone(), Vec::new()));
        let columns = self.renamed(own, renamed);
        self.scope.bind_columns(bound, columns)?;
        Ok(Source { work, rows })
    }

    fn function_in_from(&mut self, parts: &[String], alias: Option<&TableAlias>) -> Result<Source, Refused> {
        let Some(name) = scope::of_catalog(parts).filter(|name| names::lists(names::SET_FUNCTIONS, name)) else {
            return Err(Refused::new(format!("the function `{}` is not admitted in FROM", parts.join("."))));
        };
        self.functions.insert(name.to_owned());
        // The column of its value gets any name that is listed; without a list, `name.anything` would be a call.
        let (bound, columns) = match alias {
            Some(alias) => alias_of(alias)?,
            None => (name.to_owned(), Vec::new()),
        };
        none(columns.len() > 1, "more than one name for a function's value")?;
        let columns = self.renamed(Vec::new(), columns);
        self.scope.bind_function(bound, columns)?;
        Ok(Source { work: of_relation(), rows: memory::rows_of(name) })
    }

    /// Returns the columns with the names of a list in place of the first ones.
    pub(super) fn renamed(&mut self, own: Columns, list: Vec<String>) -> Columns {
        let mut own = own.into_iter();
        let mut columns = Columns::new();
        for name in list {
            // A function in FROM has a value and no column.
            let estimate = own.next().map_or(Estimate::VALUE, |column| column.estimate);
            self.scope.give(name.clone(), estimate);
            columns.push(Column { name: Some(name), estimate });
        }
        columns.extend(own);
        columns
    }
}

/// Returns the work to plan and to read a relation.
fn of_relation() -> Work {
    let mut work = memory::relation();
    work.weight = estimate::RELATION;
    work
}

/// Returns the name of an item in `FROM`, and the names of its columns.
pub(super) fn alias_of(alias: &TableAlias) -> Result<(String, Vec<String>), Refused> {
    let TableAlias { explicit: _, name, columns, at } = alias;
    none(at.is_some(), "AT after a name")?;
    let column = |TableAliasColumnDef { name, data_type }: &TableAliasColumnDef| {
        none(data_type.is_some(), "a type in a list of columns")?;
        scope::name(name)
    };
    Ok((scope::name(name)?, columns.iter().map(column).collect::<Result<_, _>>()?))
}

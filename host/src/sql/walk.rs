//! Queries: what a `SELECT` may be made of. Every field of the tree is named here, see the module above.

use std::collections::BTreeSet;

use sqlparser::ast::{
    Cte, Distinct, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, Offset, OffsetRows, OrderBy,
    OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Query, Select, SelectFlavor, SelectItem, SetExpr,
    SetOperator, SetQuantifier, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs, TableWithJoins, With,
};

use super::Refused;
use super::estimate::{self, Estimate, Work};
use super::expression;
use super::memory;
use super::names;
use super::scope::{self, Column, Columns, Scope};

/// Most relations, subqueries and functions in all `FROM`s together: each multiplies the rows.
const SOURCES: usize = 5;
/// Most columns of an answer.
const COLUMNS: usize = 64;
/// Most operations that make a longer text of texts: chained ones double it.
const GROWTH: usize = 6;

/// A query inside of a statement: its columns, its work where it is used once, and how many rows it may have.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) columns: Columns,
    pub(super) work: Work,
    pub(super) rows: u64,
}

impl Part {
    /// Bytes of a row.
    pub(super) fn row_bytes(&self) -> u64 {
        self.columns.iter().fold(0, |sum, column| sum.saturating_add(column.estimate.bytes))
    }
}

/// A part of `FROM`.
struct Source {
    work: Work,
    rows: u64,
}

/// What is known of a statement on the way through it.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) scope: Scope,
    pub(super) relations: BTreeSet<String>,
    pub(super) functions: BTreeSet<String>,
    sources: usize,
    growth: usize,
    /// Bytes of all values that were compared so far.
    pub(super) compared: u64,
}

/// Walks through a statement. Returns the relations and the functions that it names.
pub(super) fn query(query: &Query) -> Result<(BTreeSet<String>, BTreeSet<String>), Refused> {
    let mut walk = Walk::default();
    if let Some(With { with_token: _, recursive, cte_tables }) = &query.with {
        if *recursive {
            return Err(Refused::new("WITH RECURSIVE is not admitted: nothing bounds it"));
        }
        for cte in cte_tables {
            walk.common(cte)?;
        }
    }
    let work = walk.body(query)?.work;
    walk.scope.check()?;
    bounded(work)?;
    Ok((walk.relations, walk.functions))
}

fn bounded(Work { weight, held_kib }: Work) -> Result<(), Refused> {
    none(weight > estimate::MOST, "a statement whose subqueries multiply what is computed")?;
    if held_kib > memory::MOST_HELD_KIB {
        return Err(Refused::new(format!(
            "a statement for which the server may hold more than {} MB of rows is not admitted: let it sort, group, and \
             search by IN and EXISTS fewer rows, or shorter ones",
            memory::MOST_HELD_KIB / 1000
        )));
    }
    Ok(())
}

/// An error when the clause is there.
pub(super) fn none(there: bool, clause: &str) -> Result<(), Refused> {
    if there { Err(Refused::new(format!("{clause} is not admitted"))) } else { Ok(()) }
}

impl Walk {
    fn common(&mut self, cte: &Cte) -> Result<(), Refused> {
        let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
        none(from.is_some(), "FROM after a WITH query")?;
        let (name, columns) = alias_of(alias)?;
        let mut part = self.subquery(query)?;
        part.work += memory::spilling(part.row_bytes());
        part.columns = self.renamed(part.columns, columns);
        // Nobody need read it for the server to analyse it.
        bounded(part.work)?;
        self.scope.define_query(name, part)
    }

    /// A query inside of another one.
    pub(super) fn subquery(&mut self, query: &Query) -> Result<Part, Refused> {
        none(query.with.is_some(), "WITH elsewhere than at the start")?;
        self.body(query)
    }

    fn body(&mut self, query: &Query) -> Result<Part, Refused> {
        let Query {
            with: _,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        none(fetch.is_some(), "FETCH")?;
        none(!locks.is_empty(), "a locking clause")?;
        none(for_clause.is_some(), "FOR")?;
        none(settings.is_some(), "SETTINGS")?;
        none(format_clause.is_some(), "FORMAT")?;
        none(!pipe_operators.is_empty(), "a pipe operator")?;
        let mut part = self.set(body)?;
        let mut sorted_bytes = None;
        if let Some(OrderBy { kind, interpolate }) = order_by {
            none(interpolate.is_some(), "INTERPOLATE")?;
            let OrderByKind::Expressions(keys) = kind else { return Err(Refused::new("ORDER BY ALL is not admitted")) };
            let mut bytes = part.row_bytes();
            for OrderByExpr { expr, options: OrderByOptions { sort, nulls_first: _ }, with_fill } in keys {
                none(with_fill.is_some(), "WITH FILL")?;
                match sort {
                    None | Some(OrderBySort::Asc | OrderBySort::Desc) => {}
                    Some(OrderBySort::Using(_)) => return Err(Refused::new("ORDER BY USING is not admitted")),
                }
                let key = self.expression(expr)?;
                part.work += key.work;
                bytes = bytes.saturating_add(key.bytes);
            }
            sorted_bytes = Some(bytes);
        }
        let mut most = None;
        match limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                none(!limit_by.is_empty(), "LIMIT BY")?;
                if let Some(limit) = limit {
                    part.work += self.expression(limit)?.work;
                    most = expression::integer(limit);
                }
                if let Some(Offset { value, rows }) = offset {
                    none(!matches!(rows, OffsetRows::None), "OFFSET ROWS")?;
                    part.work += self.expression(value)?.work;
                    // The rows that it leaves out are kept, too.
                    most = most.and_then(|most| Some(most.saturating_add(expression::integer(value)?)));
                }
            }
            Some(LimitClause::OffsetCommaLimit { offset: _, limit: _ }) => {
                return Err(Refused::new("LIMIT with a comma is not admitted"));
            }
        }
        if let Some(bytes) = sorted_bytes {
            part.work += memory::sorted(bytes, most);
        }
        part.rows = most.map_or(part.rows, |most| part.rows.min(most));
        Ok(part)
    }

    fn set(&mut self, body: &SetExpr) -> Result<Part, Refused> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.subquery(query),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                match op {
                    SetOperator::Union | SetOperator::Except | SetOperator::Intersect => {}
                    SetOperator::Minus => return Err(Refused::new("MINUS is not admitted")),
                }
                match set_quantifier {
                    SetQuantifier::None | SetQuantifier::All | SetQuantifier::Distinct => {}
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                        return Err(Refused::new("BY NAME is not admitted"));
                    }
                }
                let left = self.set(left)?;
                let right = self.set(right)?;
                let mut work = left.work;
                work += right.work;
                work += match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => Work::default(),
                    (SetOperator::Union, _) => memory::spilling(left.row_bytes().max(right.row_bytes())),
                    // Which of the two is in the table is the planner's to say.
                    _ => {
                        let mut both = memory::hashed(left.rows, left.row_bytes());
                        both += memory::hashed(right.rows, right.row_bytes());
                        both
                    }
                };
                let rows = left.rows.saturating_add(right.rows);
                // What reads a column of UNION ALL is planned once for each of its queries.
                let mut others = right.columns.into_iter();
                let both = |Column { name, estimate }: Column| {
                    let estimate = others.next().map_or(estimate, |other| estimate.or(other.estimate));
                    Column { name, estimate }
                };
                let columns = left.columns.into_iter().map(both).collect();
                Ok(Part { columns, work, rows })
            }
            SetExpr::Values(_) => Err(Refused::new("VALUES is not admitted")),
            SetExpr::Table(_) => Err(Refused::new("TABLE is not admitted")),
            _ => Err(Refused::new("a statement that changes data is not admitted")),
        }
    }

    fn select(&mut self, select: &Select) -> Result<Part, Refused> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify,
            value_table_mode,
            flavor,
        } = select;
        none(into.is_some(), "INTO")?;
        none(!named_window.is_empty(), "WINDOW")?;
        let foreign = !optimizer_hints.is_empty()
            || select_modifiers.is_some()
            || top.is_some()
            || *top_before_distinct
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || qualify.is_some()
            || *window_before_qualify
            || value_table_mode.is_some()
            || !matches!(flavor, SelectFlavor::Standard);
        none(foreign, "a clause that PostgreSQL does not have")?;
        let mut work = Work::default();
        let mut rows = 1_u64;
        // First: what a name weighs is known once it is bound.
        for source in from {
            let source = self.source(source)?;
            work += source.work;
            rows = rows.saturating_mul(source.rows);
        }
        none(projection.len() > COLUMNS, &format!("an answer of more than {COLUMNS} columns"))?;
        let columns = projection.iter().map(|item| self.item(item)).collect::<Result<Columns, _>>()?;
        let mut part = Part { columns, work, rows };
        for column in &part.columns {
            part.work += column.estimate.work;
        }
        let row_bytes = part.row_bytes();
        match distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => part.work += memory::spilling(row_bytes),
            Some(Distinct::On(keys)) => {
                let keys = self.expressions(keys)?;
                part.work += keys.work;
                part.work += memory::spilling(row_bytes.saturating_add(keys.bytes));
            }
        }
        if let Some(condition) = selection {
            part.work += self.expression(condition)?.work;
        }
        match group_by {
            GroupByExpr::Expressions(keys, modifiers) => {
                none(!modifiers.is_empty(), "a modifier of GROUP BY")?;
                let keyed = self.expressions(keys)?;
                part.work += keyed.work;
                if !keys.is_empty() {
                    part.work += memory::spilling(row_bytes.saturating_add(keyed.bytes));
                }
            }
            GroupByExpr::All(_) => return Err(Refused::new("GROUP BY ALL is not admitted")),
        }
        if let Some(condition) = having {
            part.work += self.expression(condition)?.work;
        }
        Ok(part)
    }

    /// One column of the answer. `*` would read what has a name that is not admitted.
    fn item(&mut self, item: &SelectItem) -> Result<Column, Refused> {
        match item {
            SelectItem::UnnamedExpr(expression) => {
                let estimate = self.expression(expression)?;
                Ok(Column { name: self.own_name(expression)?, estimate })
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let estimate = self.expression(expr)?;
                let name = scope::name(alias)?;
                self.scope.give(name.clone(), estimate);
                Ok(Column { name: Some(name), estimate })
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _) => {
                Err(Refused::new("`*` is not admitted: name the columns"))
            }
            SelectItem::ExprWithAliases { expr: _, aliases: _ } => {
                Err(Refused::new("several names for a column are not admitted"))
            }
        }
    }

    /// Reads a part of `FROM`.
    fn source(&mut self, source: &TableWithJoins) -> Result<Source, Refused> {
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
        // It may be planned anew wherever it is named.
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
        // Its value's only column takes whatever name is listed; without a list, `name.anything` would be a call.
        let (bound, columns) = match alias {
            Some(alias) => alias_of(alias)?,
            None => (name.to_owned(), Vec::new()),
        };
        none(columns.len() > 1, "more than one name for a function's value")?;
        let columns = self.renamed(Vec::new(), columns);
        self.scope.bind_function(bound, columns)?;
        Ok(Source { work: of_relation(), rows: memory::rows_of(name) })
    }

    /// The columns under the names that a list gives to the first of them.
    fn renamed(&mut self, own: Columns, list: Vec<String>) -> Columns {
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

    /// Counts an operation that makes a longer text.
    pub(super) fn grow(&mut self) -> Result<(), Refused> {
        self.growth += 1;
        none(self.growth > GROWTH, &format!("more than {GROWTH} of `||`, to_jsonb and array_to_string"))
    }
}

/// What it takes to plan and to read a relation.
fn of_relation() -> Work {
    let mut work = memory::relation();
    work.weight = estimate::RELATION;
    work
}

/// The name of something in `FROM`, and the names that its columns get.
fn alias_of(alias: &TableAlias) -> Result<(String, Vec<String>), Refused> {
    let TableAlias { explicit: _, name, columns, at } = alias;
    none(at.is_some(), "AT after a name")?;
    let column = |TableAliasColumnDef { name, data_type }: &TableAliasColumnDef| {
        none(data_type.is_some(), "a type in a list of columns")?;
        scope::name(name)
    };
    Ok((scope::name(name)?, columns.iter().map(column).collect::<Result<_, _>>()?))
}

//! Queries: the admitted clauses of a `SELECT`. Every field of the tree is named here, see the module above.

use std::collections::BTreeSet;

use sqlparser::ast::{
    Cte, Distinct, GroupByExpr, LimitClause, Offset, OffsetRows, OrderBy, OrderByExpr, OrderByKind, OrderByOptions,
    OrderBySort, Query, Select, SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier, With,
};

use super::estimate::{self, Work};
use super::from::alias_of;
use super::memory;
use super::part::{Column, Columns, Part};
use super::refused::Refused;
use super::scope;
use super::statement::{Walk, integer, none};

/// Most columns of an answer.
const COLUMNS: usize = 64;

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

impl Walk {
    fn common(&mut self, cte: &Cte) -> Result<(), Refused> {
        let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
        none(from.is_some(), "FROM after a WITH query")?;
        let (name, columns) = alias_of(alias)?;
        let mut part = self.subquery(query)?;
        part.work += memory::spilling(part.row_bytes());
        part.columns = self.renamed(part.columns, columns);
        // The server plans it even if no other part reads it.
        bounded(part.work)?;
        self.scope.define_query(name, part)
    }

    /// Estimates a query inside of another one.
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
                    most = integer(limit);
                }
                if let Some(Offset { value, rows }) = offset {
                    none(!matches!(rows, OffsetRows::None), "OFFSET ROWS")?;
                    part.work += self.expression(value)?.work;
                    // Rows that `OFFSET` skips are kept, too.
                    most = most.and_then(|most| Some(most.saturating_add(integer(value)?)));
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
                    // The planner chooses the one in the hash table.
                    _ => {
                        let mut both = memory::hashed(left.rows, left.row_bytes());
                        both += memory::hashed(right.rows, right.row_bytes());
                        both
                    }
                };
                let rows = left.rows.saturating_add(right.rows);
                // A reader of a column of UNION ALL is planned once for each of its queries.
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
        // First: the weight of a name is known once it is bound.
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

    /// Checks one column of the answer. `*` would read columns that are not admitted.
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
}

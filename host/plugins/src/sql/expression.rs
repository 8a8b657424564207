//! Expressions: the admitted operators and operands.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DateTimeField, Expr, ExtractSyntax, InTarget, Query, UnaryOperator, Value,
    ValueWithSpan,
};

use super::estimate::PARAMETER_BYTES;
use super::estimate::{Estimate, Origin};
use super::refused::Refused;
use super::statement::{Walk, none, stored};
use super::{cast, function, memory, scope};

impl Walk {
    /// Estimates several expressions.
    pub(super) fn expressions(&mut self, expressions: &[Expr]) -> Result<Estimate, Refused> {
        expressions.iter().try_fold(Estimate::NOTHING, |sum, expression| Ok(sum.and(self.expression(expression)?)))
    }

    /// Returns the name that a column of an answer has by default, if that is certain.
    pub(super) fn own_name(&self, expression: &Expr) -> Result<Option<String>, Refused> {
        match expression {
            Expr::Identifier(name) => scope::name(name).map(Some),
            Expr::CompoundIdentifier(parts) => parts.last().map(scope::name).transpose(),
            _ => Ok(None),
        }
    }

    /// Estimates an expression. Kinds that are not listed here are refused.
    pub(super) fn expression(&mut self, expression: &Expr) -> Result<Estimate, Refused> {
        match expression {
            Expr::Identifier(name) => Ok(self.scope.use_bare(scope::name(name)?)),
            Expr::CompoundIdentifier(parts) => {
                let [of, name] = &parts[..] else {
                    return Err(Refused::new(
                        "a column with more than one dot is not admitted: give its relation a name",
                    ));
                };
                Ok(self.scope.use_qualified(scope::name(of)?, scope::name(name)?))
            }
            Expr::Value(value) => literal(value),
            Expr::Nested(inner) => self.expression(inner),
            Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner) => Ok(self.expression(inner)?.truth()),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                let both = self.expression(left)?.and(self.expression(right)?);
                Ok(self.comparison(both))
            }
            Expr::In { expr, target, negated: _, global } => {
                none(*global, "GLOBAL IN")?;
                let value = self.expression(expr)?;
                let both = match target {
                    // The parser repeats the value for each that is not a constant.
                    InTarget::List(values) => value.times(values.len().max(1)).and(self.expressions(values)?),
                    InTarget::Subquery(query) => value.and(self.searched(query)?),
                    _ => return Err(Refused::new("IN without parentheses is not admitted")),
                };
                Ok(self.comparison(both))
            }
            Expr::Between { expr, negated: _, low, high } => {
                // Two comparisons, each of the value.
                let value = self.expression(expr)?.times(2);
                let all = value.and(self.expression(low)?).and(self.expression(high)?);
                Ok(self.comparison(all))
            }
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                none(*any || escape_char.is_some(), "anything beside the pattern of LIKE")?;
                let (text, pattern) = (self.expression(expr)?, self.expression(pattern)?);
                if pattern.origin != Origin::Stored {
                    return Err(stored("a computed pattern of LIKE"));
                }
                Ok(text.and(pattern).truth())
            }
            Expr::BinaryOp { left, op, right } => {
                self.operator(op)?;
                let (one, other) = (self.expression(left)?, self.expression(right)?);
                let both = one.and(other);
                Ok(match op {
                    BinaryOperator::StringConcat | BinaryOperator::LongArrow => both.into(Origin::Computed),
                    op if is_regular_expression(op) => {
                        function::pattern(right)?;
                        both.truth()
                    }
                    // A sum has one digit more than its longer operand, a product as many as both.
                    BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Modulo => {
                        both.of(one.bytes.max(other.bytes).saturating_add(1)).into(Origin::Number)
                    }
                    BinaryOperator::Divide => both.divided().into(Origin::Number),
                    BinaryOperator::Multiply | BinaryOperator::Arrow => both.into(Origin::Number),
                    BinaryOperator::And | BinaryOperator::Or => both.truth(),
                    _ => self.comparison(both),
                })
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                self.operator(compare_op)?;
                none(is_regular_expression(compare_op), "a list of regular expressions")?;
                let both = match &**right {
                    Expr::Subquery(query) => self.expression(left)?.and(self.searched(query)?),
                    right => self.expression(left)?.and(self.expression(right)?),
                };
                Ok(self.comparison(both))
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Not => Ok(self.expression(expr)?.truth()),
                UnaryOperator::Minus | UnaryOperator::Plus => Ok(self.expression(expr)?.into(Origin::Number)),
                _ => Err(Refused::new("an operator before its value is not admitted")),
            },
            Expr::Cast { kind, expr, data_type, format } => {
                none(format.is_some(), "FORMAT")?;
                none(!matches!(kind, CastKind::Cast | CastKind::DoubleColon), "a cast that may fail silently")?;
                cast::target(data_type)?;
                cast::of(self.expression(expr)?, data_type)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let (time, zone) = (self.expression(timestamp)?, self.expression(time_zone)?);
                if zone.origin != Origin::Stored {
                    return Err(stored("a computed time zone"));
                }
                Ok(time.and(zone).of(time.bytes).into(Origin::Number))
            }
            Expr::Extract { field, syntax, expr } => {
                none(!matches!(field, DateTimeField::Epoch), "EXTRACT of other than EPOCH")?;
                none(!matches!(syntax, ExtractSyntax::From), "EXTRACT with a comma")?;
                Ok(self.expression(expr)?.into(Origin::Number))
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let mut tested = operand.as_ref().map_or(Ok(Estimate::NOTHING), |operand| self.expression(operand))?;
                let mut results = Estimate::NOTHING;
                for CaseWhen { condition, result } in conditions {
                    tested = tested.and(self.expression(condition)?);
                    results = results.or(self.expression(result)?);
                }
                if let Some(result) = else_result {
                    results = results.or(self.expression(result)?);
                }
                if operand.is_some() {
                    tested = self.comparison(tested);
                }
                Ok(tested.or(results).of(results.bytes).into(results.origin))
            }
            Expr::Exists { subquery, negated: _ } => self.exists(subquery),
            Expr::Subquery(subquery) => self.value_of(subquery),
            Expr::Function(function) => self.function(function),
            Expr::Collate { expr: _, collation: _ } => Err(Refused::new("COLLATE is not admitted")),
            _ => Err(Refused::new("an expression of this form is not admitted")),
        }
    }

    /// Estimates a comparison of these values.
    fn comparison(&mut self, compared: Estimate) -> Estimate {
        self.compared = self.compared.saturating_add(compared.bytes);
        compared.truth()
    }

    /// Estimates a query that stands for a value. If the value is repeated, the query is planned again.
    fn value_of(&mut self, query: &Query) -> Result<Estimate, Refused> {
        let part = self.subquery(query)?;
        let origin = part.columns.first().map_or(Origin::Computed, |column| column.estimate.origin);
        let mut work = part.work;
        work += memory::spilling(part.row_bytes());
        Ok(Estimate { work, bytes: part.row_bytes(), origin }.kept())
    }

    /// Estimates a query in whose rows a value is searched: all may be hashed.
    fn searched(&mut self, query: &Query) -> Result<Estimate, Refused> {
        let part = self.subquery(query)?;
        let mut work = part.work;
        work += memory::hashed(part.rows, part.row_bytes());
        Ok(Estimate { work, bytes: part.row_bytes(), origin: Origin::Number })
    }

    /// Estimates a query in `EXISTS`: the values that it compares with the outer query may be hashed.
    fn exists(&mut self, query: &Query) -> Result<Estimate, Refused> {
        let before = self.compared;
        let part = self.subquery(query)?;
        let mut work = part.work;
        work += memory::hashed(part.rows, self.compared - before);
        Ok(Estimate { work, bytes: 1, origin: Origin::Number }.truth())
    }

    fn operator(&mut self, operator: &BinaryOperator) -> Result<(), Refused> {
        match operator {
            BinaryOperator::StringConcat => self.grow(),
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::Arrow
            | BinaryOperator::LongArrow => Ok(()),
            other => Err(Refused::new(format!("the operator `{other}` is not admitted"))),
        }
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn literal(value: &ValueWithSpan) -> Result<Estimate, Refused> {
    let ValueWithSpan { value, span: _ } = value;
    match value {
        Value::Number(text, false) | Value::SingleQuotedString(text) => Ok(Estimate::stored(length(text.len()))),
        Value::Boolean(_) | Value::Null => Ok(Estimate::stored(1)),
        Value::Placeholder(name) if name.starts_with('$') => Ok(Estimate::stored(length(PARAMETER_BYTES))),
        _ => Err(Refused::new("a literal of this form is not admitted")),
    }
}

fn is_regular_expression(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
    )
}

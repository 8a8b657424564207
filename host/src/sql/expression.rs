//! Expressions: what a value may be computed of.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DateTimeField, Expr, ExtractSyntax, InTarget, Query, UnaryOperator, Value,
    ValueWithSpan,
};

use super::Refused;
use super::estimate::{Estimate, Origin};
use super::walk::{Part, Walk, none};
use super::{cast, function, scope};

impl Walk {
    /// Several expressions.
    pub(super) fn expressions(&mut self, expressions: &[Expr]) -> Result<Estimate, Refused> {
        expressions.iter().try_fold(Estimate::NOTHING, |sum, expression| Ok(sum.and(self.expression(expression)?)))
    }

    /// The name that a column of an answer has by itself, when that is certain.
    pub(super) fn own_name(&self, expression: &Expr) -> Result<Option<String>, Refused> {
        match expression {
            Expr::Identifier(name) => scope::name(name).map(Some),
            Expr::CompoundIdentifier(parts) => parts.last().map(scope::name).transpose(),
            _ => Ok(None),
        }
    }

    /// An expression. What is not named here is not understood.
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
            | Expr::IsNotNull(inner) => self.number(&[&**inner]),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.number(&[&**left, &**right])
            }
            Expr::In { expr, target, negated: _, global } => {
                none(*global, "GLOBAL IN")?;
                let value = self.expression(expr)?;
                let both = match target {
                    // The parser repeats the value for each that is not a constant.
                    InTarget::List(values) => value.times(values.len().max(1)).and(self.expressions(values)?),
                    InTarget::Subquery(query) => value.and(self.value_of(query)?),
                    _ => return Err(Refused::new("IN without parentheses is not admitted")),
                };
                Ok(both.into(Origin::Number))
            }
            Expr::Between { expr, negated: _, low, high } => {
                // Two comparisons, each with the value.
                let value = self.expression(expr)?.times(2);
                Ok(value.and(self.expression(low)?).and(self.expression(high)?).into(Origin::Number))
            }
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                none(*any || escape_char.is_some(), "anything beside the pattern of LIKE")?;
                let (text, pattern) = (self.expression(expr)?, self.expression(pattern)?);
                if pattern.origin != Origin::Stored {
                    return Err(function::stored("a computed pattern of LIKE"));
                }
                Ok(text.and(pattern).into(Origin::Number))
            }
            Expr::BinaryOp { left, op, right } => {
                self.operator(op)?;
                let both = self.expression(left)?.and(self.expression(right)?);
                match op {
                    BinaryOperator::StringConcat | BinaryOperator::LongArrow => Ok(both.into(Origin::Computed)),
                    op if is_regular_expression(op) => {
                        function::pattern(right)?;
                        Ok(both.into(Origin::Number))
                    }
                    _ => Ok(both.into(Origin::Number)),
                }
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                self.operator(compare_op)?;
                none(is_regular_expression(compare_op), "a list of regular expressions")?;
                self.number(&[&**left, &**right])
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Not | UnaryOperator::Minus | UnaryOperator::Plus => self.number(&[&**expr]),
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
                    return Err(function::stored("a computed time zone"));
                }
                Ok(time.and(zone).into(Origin::Number))
            }
            Expr::Extract { field, syntax, expr } => {
                none(!matches!(field, DateTimeField::Epoch), "EXTRACT of other than EPOCH")?;
                none(!matches!(syntax, ExtractSyntax::From), "EXTRACT with a comma")?;
                self.number(&[&**expr])
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let mut tested = operand.as_ref().map_or(Ok(Estimate::NOTHING), |operand| self.expression(operand))?;
                let mut results = Estimate::NOTHING;
                for CaseWhen { condition, result } in conditions {
                    tested = tested.and(self.expression(condition)?);
                    results = results.and(self.expression(result)?);
                }
                if let Some(result) = else_result {
                    results = results.and(self.expression(result)?);
                }
                Ok(tested.and(results).into(results.origin))
            }
            Expr::Exists { subquery, negated: _ } => Ok(self.value_of(subquery)?.into(Origin::Number)),
            Expr::Subquery(subquery) => self.value_of(subquery),
            Expr::Function(function) => self.function(function),
            Expr::Collate { expr: _, collation: _ } => Err(Refused::new("COLLATE is not admitted")),
            _ => Err(Refused::new("an expression of this form is not admitted")),
        }
    }

    /// Something of these that is no text.
    fn number(&mut self, operands: &[&Expr]) -> Result<Estimate, Refused> {
        let sum = operands.iter().try_fold(Estimate::NOTHING, |sum, operand| Ok(sum.and(self.expression(operand)?)))?;
        Ok(sum.into(Origin::Number))
    }

    /// A query that stands for a value. Where that is repeated, the query is planned again.
    fn value_of(&mut self, query: &Query) -> Result<Estimate, Refused> {
        let Part { columns, weight } = self.subquery(query)?;
        let origin = columns.first().map_or(Origin::Computed, |column| column.estimate.origin);
        Ok(Estimate { weight, origin }.kept())
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

fn literal(value: &ValueWithSpan) -> Result<Estimate, Refused> {
    let ValueWithSpan { value, span: _ } = value;
    match value {
        Value::Number(_, false) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => {
            Ok(Estimate::STORED)
        }
        Value::Placeholder(name) if name.starts_with('$') => Ok(Estimate::STORED),
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

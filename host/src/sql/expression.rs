//! Expressions: what a value may be computed of.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, DateTimeField, DuplicateTreatment, ExactNumberInfo, Expr,
    ExtractSyntax, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, InTarget,
    TimezoneInfo, UnaryOperator, Value, ValueWithSpan,
};

use super::Refused;
use super::names;
use super::scope;
use super::walk::{Walk, none};

impl Walk {
    /// Several expressions.
    pub(super) fn expressions(&mut self, expressions: &[Expr]) -> Result<(), Refused> {
        expressions.iter().try_for_each(|expression| self.expression(expression))
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
    pub(super) fn expression(&mut self, expression: &Expr) -> Result<(), Refused> {
        match expression {
            Expr::Identifier(name) => {
                let name = scope::name(name)?;
                self.scope.use_bare(name);
                Ok(())
            }
            Expr::CompoundIdentifier(parts) => {
                let [of, name] = &parts[..] else {
                    return Err(Refused::new(
                        "a column with more than one dot is not admitted: give its relation a name",
                    ));
                };
                self.scope.use_qualified(scope::name(of)?, scope::name(name)?);
                Ok(())
            }
            Expr::Value(value) => literal(value),
            Expr::Nested(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner) => self.expression(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expression(left)?;
                self.expression(right)
            }
            Expr::In { expr, target, negated: _, global } => {
                none(*global, "GLOBAL IN")?;
                self.expression(expr)?;
                match target {
                    InTarget::List(values) => self.expressions(values),
                    InTarget::Subquery(query) => self.subquery(query).map(drop),
                    _ => Err(Refused::new("IN without parentheses is not admitted")),
                }
            }
            Expr::Between { expr, negated: _, low, high } => {
                self.expression(expr)?;
                self.expression(low)?;
                self.expression(high)
            }
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                none(*any || escape_char.is_some(), "anything beside the pattern of LIKE")?;
                self.expression(expr)?;
                self.expression(pattern)
            }
            Expr::BinaryOp { left, op, right } => {
                self.operator(op)?;
                self.expression(left)?;
                self.expression(right)
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                self.operator(compare_op)?;
                self.expression(left)?;
                self.expression(right)
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Not | UnaryOperator::Minus | UnaryOperator::Plus => self.expression(expr),
                _ => Err(Refused::new("an operator before its value is not admitted")),
            },
            Expr::Cast { kind, expr, data_type, format } => {
                none(format.is_some(), "FORMAT")?;
                none(!matches!(kind, CastKind::Cast | CastKind::DoubleColon), "a cast that may fail silently")?;
                target(data_type)?;
                self.expression(expr)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                self.expression(timestamp)?;
                self.expression(time_zone)
            }
            Expr::Extract { field, syntax, expr } => {
                none(!matches!(field, DateTimeField::Epoch), "EXTRACT of other than EPOCH")?;
                none(!matches!(syntax, ExtractSyntax::From), "EXTRACT with a comma")?;
                self.expression(expr)
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                if let Some(operand) = operand {
                    self.expression(operand)?;
                }
                for CaseWhen { condition, result } in conditions {
                    self.expression(condition)?;
                    self.expression(result)?;
                }
                else_result.as_ref().map_or(Ok(()), |result| self.expression(result))
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.subquery(subquery).map(drop),
            Expr::Function(function) => self.function(function),
            Expr::Collate { expr: _, collation: _ } => Err(Refused::new("COLLATE is not admitted")),
            _ => Err(Refused::new("an expression of this form is not admitted")),
        }
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

    fn function(&mut self, function: &Function) -> Result<(), Refused> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        none(*uses_odbc_syntax, "{fn}")?;
        none(!matches!(parameters, FunctionArguments::None), "a second list of arguments")?;
        none(!within_group.is_empty(), "WITHIN GROUP")?;
        none(null_treatment.is_some(), "a treatment of nulls")?;
        none(over.is_some(), "OVER")?;
        if let Some(condition) = filter {
            self.expression(condition)?;
        }
        let arguments = match args {
            FunctionArguments::None => return self.grammar_value(function),
            FunctionArguments::Subquery(_) => {
                return Err(Refused::new("a query as a function's argument is not admitted"));
            }
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
                none(!clauses.is_empty(), "a clause among a function's arguments")?;
                match duplicate_treatment {
                    None | Some(DuplicateTreatment::Distinct | DuplicateTreatment::All) => args,
                }
            }
        };
        let name = self.function_name(function, name)?;
        match name.as_str() {
            "current_setting" => none(!reads_plain_setting(arguments), "a setting other than the listed ones")?,
            "to_jsonb" | "array_to_string" => self.grow()?,
            _ => {}
        }
        for argument in arguments {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => self.expression(expression)?,
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => {}
                _ => return Err(Refused::new("an argument other than a plain expression is not admitted")),
            }
        }
        self.functions.insert(name);
        Ok(())
    }

    /// `current_user` and its like.
    fn grammar_value(&mut self, function: &Function) -> Result<(), Refused> {
        let word = function.name.to_string().to_ascii_lowercase();
        none(!names::lists(names::GRAMMAR_VALUES, &word) || function.filter.is_some(), &format!("`{word}`"))?;
        self.functions.insert(word);
        Ok(())
    }

    /// An admitted function's name, without its schema.
    fn function_name(&self, function: &Function, name: &sqlparser::ast::ObjectName) -> Result<String, Refused> {
        let written = name.to_string().to_ascii_lowercase();
        if names::lists(names::GRAMMAR, &written) {
            none(function.filter.is_some(), "FILTER after a function of the grammar")?;
            return Ok(written);
        }
        let parts = scope::parts(name)?;
        let refused = || Refused::new(format!("the function `{}` is not admitted", parts.join(".")));
        match scope::of_catalog(&parts) {
            Some(name) if names::lists(names::FUNCTIONS, name) => Ok(name.to_owned()),
            Some(_) => Err(refused()),
            None if parts.len() == 1 => {
                Err(Refused::new(format!("the function `{}` is not admitted without `pg_catalog.`", parts.join("."))))
            }
            None => Err(refused()),
        }
    }
}

/// Whether the first argument is the name of a setting that holds nothing secret.
fn reads_plain_setting(arguments: &[FunctionArg]) -> bool {
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value, span: _ })))) =
        arguments.first()
    else {
        return false;
    };
    matches!(value, Value::SingleQuotedString(name) if names::lists(names::SETTINGS, name))
}

fn literal(value: &ValueWithSpan) -> Result<(), Refused> {
    let ValueWithSpan { value, span: _ } = value;
    match value {
        Value::Number(_, false) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(()),
        Value::Placeholder(name) if name.starts_with('$') => Ok(()),
        _ => Err(Refused::new("a literal of this form is not admitted")),
    }
}

/// The type of a cast. One of somebody's own would run that person's functions.
fn target(data_type: &DataType) -> Result<(), Refused> {
    match data_type {
        DataType::SmallInt(None)
        | DataType::Int(None)
        | DataType::Int2(None)
        | DataType::Int4(None)
        | DataType::Int8(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::Real
        | DataType::Float4
        | DataType::Float8
        | DataType::DoublePrecision
        | DataType::Double(ExactNumberInfo::None)
        | DataType::Bool
        | DataType::Boolean
        | DataType::Text
        | DataType::Date
        | DataType::Timestamp(None, _)
        | DataType::Time(None, TimezoneInfo::None)
        | DataType::Interval { fields: None, precision: None }
        | DataType::JSON
        | DataType::JSONB
        | DataType::Regclass => Ok(()),
        DataType::Custom(name, modifiers) => {
            none(!modifiers.is_empty(), "a type with modifiers")?;
            let parts = scope::parts(name)?;
            let known = match &parts[..] {
                [name] => names::lists(names::TYPES, name),
                _ => scope::of_catalog(&parts).is_some_and(|name| names::lists(names::TYPES, name)),
            };
            none(!known, &format!("the type `{}`", parts.join(".")))
        }
        other => Err(Refused::new(format!("the type `{other}` is not admitted"))),
    }
}

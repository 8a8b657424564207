//! Calls: which function, with what arguments, and what comes out.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    ObjectName, Value, ValueWithSpan,
};

use super::Refused;
use super::estimate::{Estimate, Origin};
use super::names;
use super::scope;
use super::walk::{Walk, none};

impl Walk {
    /// A call by name, or a value of the grammar such as `current_user`.
    pub(super) fn function(&mut self, function: &Function) -> Result<Estimate, Refused> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        none(*uses_odbc_syntax, "{fn}")?;
        none(!matches!(parameters, FunctionArguments::None), "a second list of arguments")?;
        none(!within_group.is_empty(), "WITHIN GROUP")?;
        none(null_treatment.is_some(), "a treatment of nulls")?;
        none(over.is_some(), "OVER")?;
        let filter = filter.as_ref().map(|condition| self.expression(condition)).transpose()?;
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
        let mut estimates = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                    let estimate = self.expression(expression)?;
                    check(&name, estimates.len(), expression, estimate)?;
                    estimates.push(estimate);
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => {}
                _ => return Err(Refused::new("an argument other than a plain expression is not admitted")),
            }
        }
        let arguments = estimates.into_iter().fold(Estimate::NOTHING, Estimate::and);
        let origin = match name.as_str() {
            name if names::lists(names::CONSTANT, name) => Origin::Stored,
            name if names::lists(names::CHOOSING, name) => arguments.origin,
            name if names::lists(names::TEXTUAL, name) => Origin::Computed,
            _ => Origin::Number,
        };
        self.functions.insert(name);
        Ok(arguments.and(filter.unwrap_or(Estimate::NOTHING)).into(origin))
    }

    /// `current_user` and its like.
    fn grammar_value(&mut self, function: &Function) -> Result<Estimate, Refused> {
        let word = function.name.to_string().to_ascii_lowercase();
        none(!names::lists(names::GRAMMAR_VALUES, &word) || function.filter.is_some(), &format!("`{word}`"))?;
        self.functions.insert(word);
        Ok(Estimate::STORED)
    }

    /// An admitted function's name, without its schema.
    fn function_name(&self, function: &Function, name: &ObjectName) -> Result<String, Refused> {
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

/// Checks an argument that a backend remembers, or compiles.
fn check(name: &str, index: usize, expression: &Expr, estimate: Estimate) -> Result<(), Refused> {
    let remembered = match (name, index) {
        // Each role that is asked for.
        ("pg_has_role", _) | ("to_char", 1) => estimate.origin != Origin::Stored,
        // Each time zone.
        ("date_trunc", _) => estimate.origin == Origin::Computed,
        // A text is a regular expression there, a number a position.
        ("substring", 1..) => return if is_number(expression, estimate) { Ok(()) } else { pattern(expression) },
        _ => false,
    };
    let what = format!("a computed argument of `{name}`");
    if remembered { Err(stored(&what)) } else { Ok(()) }
}

/// Refuses a computed value where a backend remembers each that it was given.
pub(super) fn stored(what: &str) -> Refused {
    Refused::new(format!("{what} is not admitted: write a literal or a column"))
}

fn is_number(expression: &Expr, estimate: Estimate) -> bool {
    let literal = |value: &ValueWithSpan| matches!(value.value, Value::Number(_, false));
    estimate.origin == Origin::Number || matches!(expression, Expr::Value(value) if literal(value))
}

/// Longest regular expression, bytes.
const PATTERN_BYTES: usize = 100;
/// Most of `*`, `+` and `?` in one: nested ones double what is compiled. PostgreSQL took up to 180 MiB for 200 bytes
/// with more, and less than 4 MiB within these bounds.
const REPETITIONS: usize = 6;

/// Checks that a regular expression is a literal that compiles to little.
pub(super) fn pattern(expression: &Expr) -> Result<(), Refused> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span: _ }) = expression else {
        return Err(Refused::new("a regular expression other than a literal is not admitted"));
    };
    let repetitions = text.bytes().filter(|byte| b"*+?".contains(byte)).count();
    if text.len() > PATTERN_BYTES || repetitions > REPETITIONS || text.contains('{') {
        let most = format!("{PATTERN_BYTES} bytes, {REPETITIONS} repetitions and no `{{`");
        return Err(Refused::new(format!("a regular expression of more than {most} is not admitted")));
    }
    Ok(())
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

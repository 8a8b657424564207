//! Calls: the admitted functions, their arguments and the estimates of their results.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    ObjectName, Value, ValueWithSpan,
};

use super::estimate::{Estimate, Origin};
use super::memory;
use super::names;
use super::refused::Refused;
use super::scope;
use super::statement::{Walk, integer, none, stored};

impl Walk {
    /// Estimates a call by name, or a value of the grammar such as `current_user`.
    pub(super) fn function(&mut self, function: &Function) -> Result<Estimate, Refused> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        none(*uses_odbc_syntax, "{fn}")?;
        none(!matches!(parameters, FunctionArguments::None), "a second list of arguments")?;
        none(!within_group.is_empty(), "WITHIN GROUP")?;
        none(null_treatment.is_some(), "a treatment of nulls")?;
        none(over.is_some(), "OVER")?;
        let filter = filter.as_ref().map(|condition| self.expression(condition)).transpose()?;
        let (arguments, distinct) = match args {
            FunctionArguments::None => return self.grammar_value(function),
            FunctionArguments::Subquery(_) => {
                return Err(Refused::new("a query as a function's argument is not admitted"));
            }
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
                none(!clauses.is_empty(), "a clause among a function's arguments")?;
                match duplicate_treatment {
                    None | Some(DuplicateTreatment::All) => (args, false),
                    Some(DuplicateTreatment::Distinct) => (args, true),
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
        let mut value = value(&name, arguments, &estimates);
        value.work += filter.unwrap_or(Estimate::NOTHING).work;
        // Each sorts all of its arguments separately.
        if distinct {
            value.work += memory::spilling(sum(&estimates).bytes);
        }
        if names::lists(names::REMEMBERING, &name) {
            value.work += memory::state(value.bytes);
        }
        self.functions.insert(name);
        Ok(value)
    }

    /// Estimates `current_user` and similar values.
    fn grammar_value(&mut self, function: &Function) -> Result<Estimate, Refused> {
        let word = function.name.to_string().to_ascii_lowercase();
        none(!names::lists(names::GRAMMAR_VALUES, &word) || function.filter.is_some(), &format!("`{word}`"))?;
        self.functions.insert(word);
        Ok(Estimate::VALUE)
    }

    /// Returns an admitted function's name, without its schema.
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

/// Estimates the value of a call.
fn value(name: &str, written: &[FunctionArg], arguments: &[Estimate]) -> Estimate {
    let sum = sum(arguments);
    let origin = match name {
        name if names::lists(names::CONSTANT, name) => Origin::Stored,
        name if names::lists(names::CHOOSING, name) => sum.origin,
        name if names::lists(names::TEXTUAL, name) => Origin::Computed,
        _ => Origin::Number,
    };
    let bytes = |index: usize| arguments.get(index).map_or(0, |argument| argument.bytes);
    let most = match name {
        name if names::lists(names::CHOOSING, name) => arguments.iter().map(|each| each.bytes).max().unwrap_or(0),
        "to_jsonb" => return sum.json(origin),
        "avg" => return sum.divided().into(origin),
        "bool_and" | "bool_or" | "count" | "length" => return sum.truth(),
        "left" => bytes(0).min(literal(written, 1).unwrap_or(u64::MAX).saturating_mul(LETTER_BYTES)),
        "lower" | "upper" => bytes(0).saturating_mul(CASE_GROWTH),
        "round" => bytes(0).saturating_add(ROUNDED_DIGITS),
        "to_char" => bytes(0).saturating_add(bytes(1).saturating_mul(FORMATTED_BYTES)),
        // As many elements as bytes, with a separator or a text for null between them.
        "array_to_string" => bytes(0).saturating_mul(1 + bytes(1).saturating_add(bytes(2))),
        _ => sum.bytes.max(Estimate::VALUE.bytes),
    };
    sum.of(most).into(origin)
}

fn sum(estimates: &[Estimate]) -> Estimate {
    estimates.iter().copied().fold(Estimate::NOTHING, Estimate::and)
}

/// Returns the number in an argument that is a literal.
fn literal(arguments: &[FunctionArg], index: usize) -> Option<u64> {
    match arguments.get(index)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => integer(expression),
        _ => None,
    }
}

/// Bytes of a letter in any encoding.
const LETTER_BYTES: u64 = 4;
/// Factor by which a text becomes longer in the other case.
const CASE_GROWTH: u64 = 3;
/// Digits that `round` adds at most.
const ROUNDED_DIGITS: u64 = 2_000;
/// Bytes that a letter of a format becomes at most.
const FORMATTED_BYTES: u64 = 16;

/// Checks an argument that a backend caches, or compiles.
fn check(name: &str, index: usize, expression: &Expr, estimate: Estimate) -> Result<(), Refused> {
    let remembered = match (name, index) {
        // Each role is cached.
        ("pg_has_role", _) | ("to_char", 1) => estimate.origin != Origin::Stored,
        // Each time zone is cached.
        ("date_trunc", _) => estimate.origin == Origin::Computed,
        // A text is a regular expression there, a number a position.
        ("substring", 1..) => return if is_number(expression, estimate) { Ok(()) } else { pattern(expression) },
        _ => false,
    };
    let what = format!("a computed argument of `{name}`");
    if remembered { Err(stored(&what)) } else { Ok(()) }
}

fn is_number(expression: &Expr, estimate: Estimate) -> bool {
    let literal = |value: &ValueWithSpan| matches!(value.value, Value::Number(_, false));
    estimate.origin == Origin::Number || matches!(expression, Expr::Value(value) if literal(value))
}

/// Longest regular expression, bytes.
const PATTERN_BYTES: usize = 100;
/// Maximum number of `*`, `+` and `?` in one: nested ones double the compiled size. PostgreSQL took up to 180 MiB for
/// 200 bytes with more, and less than 4 MiB within these bounds.
const REPETITIONS: usize = 6;

/// Checks that a regular expression is a literal of small compiled size.
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

/// Returns true if the first argument is the name of a setting without secrets.
fn reads_plain_setting(arguments: &[FunctionArg]) -> bool {
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value, span: _ })))) =
        arguments.first()
    else {
        return false;
    };
    matches!(value, Value::SingleQuotedString(name) if names::lists(names::SETTINGS, name))
}

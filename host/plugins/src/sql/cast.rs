//! Casts: the admitted target types and operands.

use sqlparser::ast::{DataType, ExactNumberInfo, TimezoneInfo};

use super::estimate::{Estimate, Origin};
use super::names;
use super::refused::Refused;
use super::scope;
use super::statement::{none, stored};

/// Checks the target type of a cast. A user-defined one would run its owner's functions.
pub(super) fn target(data_type: &DataType) -> Result<(), Refused> {
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

/// Estimates the value of a cast to an admitted type.
pub(super) fn of(value: Estimate, data_type: &DataType) -> Result<Estimate, Refused> {
    let name = match data_type {
        DataType::Custom(name, _) => scope::parts(name)?.pop().unwrap_or_default(),
        other => other.to_string().to_ascii_lowercase(),
    };
    let is = |names: &[&str]| names.iter().any(|known| name.starts_with(known));
    // A backend caches each relation that was looked up, by name or by number, whether it exists or not.
    if is(&["regclass"]) && value.origin != Origin::Stored {
        return Err(stored("a cast of a computed value to regclass"));
    }
    // In a text, a time may have a time zone of any name, and a backend caches each.
    if is(&["date", "time"]) && value.origin == Origin::Computed {
        return Err(stored("a cast of a computed text to a time"));
    }
    if is(&["json"]) {
        return Ok(value.json(if value.origin == Origin::Stored { Origin::Stored } else { Origin::Computed }));
    }
    Ok(match value.origin {
        // As many texts as there are values.
        Origin::Stored => value.kept(),
        _ if is(&["text", "name"]) => value.into(Origin::Computed),
        _ => value.into(Origin::Number),
    })
}

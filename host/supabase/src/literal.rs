//! Parameters as SQL literals: the query endpoint's own parameters have no types.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use bytes::BytesMut;
use jiff::Timestamp;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use archon_pool_postgres::error;
use archon_pool_postgres::values::SqlValue;

/// Replaces `$1`, `$2` and so on in a statement with literals; beyond the last one nothing is replaced. For the host's
/// own statements alone: a `$1` within a string would be replaced, too.
pub(super) fn fill(sql: &str, literals: &[String]) -> String {
    let mut filled = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let digits = after.len() - after.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let number = after[..digits].parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match number.and_then(|index| literals.get(index)) {
            Some(literal) => filled.push_str(literal),
            None => filled.extend(["$", &after[..digits]]),
        }
        rest = &after[digits..];
    }
    filled.push_str(rest);
    filled
}

/// Formats a parameter as a literal of its type.
pub(super) fn of(value: &(dyn ToSql + Sync), of: &Type) -> Result<String, Fault> {
    let wrong =
        |why: &dyn std::fmt::Display| Fault::new(kind::QUERY_FAILED, format!("a parameter cannot be sent: {why}"));
    let mut raw = BytesMut::new();
    if let IsNull::Yes = value.to_sql_checked(of, &mut raw).map_err(|error| wrong(&error))? {
        return Ok("NULL".to_owned());
    }
    let read = |error: Box<dyn std::error::Error + Sync + Send>| wrong(&error);
    Ok(match *of {
        Type::TEXT_ARRAY => {
            array(Vec::<String>::from_sql(of, &raw).map_err(read)?.iter().map(|text| quoted(text)), "text")
        }
        Type::INT4_ARRAY => array(Vec::<i32>::from_sql(of, &raw).map_err(read)?.iter().map(i32::to_string), "int4"),
        _ => match SqlValue::from_sql(of, &raw).map_err(read)?.0 {
            Value::Boolean(value) => value.to_string(),
            Value::Int64(value) => format!("'{value}'::pg_catalog.int8"),
            Value::Float64(value) => format!("'{value}'::pg_catalog.float8"),
            Value::Text(text) => format!("{}::pg_catalog.text", quoted(&text)),
            Value::Timestamp(micros) => format!("'{}'::pg_catalog.timestamptz", moment(micros)?),
            Value::Bytes(_) | Value::Null => return Err(wrong(&"it has no literal")),
        },
    })
}

fn array(literals: impl Iterator<Item = String>, of: &str) -> String {
    format!("ARRAY[{}]::pg_catalog.{of}[]", literals.collect::<Vec<_>>().join(", "))
}

fn moment(micros: i64) -> Result<String, Fault> {
    match micros {
        i64::MAX => Ok("infinity".into()),
        i64::MIN => Ok("-infinity".into()),
        _ => Timestamp::from_microsecond(micros)
            .map(|moment| moment.to_string())
            .map_err(|error| Fault::new(kind::QUERY_FAILED, error::chain(&error))),
    }
}

/// Quotes a string as a literal, whatever `standard_conforming_strings` is.
pub(super) fn quoted(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!(" E'{}'", doubled.replace('\\', r"\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_inserted_at_their_numbers() {
        let literals: Vec<_> = (1..=11).map(|number| format!("<{number}$2>")).collect();
        assert_eq!(fill("a = $1 AND b = $11 OR $1", &literals), "a = <1$2> AND b = <11$2> OR <1$2>");
        assert_eq!(fill("$inner$ 1 $inner$, $12, $0, $", &literals), "$inner$ 1 $inner$, $12, $0, $");
    }

    #[test]
    fn each_type_has_its_literal() {
        let text = |text: &str| of(&text, &Type::TEXT).unwrap();
        assert_eq!(text("o'clock"), "'o''clock'::pg_catalog.text");
        assert_eq!(text(r"supabase\_'%"), r" E'supabase\\_''%'::pg_catalog.text");
        assert_eq!(of(&-7, &Type::INT4).unwrap(), "'-7'::pg_catalog.int8");
        assert_eq!(of(&1.5, &Type::FLOAT8).unwrap(), "'1.5'::pg_catalog.float8");
        let moment = SqlValue(Value::Timestamp(1_700_000_000_123_456));
        assert_eq!(of(&moment, &Type::TIMESTAMPTZ).unwrap(), "'2023-11-14T22:13:20.123456Z'::pg_catalog.timestamptz");
        assert_eq!(of(&vec!["a", "b'"], &Type::TEXT_ARRAY).unwrap(), "ARRAY['a', 'b''']::pg_catalog.text[]");
        assert_eq!(of(&vec![1, 2], &Type::INT4_ARRAY).unwrap(), "ARRAY[1, 2]::pg_catalog.int4[]");
        assert_eq!(of(&SqlValue(Value::Null), &Type::UNKNOWN).unwrap(), "NULL");
    }
}

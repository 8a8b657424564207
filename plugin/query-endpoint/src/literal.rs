//! Parameters as SQL literals: the query endpoint's own parameters have no types.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use jiff::Timestamp;

/// Replaces `$1`, `$2` and so on in a statement with literals; beyond the last one nothing is replaced. For the host's
/// own statements alone: a `$1` within a string would be replaced, too.
pub fn fill(sql: &str, literals: &[String]) -> String {
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
pub fn of(value: &Value) -> Result<String, Fault> {
    Ok(match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int64(value) => format!("'{value}'::pg_catalog.int8"),
        Value::Float64(value) => format!("'{value}'::pg_catalog.float8"),
        Value::Text(text) => format!("{}::pg_catalog.text", quoted(text)),
        Value::Timestamp(micros) => format!("'{}'::pg_catalog.timestamptz", moment(*micros)?),
        Value::Bytes(_) => return Err(Fault::new(kind::QUERY_FAILED, "a parameter cannot be sent: it has no literal")),
    })
}

/// Joins literals to an array of a type, such as `text`.
pub fn array(literals: impl Iterator<Item = String>, of: &str) -> String {
    format!("ARRAY[{}]::pg_catalog.{of}[]", literals.collect::<Vec<_>>().join(", "))
}

fn moment(micros: i64) -> Result<String, Fault> {
    match micros {
        i64::MAX => Ok("infinity".into()),
        i64::MIN => Ok("-infinity".into()),
        _ => Timestamp::from_microsecond(micros)
            .map(|moment| moment.to_string())
            .map_err(|error| Fault::new(kind::QUERY_FAILED, error.to_string())),
    }
}

/// Quotes a string as a literal, whatever `standard_conforming_strings` is.
pub fn quoted(text: &str) -> String {
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
        let text = |text: &str| of(&Value::Text(text.into())).unwrap();
        assert_eq!(text("o'clock"), "'o''clock'::pg_catalog.text");
        assert_eq!(text(r"supabase\_'%"), r" E'supabase\\_''%'::pg_catalog.text");
        assert_eq!(of(&Value::Int64(-7)).unwrap(), "'-7'::pg_catalog.int8");
        assert_eq!(of(&Value::Float64(1.5)).unwrap(), "'1.5'::pg_catalog.float8");
        let moment = of(&Value::Timestamp(1_700_000_000_123_456)).unwrap();
        assert_eq!(moment, "'2023-11-14T22:13:20.123456Z'::pg_catalog.timestamptz");
        assert_eq!(of(&Value::Timestamp(i64::MAX)).unwrap(), "'infinity'::pg_catalog.timestamptz");
        let texts = array(["a", "b'"].into_iter().map(quoted), "text");
        assert_eq!(texts, "ARRAY['a', 'b''']::pg_catalog.text[]");
        assert_eq!(of(&Value::Null).unwrap(), "NULL");
        assert!(of(&Value::Bytes(vec![1])).is_err());
    }
}

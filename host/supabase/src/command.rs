//! Conversion of several statements into one SQL command, whose answer preserves every type.
//!
//! The query endpoint takes one command at a time, has settings of its own and answers in JSON that went through
//! JavaScript, which loses whole numbers beyond 2⁵³ and the difference between a text and a timestamp. So each
//! statement becomes one column of one `SELECT`, and its rows one text.
//!
//! `query_to_xml` takes a statement as a text, so PostgreSQL parses it only when the columns before it have set the
//! transaction's `search_path`: no user's operator of the same name can shadow the catalogue's. It also runs nothing
//! that writes. Hexadecimal digits keep the rows free of characters that XML would escape.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use archon_pool_postgres::session::APPLICATION;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tokio_postgres::types::Type;

use super::columns::Columns;
use super::literal::quoted;

/// A statement with its parameters in place.
pub(super) struct Part {
    pub(super) sql: String,
    pub(super) columns: Columns,
    /// Row limit; one more is requested, to detect truncation.
    pub(super) max_rows: u32,
}

impl Part {
    /// Returns the expression for all rows as one text of hexadecimal digits: an array of arrays in JSON.
    fn document(&self) -> String {
        let names: Vec<_> = (0..self.columns.len()).map(|index| format!("c{index}")).collect();
        let values: Vec<_> = names.iter().zip(self.columns).map(|(name, (_, of))| value(name, of)).collect();
        format!(
            "SELECT encode(convert_to(coalesce(json_agg(json_build_array({})), '[]')::text, 'UTF8'), 'hex') AS document \
             FROM (SELECT * FROM ({}) s({}) LIMIT {}) t",
            values.join(", "),
            self.sql,
            names.join(", "),
            u64::from(self.max_rows) + 1
        )
    }

    /// Returns the rows of this part in an answer to [`command`].
    pub(super) fn rows(&self, index: usize, answer: &Map<String, Json>) -> Result<Vec<Vec<Value>>, Fault> {
        let text = answer.get(&key(index)).and_then(Json::as_str).ok_or_else(unexpected)?;
        let rows: Vec<Vec<Json>> = serde_json::from_str(text).map_err(|_| unexpected())?;
        rows.into_iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: Vec<Json>) -> Result<Vec<Value>, Fault> {
        if row.len() != self.columns.len() {
            return Err(unexpected());
        }
        let read = |(json, (_, of)): (Json, &(&str, Type))| read(json, of).ok_or_else(unexpected);
        row.into_iter().zip(self.columns).map(read).collect()
    }
}

/// Builds one command for all parts. Columns are computed in their order, and so the statements run in theirs.
pub(super) fn command(parts: &[Part], lock_timeout_ms: u128) -> String {
    let settings = [
        ("search_path", "pg_catalog".to_owned()),
        ("application_name", APPLICATION.to_owned()),
        ("transaction_read_only", "on".to_owned()),
        ("lock_timeout", lock_timeout_ms.max(1).to_string()),
        // Floats with all their digits.
        ("extra_float_digits", "1".to_owned()),
    ];
    let settings = settings
        .iter()
        .map(|(name, value)| format!("pg_catalog.set_config('{name}', {}, true) AS {name}", quoted(value)));
    let documents = parts.iter().enumerate().map(|(index, part)| {
        format!(
            "pg_catalog.convert_from(pg_catalog.decode(pg_catalog.\"substring\"(pg_catalog.query_to_xml({}, false, true, '')\
             ::pg_catalog.text, '>([0-9a-f]+)<'), 'hex'), 'UTF8') AS {}",
            quoted(&part.document()),
            key(index)
        )
    });
    format!("/* {APPLICATION} */ SELECT {}", settings.chain(documents).collect::<Vec<_>>().join(", "))
}

fn key(index: usize) -> String {
    format!("s{index}")
}

/// Returns a column as JSON without loss. Numbers in an object would become texts, and fractions would lose digits.
fn value(name: &str, of: &Type) -> String {
    match *of {
        Type::INT8 => format!("{name}::bigint"),
        Type::FLOAT8 => format!("{name}::text"),
        _ => name.to_owned(),
    }
}

fn read(json: Json, of: &Type) -> Option<Value> {
    Some(match (json, of) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(value), &Type::BOOL) => Value::Boolean(value),
        (Json::Number(value), &Type::INT8) => Value::Int64(value.as_i64()?),
        (Json::String(text), &Type::FLOAT8) => Value::Float64(text.parse().ok()?),
        (Json::String(text), &Type::TEXT) => Value::Text(text),
        (Json::String(text), &Type::TIMESTAMPTZ) => Value::Timestamp(match text.as_str() {
            "infinity" => i64::MAX,
            "-infinity" => i64::MIN,
            text => text.parse::<Timestamp>().ok()?.as_microsecond(),
        }),
        _ => return None,
    })
}

fn unexpected() -> Fault {
    let message = "the Management API's query endpoint answered in another form than the statement has";
    Fault::new(kind::UNEXPECTED_ANSWER, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: Columns =
        &[("n", Type::INT8), ("f", Type::FLOAT8), ("b", Type::BOOL), ("t", Type::TEXT), ("at", Type::TIMESTAMPTZ)];

    fn rows(text: &str) -> Result<Vec<Vec<Value>>, Fault> {
        let part = Part { sql: String::new(), columns: COLUMNS, max_rows: 1 };
        let Json::Object(answer) = json!({ "s0": text }) else { unreachable!("it is an object") };
        part.rows(0, &answer)
    }

    #[test]
    fn every_type_survives_a_round_trip() {
        let text = r#"[[9007199254740993, "0.1", true, "Grüße", "2026-11-23T08:58:37.580159+00:00"],
                       [-9223372036854775808, "NaN", null, "1", "infinity"]]"#;
        let rows = rows(text).unwrap();
        let [Value::Int64(n), Value::Float64(f), Value::Boolean(b), Value::Text(t), Value::Timestamp(at)] =
            &rows[0][..]
        else {
            panic!("{rows:?}")
        };
        assert_eq!((*n, *f, *b, t.as_str(), *at), (9_007_199_254_740_993, 0.1, true, "Grüße", 1_795_424_317_580_159));
        let [Value::Int64(i64::MIN), Value::Float64(nan), Value::Null, Value::Text(_), Value::Timestamp(i64::MAX)] =
            &rows[1][..]
        else {
            panic!("{rows:?}")
        };
        assert!(nan.is_nan());
    }

    #[test]
    fn a_response_of_another_form_is_refused() {
        for text in ["", "{}", "[[1]]", r#"[["1", "0", true, "x", null]]"#, r#"[[1.5, "0", true, "x", null]]"#] {
            assert_eq!(rows(text).unwrap_err().kind, kind::UNEXPECTED_ANSWER, "{text}");
        }
    }
}

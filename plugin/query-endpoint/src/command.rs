//! Conversion of several statements into one SQL command, whose answer preserves every type.
//!
//! The query endpoint takes one command at a time, has settings of its own and answers in JSON that went through
//! JavaScript, which loses whole numbers beyond 2⁵³ and the difference between a text and a timestamp. So each
//! statement becomes one column of one `SELECT`, and its rows one text.
//!
//! `query_to_xml` takes a statement as a text, so PostgreSQL parses it only when the columns before it have set the
//! transaction's `search_path`: no user's operator of the same name can shadow the catalogue's. It also runs nothing
//! that writes. Hexadecimal digits keep the rows free of characters that XML would escape.

use archon_pool_contract::catalogue::APPLICATION;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::column_type::ColumnType;
use crate::columns::Columns;
use crate::literal::quoted;

/// A statement with its parameters in place.
pub struct Part {
    /// The statement.
    pub sql: String,
    /// Its columns.
    pub columns: Columns,
    /// Row limit; one more is requested, to detect truncation.
    pub max_rows: u32,
}

impl Part {
    /// Returns the expression for all rows as one text of hexadecimal digits: an array of arrays in JSON.
    fn document(&self) -> String {
        let names: Vec<_> = (0..self.columns.len()).map(|index| format!("c{index}")).collect();
        let values: Vec<_> = names.iter().zip(self.columns).map(|(name, (_, of))| value(name, *of)).collect();
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
    pub fn rows(&self, index: usize, answer: &Map<String, Json>) -> Result<Vec<Vec<Value>>, Fault> {
        let text = answer.get(&key(index)).and_then(Json::as_str).ok_or_else(unexpected)?;
        let rows: Vec<Vec<Json>> = serde_json::from_str(text).map_err(|_| unexpected())?;
        rows.into_iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: Vec<Json>) -> Result<Vec<Value>, Fault> {
        if row.len() != self.columns.len() {
            return Err(unexpected());
        }
        let read = |(json, (_, of)): (Json, &(&str, ColumnType))| read(json, *of).ok_or_else(unexpected);
        row.into_iter().zip(self.columns).map(read).collect()
    }
}

/// Builds one command for all parts. Columns are computed in their order, and so the statements run in theirs.
pub fn command(parts: &[Part], lock_timeout_ms: u128) -> String {
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
fn value(name: &str, of: ColumnType) -> String {
    match of {
        ColumnType::Int64 => format!("{name}::bigint"),
        ColumnType::Float64 => format!("{name}::text"),
        _ => name.to_owned(),
    }
}

fn read(json: Json, of: ColumnType) -> Option<Value> {
    Some(match (json, of) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(value), ColumnType::Boolean) => Value::Boolean(value),
        (Json::Number(value), ColumnType::Int64) => Value::Int64(value.as_i64()?),
        (Json::String(text), ColumnType::Float64) => Value::Float64(text.parse().ok()?),
        (Json::String(text), ColumnType::Text) => Value::Text(text),
        (Json::String(text), ColumnType::Timestamp) => Value::Timestamp(match text.as_str() {
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

    const COLUMNS: Columns = &[
        ("n", ColumnType::Int64),
        ("f", ColumnType::Float64),
        ("b", ColumnType::Boolean),
        ("t", ColumnType::Text),
        ("at", ColumnType::Timestamp),
    ];

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

//! Values between PostgreSQL's binary format and the contract's seven types.

use std::error::Error;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::{Cell, Value};
use archon_pool_core::parameter::Parameter;
use bytes::BytesMut;
use std::borrow::Cow;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::text::TextEncoding;
use crate::wire::UNKNOWN;

/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
const EPOCH: i64 = 946_684_800_000_000;

const OUT_OF_RANGE: &str = "the timestamp is out of range";

type Failure = Box<dyn Error + Sync + Send>;

/// Error for a column's type outside the seven.
#[derive(Debug)]
pub(crate) struct Unsupported;

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the type is not supported")
    }
}

impl Error for Unsupported {}

/// Returns true if a column of this type can be converted.
pub(crate) fn is_supported(column: &Type) -> bool {
    matches!(
        *column,
        Type::BOOL
            | Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::OID
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::TEXT
            | Type::VARCHAR
            | Type::NAME
            | Type::BPCHAR
            | Type::CHAR
            | Type::UNKNOWN
            | Type::JSON
            | Type::JSONB
            | Type::BYTEA
            | Type::TIMESTAMPTZ
            | Type::TIMESTAMP
    )
}

/// Returns the names and type OIDs of a statement's columns.
pub(crate) fn columns(columns: &[tokio_postgres::Column]) -> Result<Vec<(String, u32)>, Fault> {
    columns
        .iter()
        .map(|column| {
            let (name, kind_of) = (column.name(), column.type_());
            if is_supported(kind_of) {
                return Ok((name.to_owned(), kind_of.oid()));
            }
            let kind_of = if *kind_of == UNKNOWN {
                format!("a type of its own (OID {})", column.type_modifier().cast_unsigned())
            } else {
                format!("type {kind_of} (OID {})", kind_of.oid())
            };
            let message = format!("column '{name}' has {kind_of}: cast it in the statement");
            Err(Fault::new(kind::UNSUPPORTED_TYPE, message))
        })
        .collect()
}

/// A parameter in the driver's form.
pub type Bound = Box<dyn ToSql + Send + Sync>;

/// Converts a parameter of the host's own to the driver's form.
pub fn bound(parameter: &Parameter) -> (Bound, Type) {
    match parameter {
        Parameter::Int4(number) => (Box::new(*number), Type::INT4),
        Parameter::Float8(number) => (Box::new(*number), Type::FLOAT8),
        Parameter::Text(text) => (Box::new(text.clone()), Type::TEXT),
        Parameter::Timestamptz(micros) => (Box::new(SqlValue(Value::Timestamp(*micros))), Type::TIMESTAMPTZ),
        Parameter::Int4Array(numbers) => (Box::new(numbers.clone()), Type::INT4_ARRAY),
        Parameter::TextArray(texts) => (Box::new(texts.clone()), Type::TEXT_ARRAY),
    }
}

/// One column's value.
pub struct SqlValue(pub Value);

/// The undecoded bytes of a value; none for null.
pub(crate) struct Raw<'a>(Option<&'a [u8]>);

impl<'a> Raw<'a> {
    /// Returns the largest size of the decoded value: each invalid byte may become three.
    pub(crate) fn decoded_bytes(&self, column: &Type) -> usize {
        let Some(raw) = self.0 else { return 0 };
        let is_kept = *column == Type::BYTEA || std::str::from_utf8(raw).is_ok();
        if is_kept { raw.len() } else { raw.len().saturating_mul(3) }
    }

    /// Decodes the value, with texts in the database's encoding.
    pub(crate) fn decode(&self, column: &Type, encoding: TextEncoding) -> Result<Cell<'a>, Failure> {
        let Some(raw) = self.0 else { return Ok(Cell::Null) };
        let text = |raw| Cell::Text(encoding.decode(raw));
        Ok(match *column {
            Type::BOOL => Cell::Boolean(bool::from_sql(column, raw)?),
            Type::INT2 => Cell::Int64(i16::from_sql(column, raw)?.into()),
            Type::INT4 => Cell::Int64(i32::from_sql(column, raw)?.into()),
            Type::INT8 => Cell::Int64(i64::from_sql(column, raw)?),
            Type::OID => Cell::Int64(u32::from_sql(column, raw)?.into()),
            Type::FLOAT4 => Cell::Float64(f32::from_sql(column, raw)?.into()),
            Type::FLOAT8 => Cell::Float64(f64::from_sql(column, raw)?),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::CHAR | Type::UNKNOWN | Type::JSON => {
                text(raw)
            }
            // The binary form of jsonb is a version number and the text.
            Type::JSONB => match raw.split_first() {
                Some((1, json)) => text(json),
                _ => return Err("jsonb of an unknown version".into()),
            },
            Type::BYTEA => Cell::Bytes(Cow::Borrowed(raw)),
            Type::TIMESTAMPTZ | Type::TIMESTAMP => Cell::Timestamp(from_server(i64::from_sql(&Type::INT8, raw)?)),
            _ => return Err(Box::new(Unsupported)),
        })
    }
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_column: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_column: &Type) -> Result<Self, Failure> {
        Ok(Self(None))
    }

    fn accepts(_column: &Type) -> bool {
        true
    }
}

impl<'a> FromSql<'a> for SqlValue {
    fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Raw(Some(raw)).decode(column, TextEncoding::default()).map(|cell| Self(cell.into()))
    }

    fn from_sql_null(_column: &Type) -> Result<Self, Failure> {
        Ok(Self(Value::Null))
    }

    fn accepts(_column: &Type) -> bool {
        true
    }
}

/// Converts a time, exact to the microsecond; `infinity` and `-infinity` stay the largest and smallest number.
/// PostgreSQL's last 30 years, to 294276, exceed 64 bits of microseconds since 1970: they become `infinity` in every
/// host.
fn from_server(micros: i64) -> i64 {
    if micros == i64::MIN { micros } else { micros.saturating_add(EPOCH) }
}

fn to_server(micros: i64) -> Result<i64, Failure> {
    match micros {
        i64::MIN | i64::MAX => Ok(micros),
        _ => micros.checked_sub(EPOCH).filter(|micros| *micros != i64::MIN).ok_or_else(|| OUT_OF_RANGE.into()),
    }
}

/// Returns the type under which a parameter is sent. Null has none: the server infers it.
pub fn parameter_type(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Boolean(_) => Type::BOOL,
        Value::Int64(_) => Type::INT8,
        Value::Float64(_) => Type::FLOAT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Timestamp(_) => Type::TIMESTAMPTZ,
    }
}

impl ToSql for SqlValue {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match &self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Boolean(value) => value.to_sql(column, out),
            Value::Int64(value) => value.to_sql(column, out),
            Value::Float64(value) => value.to_sql(column, out),
            Value::Text(value) => value.to_sql(column, out),
            Value::Bytes(value) => value.to_sql(column, out),
            Value::Timestamp(value) => to_server(*value)?.to_sql(&Type::INT8, out),
        }
    }

    fn accepts(_column: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A parameter whose text is sent in the database's encoding.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    pub(crate) value: &'a (dyn ToSql + Sync),
    pub(crate) encoding: TextEncoding,
}

impl ToSql for Encoded<'_> {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let before = out.len();
        let sent = self.value.to_sql_checked(column, out)?;
        if *column == Type::TEXT {
            let written = out.split_off(before);
            out.extend_from_slice(&self.encoding.encode(std::str::from_utf8(&written)?));
        }
        Ok(sent)
    }

    fn accepts(_column: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

// Values may be data of the database, so logs contain only their kind.
impl std::fmt::Debug for SqlValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", parameter_type(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: Value) {
        let column = parameter_type(&value);
        let mut out = BytesMut::new();
        let cell = SqlValue(value);
        let IsNull::No = cell.to_sql(&column, &mut out).unwrap() else { panic!("null") };
        let back = SqlValue::from_sql(&column, &out).unwrap();
        assert_eq!(format!("{:?}", back.0), format!("{:?}", cell.0));
    }

    #[test]
    fn values_survive_a_round_trip() {
        for value in [
            Value::Boolean(true),
            Value::Int64(i64::MIN),
            Value::Float64(-0.5),
            Value::Text("Grüße".into()),
            Value::Bytes(vec![0, 255]),
            Value::Timestamp(1_700_000_000_123_456),
            Value::Timestamp(-1),
            Value::Timestamp(i64::MAX),
            Value::Timestamp(i64::MIN),
        ] {
            round_trip(value);
        }
    }

    #[test]
    fn extreme_numbers_survive_a_round_trip() {
        for value in [
            Value::Int64(i64::MAX),
            Value::Float64(f64::NAN),
            Value::Float64(f64::INFINITY),
            Value::Float64(f64::NEG_INFINITY),
            Value::Float64(f64::MIN_POSITIVE),
            Value::Float64(-0.0),
            Value::Timestamp(i64::MIN + EPOCH + 1),
            Value::Timestamp(i64::MAX - 1),
        ] {
            round_trip(value);
        }
        for (column, raw, expected) in [
            (Type::INT2, vec![0x80, 0], i64::from(i16::MIN)),
            (Type::INT4, vec![0x7f, 0xff, 0xff, 0xff], i64::from(i32::MAX)),
            (Type::OID, vec![0xff; 4], i64::from(u32::MAX)),
        ] {
            let Value::Int64(number) = SqlValue::from_sql(&column, &raw).unwrap().0 else { panic!("{column}") };
            assert_eq!(number, expected);
        }
    }

    #[test]
    fn times_out_of_range_are_infinity_or_refused() {
        // The first is 294276-12-31 23:59:59.999999, PostgreSQL's last.
        for micros in [9_223_371_331_199_999_999, i64::MAX - EPOCH, i64::MAX - 1, i64::MAX] {
            let value = SqlValue::from_sql(&Type::TIMESTAMPTZ, &micros.to_be_bytes()).unwrap().0;
            assert!(matches!(value, Value::Timestamp(i64::MAX)), "{micros}: {value:?}");
        }
        // A value that would be sent as `-infinity` is refused.
        for micros in [i64::MIN + 1, i64::MIN + EPOCH] {
            assert!(SqlValue(Value::Timestamp(micros)).to_sql(&Type::TIMESTAMPTZ, &mut BytesMut::new()).is_err());
        }
        for raw in [&b""[..], b"1234567", b"123456789"] {
            assert!(
                SqlValue::from_sql(&Type::TIMESTAMP, raw).is_err() && SqlValue::from_sql(&Type::INT8, raw).is_err()
            );
        }
    }

    #[test]
    fn texts_are_decoded_and_encoded_in_the_encoding_of_the_database() {
        let latin1 = TextEncoding::of_server("LATIN1");
        let Cell::Text(text) = Raw(Some(b"caf\xe9")).decode(&Type::NAME, latin1).unwrap() else { panic!("no text") };
        assert_eq!(text, "café");
        let Value::Text(text) = SqlValue::from_sql(&Type::TEXT, b"caf\xe9").unwrap().0 else { panic!("no text") };
        assert_eq!(text, "caf\u{fffd}");
        let mut out = BytesMut::new();
        Encoded { value: &SqlValue(Value::Text("é".into())), encoding: latin1 }.to_sql(&Type::TEXT, &mut out).unwrap();
        assert_eq!(*out, *b"\xe9");
    }

    #[test]
    fn the_growth_by_decoding_is_computed_in_advance() {
        let bytes = |raw, column| Raw(Some(raw)).decoded_bytes(&column);
        assert_eq!((bytes(b"caf\xe9", Type::TEXT), bytes(b"caf\xe9", Type::BYTEA)), (12, 4));
        assert_eq!((bytes("café".as_bytes(), Type::TEXT), Raw(None).decoded_bytes(&Type::TEXT)), (5, 0));
    }

    #[test]
    fn jsonb_is_read_as_text_and_other_types_are_refused() {
        let Value::Text(json) = SqlValue::from_sql(&Type::JSONB, b"\x01{}").unwrap().0 else { panic!("no text") };
        assert_eq!(json, "{}");
        assert!(SqlValue::from_sql(&Type::NUMERIC, b"").is_err());
        assert!(!is_supported(&Type::NUMERIC));
    }
}

//! Parameters of the host's own statements as SQL literals: the query endpoint's own parameters have no types.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::value::Value;
use archon_pool_core::parameter::Parameter;
use archon_pool_query_endpoint::literal::{array, of as literal, quoted};

/// Formats a parameter as a literal of its type.
pub(super) fn of(parameter: &Parameter) -> Result<String, Fault> {
    Ok(match parameter {
        Parameter::Int4(number) => literal(&Value::Int64((*number).into()))?,
        Parameter::Float8(number) => literal(&Value::Float64(*number))?,
        Parameter::Text(text) => format!("{}::pg_catalog.text", quoted(text)),
        Parameter::Timestamptz(micros) => literal(&Value::Timestamp(*micros))?,
        Parameter::Int4Array(numbers) => array(numbers.iter().map(i32::to_string), "int4"),
        Parameter::TextArray(texts) => array(texts.iter().map(|text| quoted(text)), "text"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_literal() {
        for (parameter, expected) in [
            (Parameter::Int4(-7), "'-7'::pg_catalog.int8"),
            (Parameter::Float8(1.5), "'1.5'::pg_catalog.float8"),
            (Parameter::Text("o'clock".into()), "'o''clock'::pg_catalog.text"),
            (Parameter::Timestamptz(0), "'1970-01-01T00:00:00Z'::pg_catalog.timestamptz"),
            (Parameter::Int4Array(vec![1, 2]), "ARRAY[1, 2]::pg_catalog.int4[]"),
            (Parameter::TextArray(vec!["a".into()]), "ARRAY['a']::pg_catalog.text[]"),
        ] {
            assert_eq!(of(&parameter).unwrap(), expected);
        }
    }
}

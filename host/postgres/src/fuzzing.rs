//! Entry points of the fuzz targets into private code. No part of the interface: it may change at any time.

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use crate::values::{SqlValue, parameter_type};

/// Decodes a column's bytes from a server, and checks that a decoded value is encoded as the same bytes.
pub fn value(type_oid: u32, raw: &[u8]) {
    let Some(column) = Type::from_oid(type_oid) else { return };
    let Ok(cell) = SqlValue::from_sql(&column, raw) else { return };
    let sent_as = parameter_type(&cell.0);
    let mut sent = BytesMut::new();
    let Ok(IsNull::No) = cell.to_sql(&sent_as, &mut sent) else { return };
    let Ok(back) = SqlValue::from_sql(&sent_as, &sent) else { panic!("a value that was sent is unreadable") };
    let mut again = BytesMut::new();
    assert!(matches!(back.to_sql(&sent_as, &mut again), Ok(IsNull::No)) && sent == again, "a value came back changed");
}

//! Rewriting of a message's texts to valid UTF-8, and of column types that the driver would look up.

use std::borrow::Cow;

use tokio_postgres::types::Type;

use crate::text::TextEncoding;

/// Replacement of a type unknown to the driver; the type modifier is the OID of the real one. The driver would query
/// the server for the type, its components, and so on, to a depth of the server's choice. No column has this
/// pseudo-type.
pub(crate) const UNKNOWN: Type = Type::INTERNAL;

/// Returns true if messages of this type contain texts that the driver reads as UTF-8. The texts of rows are values,
/// which are decoded later, except for the simple query protocol.
pub(super) fn holds_text(tag: u8, rows: bool) -> bool {
    matches!(tag, b'E' | b'S' | b'T' | b'C') || (rows && tag == b'D')
}

/// Returns the body with its texts as UTF-8, and unknown column types replaced; none when it is unchanged. The error is
/// for a malformed body.
pub(super) fn rewritten(tag: u8, body: &[u8], encoding: TextEncoding) -> Result<Option<Vec<u8>>, Malformed> {
    let mut reader = Reader { rest: body, encoding, out: Vec::with_capacity(body.len() + body.len() / 2) };
    let read = match tag {
        b'E' => reader.fields(),
        b'S' => reader.text().and_then(|()| reader.text()),
        b'C' => reader.text(),
        b'T' => reader.columns(),
        b'D' => reader.row(),
        _ => return Ok(None),
    };
    read.ok_or(Malformed)?;
    reader.out.extend_from_slice(reader.rest);
    Ok((reader.out != body).then_some(reader.out))
}

/// Error for a wrong or missing length or terminator in a message.
#[derive(Debug)]
pub(super) struct Malformed;

/// Terminates the last whole field of a truncated error.
pub(super) fn end_fields(body: &mut Vec<u8>) {
    let whole = body.iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
    body.truncate(whole);
    body.push(0);
}

struct Reader<'a> {
    rest: &'a [u8],
    encoding: TextEncoding,
    out: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        self.out.extend_from_slice(taken);
        Some(taken)
    }

    /// Rewrites a text that ends with a zero byte.
    fn text(&mut self) -> Option<()> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        self.out.extend_from_slice(self.encoding.decode(&text[..end]).as_bytes());
        self.out.push(0);
        Some(())
    }

    /// Rewrites fields with a letter each, until a zero byte.
    fn fields(&mut self) -> Option<()> {
        while self.take(1)? != [0] {
            self.text()?;
        }
        Some(())
    }

    fn columns(&mut self) -> Option<()> {
        let count = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        for _ in 0..count {
            self.text()?;
            // The table's OID and the column's number.
            self.take(6)?;
            self.column_type()?;
            // The format.
            self.take(2)?;
        }
        Some(())
    }

    /// Rewrites OID, size and modifier of a type.
    fn column_type(&mut self) -> Option<()> {
        let (&[a, b, c, d, ..], rest) = self.rest.split_first_chunk::<10>()?;
        let oid = [a, b, c, d];
        if Type::from_oid(u32::from_be_bytes(oid)).is_some() {
            return self.take(10).map(drop);
        }
        self.rest = rest;
        self.out.extend_from_slice(&UNKNOWN.oid().to_be_bytes());
        self.out.extend_from_slice(&[255, 255]);
        self.out.extend_from_slice(&oid);
        Some(())
    }

    fn row(&mut self) -> Option<()> {
        let count = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        for _ in 0..count {
            let (length, rest) = self.rest.split_first_chunk::<4>()?;
            self.rest = rest;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                self.out.extend_from_slice(&(-1_i32).to_be_bytes());
                continue;
            };
            let (value, rest) = self.rest.split_at_checked(length)?;
            self.rest = rest;
            let value: Cow<'_, str> = self.encoding.decode(value);
            self.out.extend_from_slice(&i32::try_from(value.len()).ok()?.to_be_bytes());
            self.out.extend_from_slice(value.as_bytes());
        }
        Some(())
    }
}

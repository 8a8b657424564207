//! Rewriting of a message's texts to valid UTF-8.

use std::borrow::Cow;

use crate::text::TextEncoding;

/// Whether messages of this type hold texts that the driver reads as UTF-8. The texts of rows are values, which are
/// decoded later, except for the simple query protocol.
pub(super) fn holds_text(tag: u8, rows: bool) -> bool {
    matches!(tag, b'E' | b'N' | b'S' | b'T' | b'C' | b'A') || (rows && tag == b'D')
}

/// The body with its texts decoded and written as UTF-8; none when it stays as it is. A body that is not of the
/// protocol's form is left to the driver.
pub(super) fn rewritten(tag: u8, body: &[u8], encoding: TextEncoding) -> Option<Vec<u8>> {
    if tag != b'T' && tag != b'D' && tag != b'A' && std::str::from_utf8(body).is_ok() {
        return None;
    }
    let mut reader = Reader { rest: body, encoding, out: Vec::with_capacity(body.len() + body.len() / 2) };
    match tag {
        b'E' | b'N' => reader.fields()?,
        b'S' => {
            reader.text()?;
            reader.text()?;
        }
        b'C' => reader.text()?,
        b'A' => {
            reader.take(4)?;
            reader.text()?;
            reader.text()?;
        }
        b'T' => reader.columns()?,
        b'D' => reader.row()?,
        _ => return None,
    }
    reader.out.extend_from_slice(reader.rest);
    (reader.out != body).then_some(reader.out)
}

/// Ends the last whole field of an error or notice whose end was left out.
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

    /// A text that ends with a zero byte.
    fn text(&mut self) -> Option<()> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        self.out.extend_from_slice(self.encoding.decode(&text[..end]).as_bytes());
        self.out.push(0);
        Some(())
    }

    /// Fields with a letter each, until a zero byte.
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
            self.take(18)?;
        }
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

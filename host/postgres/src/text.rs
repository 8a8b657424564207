//! Decoding of a server's texts, which succeeds for any bytes.
//!
//! The server is not set to convert texts: one without an equivalent would fail a whole answer. The bytes are decoded
//! here instead, and invalid ones become U+FFFD.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// The encodings of databases other than UTF8 and SQL_ASCII, by the server's names, with their WHATWG labels. One
/// without a label (`EUC_TW`, `MULE_INTERNAL`) is decoded as UTF-8.
pub const ENCODINGS: &[(&str, &str)] = &[
    ("EUC_CN", "gbk"),
    ("EUC_JIS_2004", "euc-jp"),
    ("EUC_JP", "euc-jp"),
    ("EUC_KR", "euc-kr"),
    ("ISO_8859_5", "iso-8859-5"),
    ("ISO_8859_6", "iso-8859-6"),
    ("ISO_8859_7", "iso-8859-7"),
    ("ISO_8859_8", "iso-8859-8"),
    ("KOI8R", "koi8-r"),
    ("KOI8U", "koi8-u"),
    ("LATIN1", "windows-1252"),
    ("LATIN10", "iso-8859-16"),
    ("LATIN2", "iso-8859-2"),
    ("LATIN3", "iso-8859-3"),
    ("LATIN4", "iso-8859-4"),
    ("LATIN5", "windows-1254"),
    ("LATIN6", "iso-8859-10"),
    ("LATIN7", "iso-8859-13"),
    ("LATIN8", "iso-8859-14"),
    ("LATIN9", "iso-8859-15"),
    ("WIN1250", "windows-1250"),
    ("WIN1251", "windows-1251"),
    ("WIN1252", "windows-1252"),
    ("WIN1253", "windows-1253"),
    ("WIN1254", "windows-1254"),
    ("WIN1255", "windows-1255"),
    ("WIN1256", "windows-1256"),
    ("WIN1257", "windows-1257"),
    ("WIN1258", "windows-1258"),
    ("WIN866", "ibm866"),
    ("WIN874", "windows-874"),
];

/// Encoding of a database's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TextEncoding(Option<&'static Encoding>);

impl TextEncoding {
    /// Returns the encoding of a database by the server's name for it (`server_encoding`).
    pub(crate) fn of_server(name: &str) -> Self {
        let label = ENCODINGS.iter().find(|(server, _)| *server == name).map(|(_, label)| *label);
        Self(label.and_then(|label| Encoding::for_label(label.as_bytes())))
    }

    /// Decodes bytes. Valid UTF-8 is unchanged: a row of another database may be in another encoding.
    pub(crate) fn decode<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        match (std::str::from_utf8(bytes), self.0) {
            (Ok(text), _) => Cow::Borrowed(text),
            (Err(_), Some(encoding)) => encoding.decode_without_bom_handling(bytes).0,
            (Err(_), None) => String::from_utf8_lossy(bytes),
        }
    }

    /// Encodes a parameter. A character that the database cannot hold becomes `?`, which equals no name with it.
    pub(crate) fn encode<'a>(&self, text: &'a str) -> Cow<'a, [u8]> {
        let Some(encoding) = self.0.filter(|_| !text.is_ascii()) else { return Cow::Borrowed(text.as_bytes()) };
        let whole = encoding.encode(text);
        if !whole.2 {
            return whole.0;
        }
        // The crate writes what cannot be encoded as an HTML reference.
        let each = text.chars().flat_map(|letter| {
            let letter = letter.to_string();
            let (bytes, _, failed) = encoding.encode(&letter);
            if failed { b"?".to_vec() } else { bytes.into_owned() }
        });
        Cow::Owned(each.collect())
    }
}

/// Returns true if the server converts or checks texts for a client with encoding UTF8, such as the driver.
pub(crate) fn is_converted(server_encoding: &str) -> bool {
    server_encoding != "UTF8"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_label_is_known() {
        for (server, label) in ENCODINGS {
            let encoding = Encoding::for_label(label.as_bytes()).map(Encoding::name);
            assert!(encoding.is_some_and(|name| name.eq_ignore_ascii_case(label)), "{server}: {label} is {encoding:?}");
        }
    }

    #[test]
    fn legacy_bytes_are_decoded_and_utf8_is_unchanged() {
        assert_eq!(TextEncoding::of_server("LATIN1").decode(b"caf\xe9"), "café");
        assert_eq!(TextEncoding::of_server("LATIN1").decode("café".as_bytes()), "café");
        assert_eq!(TextEncoding::of_server("EUC_JP").decode(b"\xc6\xfc\xcb\xdc"), "日本");
        assert_eq!(TextEncoding::of_server("EUC_JP").decode(b"\xc6\xfc\xcb"), "日\u{fffd}");
        assert_eq!(TextEncoding::of_server("UTF8").decode(b"caf\xe9 au"), "caf\u{fffd} au");
        assert_eq!(TextEncoding::of_server("SQL_ASCII").decode(b"\xe6\x97"), "\u{fffd}");
        assert_eq!(TextEncoding::of_server("MULE_INTERNAL").decode(b"\x92\xc6\xfc"), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn parameters_are_encoded_in_the_encoding_of_the_database() {
        assert_eq!(*TextEncoding::of_server("LATIN1").encode("café"), *b"caf\xe9");
        assert_eq!(*TextEncoding::of_server("LATIN1").encode("é日"), *b"\xe9?");
        assert_eq!(*TextEncoding::of_server("UTF8").encode("日"), *"日".as_bytes());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded(bytes: Vec<u8>, at in 0..ENCODINGS.len()) {
            TextEncoding::of_server(ENCODINGS[at].0).decode(&bytes);
        }

        #[test]
        fn valid_utf8_is_unchanged(text: String, at in 0..ENCODINGS.len()) {
            prop_assert_eq!(TextEncoding::of_server(ENCODINGS[at].0).decode(text.as_bytes()), text.as_str());
        }
    }
}

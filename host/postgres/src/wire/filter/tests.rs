use archon_pool_core::limits::{LimitError, Limits};
use proptest::prelude::*;

use super::*;
use crate::target::AuthMethod;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], &length[..], body].concat()
}

fn filter() -> Filter {
    Filter::default()
}

/// Creates the filter of a session that is ready.
fn ready() -> Filter {
    let mut filter = filter();
    filter.push(&message(b'Z', b"I"), &mut BytesMut::new()).unwrap();
    filter
}

/// Returns the description of one column, without its table.
fn column(name: &[u8], oid: u32, modifier: [u8; 4]) -> Vec<u8> {
    [&b"\0\x01"[..], name, &[0; 7], &oid.to_be_bytes(), &[255, 255], &modifier, &[0, 1]].concat()
}

fn filtered(mut filter: Filter, input: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    filter.push(input, &mut out).unwrap();
    out.to_vec()
}

fn encoding(name: &str) -> Vec<u8> {
    message(b'S', format!("server_encoding\0{name}\0").as_bytes())
}

#[test]
fn texts_of_every_message_become_utf8() {
    let any = [0xff; 4];
    for (tag, body, expected) in [
        (b'E', b"SFATAL\0C28P01\0Mr\xf4le\0\0".to_vec(), "SFATAL\0C28P01\0Mr\u{fffd}le\0\0".as_bytes().to_vec()),
        (b'S', b"application_name\0caf\xe9\0".to_vec(), "application_name\0caf\u{fffd}\0".as_bytes().to_vec()),
        (b'C', b"SELECT \xe9\0".to_vec(), "SELECT \u{fffd}\0".as_bytes().to_vec()),
        (b'T', column(b"na\xefve", 25, any), column("na\u{fffd}ve".as_bytes(), 25, any)),
    ] {
        assert_eq!(filtered(filter(), &message(tag, &body)), message(tag, &expected), "{}", char::from(tag));
    }
}

#[test]
fn the_encoding_of_the_server_is_used_once_it_is_known() {
    let error = message(b'E', b"Mcaf\xe9\0\0");
    let input = [encoding("LATIN1"), error].concat();
    let expected = [encoding("LATIN1"), message(b'E', "Mcafé\0\0".as_bytes())].concat();
    assert_eq!(filtered(filter(), &input), expected);
}

#[test]
fn messages_may_be_split_at_every_byte() {
    let input = [
        message(b'R', &10_u32.to_be_bytes()),
        encoding("EUC_JP"),
        message(b'E', b"M\xc6\xfc\xcb\xdc\0\0"),
        message(b'D', b"\0\x01\0\0\0\x02\xff\xfe"),
        message(b'Z', b"I"),
        message(b'n', b""),
        message(b'C', b"SELECT 1\0"),
    ]
    .concat();
    let whole = filtered(filter(), &input);
    for at in 0..=input.len() {
        let (mut filter, mut out) = (filter(), BytesMut::new());
        filter.push(&input[..at], &mut out).unwrap();
        filter.push(&input[at..], &mut out).unwrap();
        assert_eq!(out, whole, "split at {at}");
    }
    let (mut filter, mut out) = (filter(), BytesMut::new());
    input.iter().for_each(|byte| filter.push(&[*byte], &mut out).unwrap());
    assert_eq!(out, whole);
}

#[test]
fn rows_are_passed_on_before_they_are_whole() {
    let (mut filter, mut out) = (ready(), BytesMut::new());
    let begun = [&b"D"[..], &(30_i32 << 20).to_be_bytes(), &[0xff; 100]].concat();
    filter.push(&begun, &mut out).unwrap();
    assert_eq!(out, begun, "and nothing is kept");
}

#[test]
fn rows_of_the_simple_protocol_are_rewritten_on_demand() {
    let row = message(b'D', b"\0\x03\0\0\0\x01\xe9\xff\xff\xff\xff\0\0\0\0");
    assert_eq!(filtered(filter(), &row), row);
    let expected = message(b'D', b"\0\x03\0\0\0\x03\xef\xbf\xbd\xff\xff\xff\xff\0\0\0\0");
    assert_eq!(filtered(Filter::new(Arc::default(), true, Budget::default()), &row), expected);
}

#[test]
fn of_a_huge_error_the_beginning_is_kept() {
    let detail = vec![b'x'; 3 << 20];
    let body = [&b"SERROR\0C22000\0Mtoo long\0D"[..], &detail, b"\0\0"].concat();
    let input = [message(b'E', &body), message(b'Z', b"I")].concat();
    let expected = [message(b'E', b"SERROR\0C22000\0Mtoo long\0\0"), message(b'Z', b"I")].concat();
    assert_eq!(filtered(ready(), &input), expected);
}

#[test]
fn types_that_the_driver_would_look_up_are_replaced_and_kept_as_the_modifier() {
    let unknown = message(b'T', &column(b"mood", 70_000, [0xff; 4]));
    let expected = message(b'T', &column(b"mood", rewrite::UNKNOWN.oid(), 70_000_u32.to_be_bytes()));
    assert_eq!(filtered(ready(), &unknown), expected);
    let known = message(b'T', &column(b"n", 1700, [0, 0, 0, 9]));
    assert_eq!(filtered(ready(), &known), known);
    // Refused before the type of the cut-off column is looked up.
    let cut = message(b'T', &[&b"\0\x02"[..], &column(b"mood", 70_000, [0xff; 4])[2..]].concat());
    assert!(ready().push(&cut, &mut BytesMut::new()).is_err());
}

#[test]
fn nobody_hears_notices_and_notifications_or_parameters_after_the_start() {
    let noise = [message(b'N', b"SNOTICE\0\0"), message(b'A', b"\0\0\0\x01a\0b\0")].concat();
    let status = message(b'S', b"application_name\0x\0");
    let complete = message(b'C', b"SELECT 1\0");
    assert_eq!(filtered(filter(), &[&noise[..], &status].concat()), status);
    assert_eq!(filtered(ready(), &[&noise[..], &status, &complete].concat()), complete);
}

#[test]
fn each_limit_ends_the_stream_by_its_name() {
    let limits =
        Limits { start_bytes: 1_000, protocol_message_bytes: 2_000, statement_bytes: 4_000, ..Limits::default() };
    let small = || Filter::new(Arc::default(), false, Budget::new(&limits));
    let told = |mut filter: Filter, input: &[u8]| {
        let error = filter.push(input, &mut BytesMut::new()).unwrap_err();
        error.get_ref().and_then(|error| error.downcast_ref::<LimitError>()).copied()
    };
    let open = || {
        let mut filter = small();
        filter.push(&message(b'Z', b"I"), &mut BytesMut::new()).unwrap();
        filter
    };
    let notice = message(b'N', b"\0");
    assert_eq!(told(small(), &notice.repeat(20)), Some(LimitError::StartBytes(1_000)));
    assert_eq!(told(small(), &[b'S', 0, 0, 4, 0]), Some(LimitError::StartBytes(1_000)), "before its body is there");
    assert_eq!(told(open(), &notice.repeat(80)), Some(LimitError::StatementBytes(4_000)));
    assert_eq!(told(open(), &message(b'D', &[0; 1_900]).repeat(3)), Some(LimitError::StatementBytes(4_000)));
    assert_eq!(told(open(), &[b'D', 0x7f, 0xff, 0xff, 0xff]), Some(LimitError::ProtocolMessageBytes(2_000)));
    let statements = [message(b'D', &[0; 1_900]), message(b'Z', b"I")].concat().repeat(100);
    open().push(&statements, &mut BytesMut::new()).unwrap();
}

#[test]
fn a_server_that_waits_for_data_to_copy_ends_the_stream() {
    for tag in *b"GW" {
        assert!(ready().push(&message(tag, b"\0\0\0"), &mut BytesMut::new()).is_err());
    }
}

#[test]
fn what_is_too_long_or_too_short_is_refused() {
    let mut out = BytesMut::new();
    assert!(filter().push(&[b'T', 0x7f, 0xff, 0xff, 0xff], &mut out).is_err());
    assert!(filter().push(&[b'Z', 0, 0, 0, 3], &mut out).is_err());
    assert!(filter().push(&[b'Z', 0xff, 0, 0, 3], &mut out).is_err());
}

#[test]
fn a_login_that_is_not_allowed_ends_before_the_driver_reads_of_it() {
    let login = Arc::new(Mutex::new(Login::new(Some(vec![AuthMethod::ScramSha256]))));
    let (mut filter, mut out) = (Filter::new(Arc::clone(&login), false, Budget::default()), BytesMut::new());
    let error = filter.push(&message(b'R', &3_u32.to_be_bytes()), &mut out).unwrap_err();
    assert_eq!((error.kind(), out.len()), (io::ErrorKind::PermissionDenied, 0));
    assert!(login.lock().unwrap().refused().is_some());
}

proptest! {
    #[test]
    fn a_valid_stream_passes_unchanged(
        texts: Vec<(prop::sample::Index, String)>,
        rows: Vec<Vec<u8>>,
        cuts: Vec<prop::sample::Index>,
    ) {
        let mut input = Vec::new();
        for (kind, text) in texts {
            let text = text.replace('\0', "");
            let (tag, body) = [
                (b'E', format!("SERROR\0M{text}\0\0").into_bytes()),
                (b'S', format!("search_path\0{text}\0").into_bytes()),
                (b'C', format!("{text}\0").into_bytes()),
                (b'T', column(text.as_bytes(), 25, [0xff; 4])),
            ][kind.index(4)].clone();
            input.extend(message(tag, &body));
        }
        rows.iter().for_each(|row| input.extend(message(b'D', row)));
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut filter, mut out, mut from) = (filter(), BytesMut::new(), 0);
        for cut in cuts.into_iter().chain([input.len()]) {
            filter.push(&input[from..cut], &mut out).unwrap();
            from = cut;
        }
        prop_assert_eq!(out.to_vec(), input);
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_comes_out_is_utf8(body: Vec<u8>, rows: bool, name: prop::sample::Index) {
        for tag in *b"ENSTCADRZ" {
            let names = ["LATIN1", "EUC_JP", "WIN1252", "SQL_ASCII"];
            let mut filter = Filter::new(Arc::default(), rows, Budget::default());
            filter.push(&encoding(names[name.index(4)]), &mut BytesMut::new()).unwrap();
            let _ = filter.push(&message(tag, &body), &mut BytesMut::new());
        }
    }
}

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{HostApi as _, Outcome, ReconnectOutcome, SizeOutcome};
use archon_pool_contract::value::Value;
use archon_pool_core::world::World;
use proptest::prelude::*;

use super::*;

/// Returns a call with every import, every type of value and every outcome.
fn everything() -> Cassette {
    let fault = || Fault { retryable: true, ..Fault::new(kind::SERVER_UNREACHABLE, "nothing answers") };
    let server = Fault { sqlstate: Some("57014".into()), ..Fault::new(kind::QUERY_CANCELED, "it took too long") };
    let values = vec![
        Value::Null,
        Value::Boolean(true),
        Value::Text("\u{1f418} \"quoted\"\u{1}\u{0}".into()),
        Value::Int64(i64::MIN),
        Value::Float64(0.1),
        Value::Bytes(vec![0, 255]),
        Value::Timestamp(1_764_032_400_000_000),
    ];
    let columns = (0..values.len()).map(|index| (format!("c{index}"), 25)).collect();
    let set = RowSet { columns, rows: vec![values.clone()], truncated: true };
    let order = Order {
        pid: 7,
        backend_start: -1,
        signal: "terminate".into(),
        state: "idle".into(),
        state_change: i64::MAX,
        reason: "idle for an hour".into(),
    };
    let outcomes = [
        Outcome::Signalled,
        Outcome::Gone,
        Outcome::Changed,
        Outcome::Survived,
        Outcome::Denied("it is protected".into()),
        Outcome::Failed(server.clone()),
    ];
    let batch = vec![Statement::new("SELECT 1", values, 9), Statement::new("SELECT 2", Vec::new(), 9)];
    let timing = Timing { connect_us: u64::MAX, round_trip_us: 0 };
    let exchanges = vec![
        Asked::exchange(Lookup { name: Some("shop".into()) }, Ok(Credential { credential: 1 })),
        Asked::exchange(CredentialName { credential: 1 }, Ok("shop".into())),
        Asked::exchange(Open { credential: 1 }, Err(fault())),
        Asked::exchange(Open { credential: 1 }, Ok(Session { session: 1 })),
        Asked::exchange(AccessPath { session: 1 }, Ok("direct".into())),
        Asked::exchange(Notes { session: 1 }, Ok(vec!["the session is not encrypted".into()])),
        Asked::exchange(Query { session: 1, batch }, Ok(vec![Answer::Ok(set.clone()), Answer::Err(server)])),
        Asked::exchange(
            Probe { credential: 1, count: 2, timeout_ms: 100 },
            Ok(vec![Answer::Ok(timing), Answer::Err(fault())]),
        ),
        Asked::exchange(OpenConsole { credential: 1 }, Ok(Console { console: 1 })),
        Asked::exchange(Kind { console: 1 }, Ok("pgbouncer".into())),
        Asked::exchange(Show { console: 1, views: vec!["pools".into()] }, Ok(vec![Answer::Ok(RowSet::default())])),
        Asked::exchange(Deliver { session: 1, orders: vec![order; 6], dry_run: false }, Ok(outcomes.into())),
        Asked::exchange(
            Resize { console: 1, pool: None, size: 20, reason: "clients wait".into(), dry_run: true },
            Ok(SizeOutcome { before: Some(10), after: None, executed: false, note: "a dry run".into() }),
        ),
        Asked::exchange(
            Reconnect { console: 1, database: "shop".into(), reason: "broken".into(), dry_run: false },
            Ok(ReconnectOutcome { executed: true, note: "each when it is released".into() }),
        ),
    ];
    let returned = Call {
        function: RUN.into(),
        input: r#"{"action":"monitor"}"#.into(),
        exchanges,
        end: End::Returned(r#"{"success":true}"#.into()),
    };
    let ended = Call { exchanges: Vec::new(), end: End::Ended(fault()), ..returned.clone() };
    Cassette { header: Header::of("pool-manager.wasm", "9f"), calls: vec![returned, ended] }
}

fn text(cassette: &Cassette) -> String {
    let mut bytes = Vec::new();
    cassette.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn writes_the_documented_format() {
    insta::assert_snapshot!(text(&everything()));
}

#[test]
fn a_written_cassette_is_read_back() {
    let cassette = everything();
    assert_eq!(Cassette::read(text(&cassette).as_bytes()), Ok(cassette));
}

proptest! {
    #[test]
    fn every_number_is_read_back_unchanged(int: i64, bits: u64, bytes: Vec<u8>, letters in "\\PC*") {
        let values =
            vec![Value::Int64(int), Value::Timestamp(int), Value::Float64(f64::from_bits(bits)), Value::Bytes(bytes), Value::Text(letters)];
        let statement = Statement::new("", values, 1);
        let json = serde_json::to_string(&statement).unwrap();
        let back: Statement = serde_json::from_str(&json).unwrap();
        prop_assert!(back.is_same(&statement), "{}", json);
    }
}

#[test]
fn floats_are_written_as_the_shortest_digits_that_parse_to_the_same_number() {
    for (number, digits) in [
        (0.1, "0.1"),
        (1.0, "1"),
        (-0.0, "-0"),
        (1e21, "1e21"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e308"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let json = serde_json::to_string(&Statement::new("", vec![Value::Float64(number)], 1)).unwrap();
        assert!(json.contains(&format!("[{{\"f\":\"{digits}\"}}]")), "{json}");
    }
}

#[test]
fn an_invalid_cassette_is_refused_with_its_line() {
    let whole = text(&everything());
    let lines: Vec<&str> = whole.lines().collect();
    let header = lines[0];
    let call = r#"{"call":"skill.run","input":"{}"}"#;
    let import = |rest: &str| format!("{header}\n{call}\n{rest}\n{{\"returned\":\"\"}}\n");
    let value = |value: &str| {
        let with = r#"{"session":1,"batch":[{"sql":"","params":["#.to_owned() + value + r#"],"maxRows":1}]}"#;
        import(&format!(r#"{{"import":"session.query","with":{with},"ok":[]}}"#))
    };
    for (what, told) in [
        (String::new(), "line 1: it is no cassette"),
        ("{\"success\":true}".into(), "line 1: it is no cassette"),
        ("\u{0}asm".into(), "line 1: it is no cassette"),
        (
            header.replace("\"cassette\":1", "\"cassette\":2"),
            "line 1: the cassette has version 2, and this program plays version 1",
        ),
        (header.replace("@1.0.0", "@2.0.0"), "line 1: its imports are of 'archon:connection-pool@2.0.0'"),
        (lines[..4].join("\n"), "line 4: the file ends within a call"),
        (whole[..whole.len() - 9].to_owned(), "line 19: EOF while parsing"),
        (format!("{header}\n{}", lines[2]), "line 2: no call has begun"),
        (format!("{header}\n{call}\n{call}"), "line 3: a call begins before the last one has ended"),
        (format!("{header}\n\n"), "line 2: EOF while parsing"),
        (format!("{header}\n{header}"), "line 2: a line is one of call, import, returned and ended"),
        (import(r#"{"import":"session.access-path","returned":""}"#), "line 3: a line is one of"),
        (import(r#"{"import":"files.open","with":{},"ok":1}"#), "line 3: there is no import 'files.open'"),
        (import(r#"{"import":"session.access-path","with":{"session":1}}"#), "line 3: an import has one of ok and err"),
        (
            import(r#"{"import":"session.access-path","with":{"session":-1},"ok":""}"#),
            "line 3: invalid value: integer `-1`",
        ),
        (
            import(r#"{"import":"session.access-path","with":{"session":1,"more":2},"ok":""}"#),
            "line 3: unknown field `more`",
        ),
        (
            import(r#"{"import":"session.access-path","with":{"session":1},"ok":7}"#),
            "line 3: invalid type: integer `7`",
        ),
        (value("7"), "line 3: invalid type: integer `7`, expected a value"),
        (value(r#"{"i":"9223372036854775808"}"#), "line 3: invalid value: string \"9223372036854775808\""),
        (value(r#"{"i":"1","t":"1"}"#), "line 3: invalid value: map"),
        (value(r#"{"b":"0"}"#), "line 3: invalid value: string \"0\""),
        (value(r#"{"x":"0"}"#), "line 3: unknown field `x`"),
        (value("{}"), "line 3: invalid value: map"),
        (value(&("[".repeat(100_000) + &"]".repeat(100_000))), "line 3: invalid type: sequence, expected a value"),
    ] {
        let fault = Cassette::read(what.as_bytes()).unwrap_err();
        assert_eq!(fault.kind, kind::CASSETTE_INVALID);
        assert!(fault.message.starts_with(told), "{told} is not in: {}", fault.message);
    }
    let fault = Cassette::read(b"{\"cassette\":1}\n\xff").unwrap_err();
    assert!(fault.message.starts_with("line 2: it is no UTF-8"), "{fault}");
    let fault = Cassette::from_file("/no/such.jsonl".as_ref()).unwrap_err();
    assert_eq!(fault.message, "/no/such.jsonl: it does not exist");
}

/// Returns a replayer of batches of statements, each of which answers with the number of its batch and its own.
fn batches(batches: &[&[&str]]) -> Replayer {
    let set = |batch: usize, statement: usize| {
        let value = Value::Text(format!("{batch}.{statement}"));
        Answer::Ok(RowSet { columns: vec![("it".into(), 25)], rows: vec![vec![value]], truncated: false })
    };
    let exchange = |(number, texts): (usize, &&[&str])| {
        Asked::exchange(asked(texts), Ok((0..texts.len()).map(|statement| set(number, statement)).collect()))
    };
    Replayer::new(batches.iter().enumerate().map(exchange).collect())
}

fn asked(texts: &[&str]) -> Query {
    Query { session: 1, batch: texts.iter().map(|text| Statement::new(text, Vec::new(), 1)).collect() }
}

/// Returns the answers to a batch, each by the number of its batch and statement.
fn answers(replayer: &mut Replayer, texts: &[&str]) -> Result<String, Fault> {
    let shown = |answer: Answer<RowSet>| match answer {
        Answer::Ok(set) => match &set.rows[0][0] {
            Value::Text(text) => text.clone(),
            _ => unreachable!("the values are texts"),
        },
        Answer::Err(fault) => fault.kind,
    };
    Ok(replayer.answer(&asked(texts))?.into_iter().map(shown).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_batch_is_replayed_as_a_whole_or_statement_by_statement() {
    let mut replayer = batches(&[&["a", "b"], &["a"], &["c", "a"]]);
    assert_eq!(answers(&mut replayer, &["a"]).unwrap(), "1.0", "as a whole before any part");
    assert_eq!(answers(&mut replayer, &["b", "a"]).unwrap(), "0.1 0.0");
    let fault = answers(&mut replayer, &["c", "a", "a"]).unwrap_err();
    assert_eq!(fault.kind, kind::CASSETTE_MISMATCH);
    assert!(fault.message.contains(&Statement::new("a", Vec::new(), 1).sql), "{fault}");
    assert_eq!(answers(&mut replayer, &["c", "a"]).unwrap(), "2.0 2.1", "what failed has used nothing up");
    assert!(answers(&mut replayer, &["c"]).is_err());
}

#[test]
fn imports_are_replayed_once_in_order_and_by_their_arguments() {
    let open = |credential, session| Asked::exchange(Open { credential }, Ok(Session { session }));
    let mut replayer = Replayer::new(vec![open(1, 1), open(2, 2), open(1, 3)]);
    let mut session = |credential| replayer.answer(&Open { credential }).map(|open| open.session);
    assert_eq!((session(2), session(1), session(1)), (Ok(2), Ok(1), Ok(3)));
    let fault = session(1).unwrap_err();
    assert_eq!(fault.kind, kind::CASSETTE_MISMATCH);
    assert!(fault.message.contains("session.open"), "{fault}");
}

#[test]
fn reasons_and_row_limits_are_ignored_when_calls_are_matched() {
    let Call { exchanges, .. } = everything().calls.swap_remove(0);
    let mut replayer = Replayer::new(exchanges.clone());
    for exchange in exchanges {
        match exchange {
            Exchange::Query(Asked { mut with, .. }) => {
                with.batch.iter_mut().for_each(|statement| statement.max_rows += 1);
                assert_eq!(replayer.answer(&with).unwrap().len(), 2);
            }
            Exchange::Deliver(Asked { mut with, .. }) => {
                with.orders.iter_mut().for_each(|order| order.reason.push('!'));
                assert_eq!(replayer.answer(&with).unwrap().len(), 6);
            }
            Exchange::Resize(Asked { with, .. }) => {
                assert!(replayer.answer(&Resize { dry_run: false, ..with.clone() }).is_err());
                assert!(replayer.answer(&Resize { reason: String::new(), ..with }).is_ok());
            }
            Exchange::Reconnect(Asked { with, .. }) => {
                assert!(replayer.answer(&Reconnect { database: "other".into(), ..with.clone() }).is_err());
                assert!(replayer.answer(&Reconnect { reason: String::new(), ..with }).is_ok());
            }
            _ => {}
        }
    }
}

#[test]
fn the_native_replayer_offers_only_the_imports_of_its_world() {
    let Call { exchanges, .. } = everything().calls.swap_remove(0);
    for (world, acts) in [(World::Observer, false), (World::Manager, true)] {
        let mut host = Replayed::new(Replayer::new(exchanges.clone()), world);
        assert_eq!(host.open(Some("shop")).unwrap_err().kind, kind::SERVER_UNREACHABLE);
        assert!(host.access_path().is_err() && host.notes().is_err(), "no session is open");
        // The credential was looked up once.
        assert_eq!(host.open(Some("shop")).unwrap_err().kind, kind::CASSETTE_MISMATCH);
        assert_eq!(host.deliver(&[], false).is_some(), acts);
        assert_eq!(host.reconnect("shop", "", false).is_some(), acts);
    }
}

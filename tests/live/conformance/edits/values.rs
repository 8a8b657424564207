//! Edits with unusual values: texts, times, numbers, types and sizes.

use archon_pool::cassette::{Answer, Asked, Call, Cassette, Exchange, RowSet};
use archon_pool_contract::catalogue::{self};
use archon_pool_contract::fault::kind;
use archon_pool_contract::value::Value;

use super::{answer_of, change, fault, fill, put, set_of, vary};

pub(super) fn odd_text(cassette: &mut Cassette) {
    let texts = [
        "\u{1f418}\u{1f9d1}\u{200d}\u{1f4bb} caf\u{e9} e\u{301}",
        "tab\tline\nreturn\rescape\u{1b}[31m bell\u{7} nul\u{0} delete\u{7f}",
        "\u{2028}\u{2029}\u{feff}\u{202e}txet",
        "\"quotes\" 'single' \\back\\ </script> <!-- -->",
        "\u{fffd}\u{10ffff}\u{e000}\u{d7ff}",
        "",
        "__proto__",
    ];
    let values: Vec<Value> = texts.iter().map(|&text| Value::Text(text.into())).collect();
    cassette.calls.truncate(1);
    let call = &mut cassette.calls[0];
    for column in ["application", "role", "query", "wait_event", "client_address"] {
        put(call, catalogue::ACTIVITY, column, &values);
    }
    put(call, catalogue::SERVER, "database", &values[..1]);
}

/// Replaces answers by the Rust host's error for invalid UTF-8 in a `SQL_ASCII` database, and by a server's error for
/// a NUL.
pub(super) fn invalid_text(cassette: &mut Cassette) {
    let no_utf8 = "error deserializing column 14: invalid utf-8 sequence of 1 bytes from index 7";
    let nul = "invalid byte sequence for encoding \"UTF8\": 0x00";
    vary(
        cassette,
        &[
            &|call| {
                *answer_of(call, catalogue::ACTIVITY) =
                    Answer::Err(fault(kind::UNEXPECTED_ANSWER, no_utf8, None, false));
            },
            &|call| {
                *answer_of(call, catalogue::ROLES) = Answer::Err(fault(kind::QUERY_FAILED, nul, Some("22021"), false));
            },
        ],
    );
}

/// Sets the first and the last microsecond of a timestamp, `infinity` included, and the limits of JavaScript's dates.
pub(super) fn odd_times(cassette: &mut Cassette) {
    const YEAR_290000: i64 = 9_089_000_000_000_000_000;
    const YEAR_4712_BC: i64 = -210_863_520_000_000_000;
    const JAVASCRIPT: i64 = 8_640_000_000_000_000_000;
    let times = [i64::MAX, i64::MIN, YEAR_290000, YEAR_4712_BC, JAVASCRIPT + 1, -JAVASCRIPT - 1, 0];
    let values: Vec<Value> = times.into_iter().map(Value::Timestamp).collect();
    cassette.calls.truncate(1);
    let call = &mut cassette.calls[0];
    for (column, from) in [("state_change", 0), ("backend_start", 2), ("query_start", 4)] {
        let mut values = values.clone();
        values.rotate_left(from);
        put(call, catalogue::ACTIVITY, column, &values);
    }
}

/// Makes sessions idle for hours, which a test cannot wait for.
pub(super) fn long_ago(cassette: &mut Cassette) {
    const HOUR: i64 = 3_600_000_000;
    for call in &mut cassette.calls {
        for column in ["backend_start", "state_change", "query_start"] {
            change(call, catalogue::ACTIVITY, column, |number, value| {
                if let Value::Timestamp(time) = value {
                    *time -= HOUR * (1 + number as i64 % 5);
                }
            });
        }
    }
}

pub(super) fn large_numbers(cassette: &mut Cassette) {
    const EXACT: i64 = 1 << 53;
    vary(
        cassette,
        &[
            &|call| {
                put(call, catalogue::COUNTERS, "transactions", &[Value::Int64(EXACT + 1)]);
                put(call, catalogue::COUNTERS, "sessions", &[Value::Int64(i64::MAX)]);
                put(call, catalogue::COUNTERS, "abandoned", &[Value::Int64(i64::MIN)]);
                put(call, catalogue::ACTIVITY, "xmin_age", &[Value::Int64(i64::MAX), Value::Int64(EXACT + 1)]);
                put(call, catalogue::SERVER, "database_limit", &[Value::Int64(i64::MAX)]);
            },
            &|call| put(call, catalogue::SERVER, "max_connections", &[Value::Int64(1 << 32)]),
            &|call| put(call, catalogue::ACTIVITY, "pid", &[Value::Int64(1 << 31)]),
        ],
    );
}

pub(super) fn odd_floats(cassette: &mut Cassette) {
    let float = |value: f64| {
        move |call: &mut Call| {
            for column in ["active_ms", "idle_in_transaction_ms"] {
                put(call, catalogue::COUNTERS, column, &[Value::Float64(value)]);
            }
        }
    };
    let [nan, infinite, negative, zero, denormal, largest] =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX].map(float);
    vary(cassette, &[&nan, &infinite, &negative, &zero, &denormal, &largest]);
}

pub(super) fn unexpected_types(cassette: &mut Cassette) {
    vary(
        cassette,
        &[
            &|call| put(call, catalogue::SERVER, "at", &[Value::Text("now".into())]),
            &|call| put(call, catalogue::ACTIVITY, "application", &[Value::Null]),
            &|call| fill(call, catalogue::ACTIVITY, "state", &Value::Bytes(vec![0, 255])),
            &|call| set_of(call, catalogue::ACTIVITY).columns[0].0 = "process".into(),
            &|call| {
                let set = set_of(call, catalogue::ACTIVITY);
                set.columns.truncate(3);
                set.rows.iter_mut().for_each(|row| row.truncate(3));
            },
        ],
    );
}

/// Removes rows and columns: without rows a host may not have the columns.
pub(super) fn no_rows(cassette: &mut Cassette) {
    vary(
        cassette,
        &[
            &|call| {
                let optional = [
                    catalogue::ACTIVITY,
                    catalogue::LOCKS,
                    catalogue::TEMP_OBJECTS,
                    catalogue::STATEMENT_COUNTS,
                    catalogue::ROLES,
                    catalogue::SETTINGS,
                    catalogue::SESSIONS,
                ];
                optional.into_iter().for_each(|entry| *set_of(call, entry) = RowSet::default());
            },
            &|call| *set_of(call, catalogue::SERVER) = RowSet::default(),
            &|call| *set_of(call, catalogue::COUNTERS) = RowSet::default(),
        ],
    );
}

pub(super) fn truncated_rows(cassette: &mut Cassette) {
    let call = &mut cassette.calls[0];
    for entry in [catalogue::ACTIVITY, catalogue::LOCKS, catalogue::SETTINGS] {
        let set = set_of(call, entry);
        set.truncated = true;
        set.rows.pop();
    }
    for exchange in &mut call.exchanges {
        if let Exchange::Show(Asked { answer: Answer::Ok(answers), .. }) = exchange {
            for answer in answers {
                if let Answer::Ok(set) = answer {
                    set.truncated = true;
                }
            }
        }
    }
}

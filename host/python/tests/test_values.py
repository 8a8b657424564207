"""What comes over the wire, byte for byte as the Rust host reads it."""

from __future__ import annotations

import math
import struct

import pytest
from cluster import Database
from lending import ask, lent, opened, rows

from archon_pool import FaultError, Limits
from archon_pool.faults import Fault
from archon_pool.limits import Allowance
from archon_pool.text import UTF8
from archon_pool.values import check_columns, check_row, encode_param
from archon_pool.wire import RowSet, Timestamp, Value

_MIN, _MAX = -(2**63), 2**63 - 1


def test_each_type_is_one_of_the_seven(database: Database) -> None:
    sql = """SELECT NULL::text, true, 1::int2, -2::int4, 9223372036854775807::int8, 4294967295::oid,
        1.5::float4, 0.1::float8, 'Grüße 🐘'::text, 'name'::name, 'c'::"char", '{"a": 1}'::json, '{"a":1}'::jsonb,
        '\\x00ff'::bytea, '2026-11-25 00:00:00.000001+00'::timestamptz, '2026-11-25'::timestamp"""
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), sql)
    at = 1_795_564_800_000_000
    assert rows(answer) == [
        [
            *(None, True, 1, -2, _MAX, 4294967295, 1.5, 0.1, "Grüße 🐘", "name", "c", '{"a": 1}', '{"a": 1}'),
            *(b"\x00\xff", Timestamp(at + 1), Timestamp(at)),
        ]
    ]
    assert isinstance(answer, RowSet)
    assert [column.type_oid for column in answer.columns] == [
        *(25, 16, 21, 23, 20, 26, 700, 701, 25, 19, 18, 114, 3802, 17, 1184, 1114)
    ]


def test_times_beyond_python_s_own_are_exact(database: Database) -> None:
    times = ("infinity", "-infinity", "294276-12-31 23:59:59.999999+00", "12026-01-01 00:00:00.000001+00")
    sql = f"""SELECT {", ".join(f"'{time}'::timestamptz" for time in (*times, "4713-01-01 00:00:00+00 BC"))},
        (extract(epoch FROM '12026-01-01 00:00:00.000001+00'::timestamptz) * 1000000)::int8,
        (extract(epoch FROM '4713-01-01 00:00:00+00 BC'::timestamptz) * 1000000)::int8"""
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), sql)
    (*found, later, earlier) = rows(answer)[0]
    assert isinstance(later, int) and isinstance(earlier, int)
    # The server's last year is beyond what 64 bits count from 1970 on.
    assert found == [Timestamp(_MAX), Timestamp(_MIN), Timestamp(_MAX), Timestamp(later), Timestamp(earlier)]


def test_floats_keep_their_bits(database: Database) -> None:
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), "SELECT 'NaN'::float8, '-Infinity'::float8, '-0'::float8, 5e-324::float8")
    nan, infinity, zero, least = rows(answer)[0]
    assert isinstance(nan, float) and math.isnan(nan)
    assert isinstance(zero, float) and math.copysign(1, zero) == -1
    assert (infinity, least) == (-math.inf, 5e-324)


def test_parameters_go_as_they_came(database: Database) -> None:
    values: list[Value] = [
        True,
        _MIN,
        -0.5,
        "Grüße",
        b"\0\xff",
        Timestamp(1_700_000_000_123_456),
        Timestamp(_MAX),
        None,
    ]
    sql = "SELECT $1, $2, $3, $4, $5, $6, $7, $8::text"
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), sql, params=values)
    assert rows(answer) == [values]


def test_a_parameter_that_is_no_time_of_the_server_s_is_refused() -> None:
    with pytest.raises(Exception, match="out of range"):
        encode_param(Timestamp(_MIN + 1))


def test_other_types_are_refused_and_named(database: Database) -> None:
    with lent(database.url) as live:
        answers = ask(live, opened(live), "SELECT 1.5::numeric AS price", "SELECT '{1}'::int4[]", "SELECT 1")
    assert answers[0] == Fault(
        "unsupported-type", "column 'price' has type numeric (OID 1700): cast it in the statement"
    )
    assert isinstance(answers[1], Fault) and answers[1].kind == "unsupported-type"
    assert isinstance(answers[2], RowSet)


def test_one_failure_leaves_the_others_alone_and_in_order(database: Database) -> None:
    with lent(database.url) as live:
        session = opened(live)
        answers = ask(live, session, "SELECT 1", "SELECT 1/0", "SELECT nothing", "SELECT 4", "SELECT 'x' WHERE false")
        again = ask(live, session, "SELECT 6")
    assert rows(answers[0]) == [[1]] and rows(answers[3]) == [[4]] and rows(again[0]) == [[6]]
    assert answers[1] == Fault("query-failed", "division by zero", "22012")
    assert isinstance(answers[2], Fault) and answers[2].sqlstate == "42703"
    assert answers[4] == RowSet([], 0, False), "without rows there are no columns"


def test_each_statement_is_its_own_read_only_transaction(database: Database) -> None:
    with lent(database.url) as live:
        answers = ask(
            live,
            opened(live),
            "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL, pg_catalog.clock_timestamp()",
            "CREATE TABLE pg_catalog.mine ()",
            "SELECT pg_catalog.current_setting('statement_timeout'), pg_catalog.current_setting('lock_timeout'), "
            "pg_catalog.current_setting('search_path'), pg_catalog.current_setting('application_name')",
        )
    assert isinstance(answers[1], Fault) and answers[1].sqlstate == "25006"
    assert rows(answers[2]) == [["15s", "2s", "pg_catalog", "archon-pool"]]


def test_rows_beyond_the_cap_are_cut_off(database: Database) -> None:
    with lent(database.url, limits=Limits(rows=7)) as live:
        session = opened(live)
        least, most = ask(live, session, "SELECT generate_series(1, 1000)"), ask(live, session, "SELECT 1", most=7)
        (few,) = ask(live, session, "SELECT generate_series(1, 1000)", most=3)
    assert isinstance(least[0], RowSet) and isinstance(most[0], RowSet) and isinstance(few, RowSet)
    assert (least[0].count, least[0].truncated) == (7, True)
    assert (few.count, few.truncated) == (3, True)
    assert not most[0].truncated


def test_a_text_with_a_zero_is_the_server_s_to_refuse(database: Database) -> None:
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), "SELECT $1::text", params=["a\0b"])
    assert isinstance(answer, Fault) and answer.sqlstate == "22021"


def test_a_jsonb_of_another_version_is_not_read() -> None:
    with pytest.raises(Exception, match="jsonb of an unknown version"):
        check_row([("a", 3802)], [b"\x02{}"], UTF8, 1_000)
    check_columns([("a", 3802)])
    assert check_row([("a", 3802)], [b"\x01{}"], UTF8, 1_000) == ([b"{}"], 96 + 3)


def test_a_row_that_does_not_fit_ends_the_allowance() -> None:
    small = Allowance(Limits(answer_bytes=25))
    assert small.take_row(10) and small.take_row(10)
    assert not small.take_row(10)
    assert not small.take_row(1)


def test_a_row_weighs_what_its_values_do() -> None:
    raw = [struct.pack("!q", _MIN), None, b"", b"abc"]
    assert check_row([("a", 20), ("b", 20), ("c", 25), ("d", 17)], raw, UTF8, 1_000) == (raw, 4 * 96 + 8 + 3)


@pytest.mark.parametrize(("oid", "size"), [(16, 1), (21, 2), (23, 4), (20, 8), (26, 4), (700, 4), (701, 8), (1184, 8)])
def test_a_value_of_another_length_than_its_type_has_is_refused(oid: int, size: int) -> None:
    assert check_row([("a", oid)], [bytes(size)], UTF8, 1_000) == ([bytes(size)], 96 + size)
    for wrong in {0, size - 1, size + 1, 100}:
        with pytest.raises(FaultError, match="error deserializing column 0"):
            check_row([("a", oid)], [b"\1" * wrong], UTF8, 1_000)

"""Texts in any encoding, seen from databases of any other: no text makes an answer fail.

Stands for pg_activity#149 and #332, powa#136 and temboard#887: one client's statement blinded the whole tool.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest
from cluster import HARNESS, Cluster, Database, PgBouncer
from lending import ask, lent, opened, orders, rows

from archon_pool import ConnectionPool, Limits, Policy
from archon_pool.guard_spec import guard
from archon_pool.text import TextEncoding, weight
from archon_pool.values import TEXT, RowTooLargeError, check_row
from archon_pool.wire import RowSet

ENCODINGS = ("UTF8", "SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP")

# Each is the last statement of a client of that database. One is cut by the server in the middle of a character.
STATEMENTS = {
    "SQL_ASCII": b"SELECT 1 -- \xff\xfe\x80\xc0",
    "LATIN1": b"SELECT 2 -- caf\xe9 \xff",
    "WIN1252": b"SELECT 3 -- \x93\xe9\x94",
    "EUC_JP": b"SELECT 4 -- " + b"\xa4\xa2" * 600,
    "UTF8": "SELECT 5 -- éあ".encode(),
}


@pytest.fixture(scope="module")
def databases(cluster: Cluster) -> Iterator[dict[str, Database]]:
    made = {}
    with cluster.connect("postgres") as session:
        for encoding in ENCODINGS:
            name = f"in_{encoding.lower()}"
            session.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
            made[encoding] = Database(cluster, name)
    try:
        yield made
    finally:
        with cluster.connect("postgres") as session:
            for database in made.values():
                session.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture(scope="module")
def odd(databases: dict[str, Database]) -> Iterator[dict[str, int]]:
    """The processes of clients with odd bytes in their statement and name, one in each database."""
    clients = {}
    for encoding, database in databases.items():
        client = database.cluster.connect(database.name, client_encoding="SQL_ASCII")
        client.pgconn.exec_(b"SET application_name = 'odd'")
        client.pgconn.exec_(STATEMENTS[encoding])
        clients[encoding] = client
    yield {encoding: client.info.backend_pid for encoding, client in clients.items()}
    for client in clients.values():
        client.close()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_statement_in_any_encoding_is_seen_from_any_other(
    encoding: str, databases: dict[str, Database], odd: dict[str, int]
) -> None:
    pids = ", ".join(map(str, odd.values()))
    sql = f"SELECT datname, query FROM pg_stat_activity WHERE pid IN ({pids})"
    with lent(databases[encoding].url) as live:
        (answer,) = ask(live, opened(live), sql)
    seen: dict[Any, Any] = {row[0]: row[1] for row in rows(answer)}
    assert sorted(query[:12] for query in seen.values()) == [f"SELECT {number} -- " for number in range(1, 6)]
    assert seen["in_utf8"] == "SELECT 5 -- éあ"
    if encoding == "LATIN1":
        assert seen["in_latin1"] == "SELECT 2 -- café ÿ"
    elif encoding == "WIN1252":
        assert seen["in_win1252"] == "SELECT 3 -- “é”"
    elif encoding == "EUC_JP":
        assert seen["in_euc_jp"].rstrip("\ufffd") == "SELECT 4 -- " + "あ" * 505
    else:
        assert seen["in_latin1"] == "SELECT 2 -- caf\ufffd \ufffd"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_action_answers_in_a_database_of_any_encoding(
    encoding: str, databases: dict[str, Database], odd: dict[str, int]
) -> None:
    with ConnectionPool(credentials={"default": databases[encoding].url}, environment=False) as pool:
        for action in ("monitor", "detect-leaks", "health-check", "full-analysis"):
            output = cast(Any, pool.run(cast(Any, {"action": action, "options": {"sampleMs": 0}})))
            assert output["success"], output
        killed = cast(Any, pool.run({"action": "kill-idle", "options": {"dryRun": True}}))
        assert killed["success"], killed


def test_names_errors_and_values_of_a_database_are_read_in_its_encoding(databases: dict[str, Database]) -> None:
    with lent(databases["LATIN1"].url) as live:
        answers = ask(
            live,
            opened(live),
            "SELECT chr(233) || 't' || chr(233) AS x, $1 = chr(233)",
            "SELECT ('x' || chr(233))::int8",
            params=["é"],
        )
        (named,) = ask(live, opened(live), b'SELECT 1 AS "x\\351"'.decode("unicode_escape"))
    assert cast(Any, answers[1]).sqlstate == "08P01" or "é" in cast(Any, answers[1]).message
    assert rows(answers[0]) == [["été", True]]
    assert isinstance(named, RowSet)


def test_a_value_that_the_server_cannot_convert_costs_nothing(databases: dict[str, Database]) -> None:
    with databases["WIN1252"].cluster.connect("in_win1252", client_encoding="UTF8") as session:
        with pytest.raises(psycopg.errors.UntranslatableCharacter):
            session.execute("SELECT chr(129)")
    with lent(databases["WIN1252"].url) as live:
        (answer,) = ask(live, opened(live), "SELECT chr(129)")
    assert rows(answer) == [["\x81"]]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_session_with_odd_bytes_is_ended_like_any_other(encoding: str, databases: dict[str, Database]) -> None:
    database = databases[encoding]
    client = database.cluster.connect(database.name, client_encoding="SQL_ASCII")
    client.pgconn.exec_(b"SET application_name = 'caf\xe9'")
    client.pgconn.exec_(STATEMENTS[encoding])
    pid = client.info.backend_pid
    with lent(database.url, policy=Policy(protected_applications=("prot\xe9g\xe9*",))) as live:
        (outcome,) = live.deliver(opened(live), orders(database, [pid]), False)
    assert outcome.case == "signalled", outcome
    assert database.alive([pid]) == []
    client.close()


def test_texts_behind_a_pooler_are_read_alike(bouncer: PgBouncer, databases: dict[str, Database]) -> None:
    url = databases["LATIN1"].cluster.url("in_latin1", port=bouncer.port)
    with lent(url) as live:
        session = opened(live)
        answers = [ask(live, session, "SELECT chr(233)::text, pg_catalog.getdatabaseencoding()::text") for _ in "12"]
        assert live.session_access_path(session) == "pooled"
    assert [rows(answer[0]) for answer in answers] == [[["é", "LATIN1"]]] * 2


def test_texts_are_read_as_utf8_where_they_are_and_else_in_the_encoding_of_their_database() -> None:
    labels = guard().encodings
    for encoding, raw, text in (
        ("LATIN1", b"\xe9", "é"),
        ("LATIN1", "é".encode(), "é"),
        ("LATIN1", b"\x81\xff", "\x81ÿ"),
        ("WIN1252", b"\x80", "€"),
        ("WIN1253", b"\xd2a\x81", "\ufffda\x81"),
        ("EUC_JP", b"\xc6\xfc\xcb\xdc", "日本"),
        ("EUC_JP", b"\xa1\xc1a\xa4", "\uff5ea\ufffd"),
        ("EUC_KR", b"\xb0\xa1", "가"),
        ("EUC_CN", b"\xc4\xe3", "你"),
        ("KOI8R", b"\xd1", "я"),
        ("WIN874", b"\xa1", "ก"),
        *((name, b"a\xff\xe3\x81b", "a\ufffd\ufffdb") for name in ("UTF8", "SQL_ASCII", "MULE_INTERNAL", None)),
        ("UTF8", b"\xef\xbb\xbfa", "\ufeffa"),
    ):
        assert TextEncoding(encoding, labels).decode(raw) == text, encoding


def test_each_encoding_of_the_guard_decodes_anything_and_encodes_parameters() -> None:
    everything = bytes(range(256))
    for encoding in guard().encodings:
        text = TextEncoding(encoding, guard().encodings)
        assert "\0" in text.decode(everything)
        assert text.encode("a\N{ELEPHANT}") in (b"a?", text.encode("a") + text.encode("\N{ELEPHANT}"))
    assert TextEncoding("LATIN1", guard().encodings).encode("é日") == b"\xe9?"
    assert HARNESS.isascii()


def test_bytes_of_which_none_can_be_read_cost_no_more_than_others() -> None:
    wrong = (b"\x81\xe9\xff" * 400_000)[:1_000_000]
    texts = [TextEncoding(encoding, guard().encodings) for encoding in (*guard().encodings, None)]
    started = time.process_time()
    for text in texts:
        assert text.decode(wrong)
    # A call for each byte took five times as long as this.
    assert time.process_time() - started < 0.02 * len(texts)


@pytest.mark.parametrize(
    ("encoding", "raw", "bytes_each"),
    [
        ("UTF8", b"a" * 1_000_000, 1),
        ("UTF8", b"\xff" * 1_000_000, 3),
        ("UTF8", "\U0001f600".encode() + b"a" * 1_000_000, 4),
        ("LATIN1", b"\x81\xe9" * 500_000, 2),
        ("KOI8R", b"\xd1" * 1_000_000, 2),
        ("EUC_JP", b"\xff" * 1_000_000, 3),
        ("EUC_CN", b"\xc4\xe3" * 500_000, 1.5),
    ],
)
def test_a_text_counts_by_what_it_decodes_to_before_it_is_kept(encoding: str, raw: bytes, bytes_each: float) -> None:
    text, expected = TextEncoding(encoding, guard().encodings), int(bytes_each * len(raw))
    assert expected <= weight(text.decode(raw)) <= expected + 100
    assert text.decode_within(raw, expected - 100) is None
    assert text.decode_within(raw, expected + 100) == text.decode(raw)
    columns = [("a", TEXT)]
    with pytest.raises(RowTooLargeError):
        check_row(columns, [raw], text, expected)
    row, found = check_row(columns, [raw], text, expected + 200)
    assert row == [text.decode(raw).encode()] and found <= expected + 200
    with pytest.raises(RowTooLargeError):
        check_row(columns * 2, [raw, raw], text, 2 * expected)


def test_a_call_reads_no_more_than_its_bytes_whatever_they_decode_to(databases: dict[str, Database]) -> None:
    with lent(databases["LATIN1"].url, limits=Limits(answer_bytes=100_000)) as live:
        session = opened(live)
        (fits,) = ask(live, session, "SELECT repeat(chr(233), 40000)")
        (over,) = ask(live, session, "SELECT repeat(chr(233), 10000)")
    assert rows(fits) == [["é" * 40_000]] and sys.getsizeof("é" * 40_000) < 100_000
    assert rows(over) == [] and cast(Any, over).truncated

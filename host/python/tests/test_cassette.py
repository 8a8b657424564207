"""What was recorded plays again, byte for byte, and without a server."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, cast

import pytest
from cluster import Database, PgBouncer
from lending import rows

from archon_pool import ConnectionPool, FaultError, Limits
from archon_pool.cassette.format import decode_value, encode_value
from archon_pool.cassette.replayer import Cassette, Player
from archon_pool.clock import Clock
from archon_pool.faults import EndedError
from archon_pool.wire import Order, Statement, Timestamp, Value

ACTIONS = ["monitor", "detect-leaks", "health-check", "auto-scale", "kill-idle", "full-analysis"]


def played(path: Path) -> list[tuple[str, str]]:
    """What each call of a cassette returned, and returns now."""
    cassette = Cassette(path)
    both = []
    with ConnectionPool(environment=False) as pool:
        for call in cassette.calls:
            (returned,) = [line["returned"] for line in call if "returned" in line]
            limits = Limits()
            output = pool._host._answered(
                call[0]["input"], cassette.next(call[0]["call"]), Clock(limits.deadline, limits.cpu)
            )
            assert isinstance(output, str), output
            both.append((returned, output))
    return both


def test_every_action_plays_again_byte_for_byte(database: Database, bouncer: PgBouncer, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    database.leak(5)
    entry = {"url": database.url, "pooler": database.cluster.url("pgbouncer", port=bouncer.port)}
    with ConnectionPool(credentials={"default": entry}, environment=False, record=path) as pool:
        recorded = [pool.run({"action": action, "options": {"sampleMs": 100}}) for action in ACTIONS]
    assert all(output["success"] for output in recorded)
    both = played(path)
    assert len(both) == len(ACTIONS)
    assert all(returned == output for returned, output in both)

    with ConnectionPool(environment=False, replay=path) as again:
        for action, output in zip(ACTIONS, recorded):
            assert again.run({"action": action, "options": {"sampleMs": 100}}) == output


def test_an_act_is_played_and_not_done_again(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "kill.jsonl"
    database.age(database.leak(3), 10.1)
    params: Any = {
        "action": "kill-idle",
        "options": {"idleTimeoutMs": 10_000, "maxKillPercentage": 100, "minSize": 1, "sampleMs": 0},
    }
    with ConnectionPool(credentials={"default": database.url}, environment=False, record=path) as pool:
        done = pool.run(params)
    assert cast(Any, done)["data"]["actions"][0]["executed"]
    untouched = database.leak(3)
    with ConnectionPool(environment=False, replay=path) as again:
        assert again.run(params) == done
    assert database.alive(untouched) == untouched


def test_a_fault_plays_again(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "fault.jsonl"
    with ConnectionPool(credentials={"default": "postgres://u@127.0.0.1:1/d"}, record=path, retries=0) as pool:
        failed = pool.run({"action": "monitor"})
    with ConnectionPool(replay=path, retries=0) as again:
        assert again.run({"action": "monitor"}) == failed
    assert not failed["success"]


def test_a_call_that_the_host_ended_says_so(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "ended.jsonl"
    limits = Limits(host_calls=2)
    with ConnectionPool(credentials={"default": database.url}, record=path, limits=limits) as pool:
        pool.run({"action": "monitor"})
    last = json.loads(path.read_text().splitlines()[-1])
    assert last["ended"]["kind"] == "limit-exceeded"


def test_the_lines_are_those_of_the_format(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    with ConnectionPool(credentials={"default": database.url}, environment=False, record=path) as pool:
        pool.run({"action": "monitor", "options": {"sampleMs": 0}})
    assert path.stat().st_mode & 0o077 == 0
    header, call, *imports, returned = [json.loads(line) for line in path.read_text().splitlines()]
    assert list(header) == ["cassette", "package", "component", "normalised"]
    assert (header["cassette"], header["package"]) == (1, "archon:connection-pool@1.0.0")
    assert header["component"]["name"] == "pool-manager.wasm" and len(header["component"]["sha256"]) == 64
    assert call == {"call": "skill.run", "input": '{"action":"monitor","options":{"sampleMs":0}}'}
    assert imports[0] == {"import": "credentials.lookup", "with": {"name": None}, "ok": {"credential": 1}}
    assert imports[1] == {"import": "session.open", "with": {"credential": 1}, "ok": {"session": 1}}
    assert json.loads(returned["returned"])["success"] is True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ("Grüße\n", '"Grüße\\n"'),
        (-(2**63), '{"i":"-9223372036854775808"}'),
        (0.1, '{"f":"0.1"}'),
        (1.0, '{"f":"1"}'),
        (-0.0, '{"f":"-0"}'),
        (1e20, '{"f":"100000000000000000000"}'),
        (-1.5e300, '{"f":"-1.5e300"}'),
        (5e-324, '{"f":"5e-324"}'),
        (-math.inf, '{"f":"-inf"}'),
        (b"\0\xff", '{"b":"00ff"}'),
        (Timestamp(2**63 - 1), '{"t":"9223372036854775807"}'),
    ],
)
def test_a_value_has_one_form(value: Value, text: str) -> None:
    encoded = encode_value(value)
    assert json.dumps(encoded, ensure_ascii=False, separators=(",", ":")) == text
    back = decode_value(encoded)
    assert back == value and type(back) is type(value)


def test_not_a_number_is_one_too() -> None:
    assert encode_value(math.nan) == {"f": "NaN"}
    assert math.isnan(cast(float, decode_value({"f": "NaN"})))


def line(name: str, asked: Any, **answer: Any) -> Any:
    return {"import": name, "with": asked, **answer}


def query(**answers: int) -> Any:
    """A batch of the statements `one` and `two`, and the number that each is answered with."""
    batch = [{"sql": DIGESTS[text], "params": [], "maxRows": 9} for text in answers]
    sets = [{"columns": [["n", 20]], "rows": [[{"i": str(number)}]], "truncated": False} for number in answers.values()]
    return line("session.query", {"session": 1, "batch": batch}, ok=[{"ok": it} for it in sets])


DIGESTS = {text: hashlib.sha256(text.encode()).hexdigest() for text in ("one", "two")}


def asked(player: Player, *texts: str) -> list[Any]:
    answers = player.query(1, [Statement(text, [], 1_000) for text in texts])
    return [rows(answer)[0][0] for answer in answers]


def test_an_import_is_answered_by_the_first_line_that_is_left() -> None:
    player = Player(
        [
            line("session.access-path", {"session": 1}, ok="direct"),
            line("session.access-path", {"session": 1}, ok="kept"),
        ]
    )
    assert [player.session_access_path(1), player.session_access_path(1)] == ["direct", "kept"]
    with pytest.raises(EndedError, match=r"cassette-mismatch: .*session\.access-path"):
        player.session_access_path(1)


def test_a_batch_is_answered_as_a_whole_and_else_statement_by_statement() -> None:
    player = Player([query(two=2), query(one=1, two=3), query(two=4)])
    assert asked(player, "one", "two") == [1, 3]
    with pytest.raises(FaultError):
        asked(player, "two", "two", "one")
    assert asked(player, "two", "two") == [2, 4], "what failed has used nothing up"


def test_another_call_than_the_next_is_a_mismatch(tmp_path: Path) -> None:
    (tmp_path / "it").write_text('{"cassette":1}\n{"call":"skill.describe","input":""}\n')
    cassette = Cassette(tmp_path / "it")
    with pytest.raises(FaultError, match=r"next call is of skill\.describe and not of skill\.run"):
        cassette.next("skill.run")
    cassette.next("skill.describe")
    with pytest.raises(FaultError, match="no more calls"):
        cassette.next("skill.run")


def test_what_nobody_recorded_is_a_mismatch_that_names_the_statement() -> None:
    with pytest.raises(FaultError, match=DIGESTS["one"]) as raised:
        asked(Player([query(two=2)]), "one")
    assert raised.value.fault.kind == "cassette-mismatch"


def test_reasons_and_row_caps_are_not_compared() -> None:
    order = {"pid": 1, "backendStart": "2", "signal": "terminate", "state": "idle", "stateChange": "3", "reason": "a"}
    recorded = line("backends.deliver", {"session": 1, "orders": [order], "dryRun": False}, ok=["gone"])
    player = Player([recorded])
    (outcome,) = player.deliver(1, [Order(1, 2, "terminate", "idle", 3, "another")], False)
    assert outcome.case == "gone"


def test_true_is_not_one() -> None:
    with pytest.raises(FaultError):
        Player([line("database.probe", {"credential": 1, "count": True, "timeoutMs": 5}, ok=[])]).probe(1, 1, 5)


def test_what_is_no_cassette_is_refused(tmp_path: Path) -> None:
    (tmp_path / "it").write_text('{"cassette":2}\n')
    with pytest.raises(ValueError, match="no cassette of version 1"):
        Cassette(tmp_path / "it")


_HEADER = {"cassette": 1, "component": {"name": "x"}}
_LOOKED_UP = {"import": "credentials.lookup", "with": {"name": None}, "ok": {"credential": 1}}


@pytest.mark.parametrize(
    "lines",
    [
        *([], [[]], [{}], ["x"], [None], [{**_HEADER, "cassette": True}], [{**_HEADER, "component": []}]),
        *([{**_HEADER, "component": {"name": 1}}], [_HEADER, 1], [_HEADER, _LOOKED_UP], [_HEADER, {"call": 1}]),
        *([_HEADER, {"call": "x"}, {"import": 1, "with": {}, "ok": 1}], [_HEADER, {"call": "x"}, {"import": "x"}]),
        [_HEADER, {"call": "x"}, {"import": "session.query", "with": {"batch": 1}, "ok": [1]}],
        [_HEADER, {"call": "x"}, {"import": "session.query", "with": [], "ok": []}],
        [_HEADER, {"call": "x"}, {"import": "x", "with": {"f": "x"}, "ok": 1}],
        [_HEADER, {"call": "x"}, {"import": "x", "with": {"f": "1"}}],
    ],
)
def test_a_cassette_that_anybody_wrote_is_refused_and_raises_nothing_else(lines: list[Any], tmp_path: Path) -> None:
    (tmp_path / "it").write_text("".join(json.dumps(each) + "\n" for each in lines))
    with pytest.raises(FaultError) as raised:
        ConnectionPool(environment=False, replay=tmp_path / "it")
    assert raised.value.fault.kind == "cassette-invalid", raised.value.fault


@pytest.mark.parametrize("name", ["session.query", "console.show"])
@pytest.mark.parametrize(
    "rows",
    [
        *([["a", 1]], [[]], [["a"], []], [1], "a", [["a"], [{"b": "00"}]], [["a"], [None], [True]]),
        [[{"i": "1"}], [{"t": "1"}]],
    ],
)
def test_rows_that_do_not_fit_their_columns_are_refused_at_reading(name: str, rows: Any, tmp_path: Path) -> None:
    recorded = {"ok": {"columns": [["c", 25]], "rows": rows, "truncated": False}}
    fault = {"err": {"kind": "query-failed", "message": "x"}}
    lines = [_HEADER, {"call": "x"}, line(name, {"session": 1, "batch": []}, ok=[fault, recorded])]
    (tmp_path / "it").write_text("".join(json.dumps(each) + "\n" for each in lines))
    with pytest.raises(FaultError, match=r"cassette-invalid: .*call 1 is not of the format of cassettes"):
        Cassette(tmp_path / "it")
    recorded["ok"]["rows"] = [[None], ["a"], [None]]
    (tmp_path / "it").write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert len(Cassette(tmp_path / "it").calls) == 1


def test_a_lone_surrogate_of_a_cassette_ends_the_call() -> None:
    shown = {"ok": {"columns": [["c", 25]], "rows": [["\ud800"]], "truncated": False}}
    player = Player([line("console.show", {"console": 1, "views": ["pools"]}, ok=[shown])])
    with pytest.raises(EndedError, match="cassette-invalid"):
        player.show(1, ["pools"])


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[" * 100_000, b'{"cassette":1}\n{"call":' + b"9" * 5_000 + b"}"])
def test_a_file_that_is_no_json_is_no_cassette(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(FaultError, match="cassette-invalid"):
        Cassette(tmp_path / "it")


@pytest.mark.parametrize(
    "ok",
    [
        *(None, 1, {}, {"credential": "x"}, {"credential": []}),
    ],
)
def test_an_answer_of_another_shape_ends_the_call(ok: Any) -> None:
    player = Player([{**_LOOKED_UP, "ok": ok}])
    with pytest.raises(EndedError, match="cassette-invalid"):
        player.lookup(None)


@pytest.mark.parametrize(
    "cell",
    [
        {"i": "9" * 5_000},
        {"i": str(2**63)},
        {"i": []},
        {"i": ""},
        {"t": "9" * 20},
        {"b": "f"},
        {"f": ""},
        {"zz": "1"},
        {},
        7,
    ],
)
def test_a_value_that_is_none_of_a_type_s_ends_the_call(cell: Any) -> None:
    shown = {"ok": {"columns": [["a", 20]], "rows": [[cell]], "truncated": False}}
    player = Player([line("console.show", {"console": 1, "views": ["pools"]}, ok=[shown])])
    with pytest.raises(EndedError, match="cassette-invalid"):
        player.show(1, ["pools"])


def test_a_pipe_is_no_cassette(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "it")
    with pytest.raises(OSError, match="no regular file"):
        Cassette(tmp_path / "it")

"""JSON of others is counted before it is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_protocol import fuzzed

from archon_pool import ConnectionPool, FaultError, json_text
from archon_pool.host import document
from archon_pool.log import Log

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@fuzzed
@given(VALUES)
def test_what_is_within_bounds_is_read_as_it_was_written(value: Any) -> None:
    assert json_text.parse(json.dumps(value)) == value
    assert json_text.parse(json.dumps(value, ensure_ascii=False, indent=1)) == value


@fuzzed
@given(st.text(alphabet='[]{}",:\\01en .'))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            json_text.parse(text)
    else:
        assert json_text.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[" * 65 + "]" * 65,
        "[" * 1_000_000,
        '{"a":' * 100_000,
        '["\\\\", ' + "[" * 65,
        '["\\"", ' + "[" * 65,
        "[" + "0," * 1_000_001 + "0]",
        "[" + "{}," * 1_000_000 + "0]",
        "[" + "[0]," * 600_000 + "0]",
    ],
    ids=["deep", "open", "objects", "backslash", "quote", "numbers", "empty", "lists"],
)
def test_too_much_is_refused_before_it_is_parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(json_text.CountError):
        json_text.parse(text)


def test_brackets_within_texts_are_no_depth() -> None:
    value = ["[" * 1_000, '\\"' * 50 + "{" * 1_000, {"\\": "," * 2_000_000}]
    assert json_text.parse(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "", "[1,]"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        json_text.parse(text)


def test_a_component_s_answer_is_counted_too() -> None:
    with pytest.raises(FaultError, match=r"limit-exceeded: it answered .* more than 64 deep: limit `report_bytes`"):
        document('{"data":' + "[" * 100_000, "it")
    with pytest.raises(FaultError, match="unexpected-answer"):
        document('{"data": NaN}', "it")


def test_a_request_that_is_too_deep_is_a_fault() -> None:
    deep: Any = {}
    for _ in range(500):
        deep = {"options": deep}
    with ConnectionPool(environment=False, retries=0) as pool:
        output: Any = pool.run(deep)
    assert output["error"]["kind"] == "invalid-params" and "64 deep" in output["error"]["message"]


@pytest.mark.parametrize(
    "data", [None, 1, [], [1], {"poolStats": 1}, {"poolStats": {"connections": []}, "actions": [1]}, {"actions": {}}]
)
def test_a_report_of_any_shape_is_logged(data: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Log(frozenset()).completed({}, {"success": True, "data": data}, 1)
    (line,) = caplog.messages
    assert json.loads(line)["context"]["actionsExecuted"] == 0

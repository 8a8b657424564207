"""Readers of the protocol take any bytes: what is no message of a server is an error, and never anything else.

`ARCHON_POOL_FUZZ_EXAMPLES` has them try longer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Callable, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import READY, authentication, message, refusal, status

from archon_pool import FaultError, Limits, messages
from archon_pool.channel import UNREAD, Channel
from archon_pool.clock import Clock, SilentError
from archon_pool.connection import Connection, RawRow
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.encryption import signature_digest
from archon_pool.faults import AUTHENTICATION_FAILED, LIMIT_EXCEEDED
from archon_pool.frames import MESSAGE_BYTES, Budget, Frames, ProtocolError
from archon_pool.login import Login, Startup
from archon_pool.scram import MOST_ITERATIONS, Scram, ScramError
from archon_pool.server_error import WITHHELD, RefusedError
from archon_pool.transport import ClosedError

fuzzed = settings(
    max_examples=int(os.environ.get("ARCHON_POOL_FUZZ_EXAMPLES", "300")), derandomize=True, deadline=None, database=None
)

LIMITS = Limits(start_bytes=4_096, statement_bytes=8_192, protocol_message_bytes=2_048)
TARGET = resolve(parts("postgres://ann:hunter2@127.0.0.1:1/shop?sslmode=disable"), OPERATOR)
ANY_KIND = frozenset(bytes([kind]) for kind in range(256))

_COLUMNS = struct.pack("!h", 1) + b"name\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0)
_ROW = struct.pack("!hi", 1, 3) + b"ann"
_VALID = [
    *(authentication(0), authentication(3), authentication(5, b"salt"), authentication(10, b"SCRAM-SHA-256\0\0")),
    *(authentication(11, b"r=x,s=eA==,i=1"), authentication(12, b"v=eA=="), status("server_version", "15.4"), READY),
    *(
        message(b"T", _COLUMNS),
        message(b"D", _ROW),
        message(b"C", b"SELECT 1\0"),
        message(b"1", b""),
        message(b"2", b""),
    ),
    *(refusal("ERROR", "22012", "division by zero"), refusal("FATAL", "57P01", "bye"), message(b"N", b"\0")),
    *(
        message(b"Z", b"I"),
        message(b"A", b"\0\0\0\1x\0\0"),
        message(b"I", b""),
        message(b"n", b""),
        message(b"G", b"\0\0\0"),
    ),
]


@st.composite
def mutated(draw: Any) -> bytes:
    """Messages of a server in any order, some of them damaged."""
    whole = bytearray(b"".join(draw(st.lists(st.sampled_from(_VALID), max_size=12))))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)):
        if place < len(whole):
            whole[place] = byte
    cut = draw(st.integers(0, 40))
    return bytes(whole[: len(whole) - cut]) + bytes(draw(st.binary(max_size=20)))


_LOGGED_IN = authentication(0) + READY

STREAMS = st.one_of(mutated(), st.binary(max_size=200))


class Played:
    """Plays the part of a transport whose peer sends these bytes and goes."""

    encrypted = None

    def __init__(self, stream: bytes, chunk: int) -> None:
        self._chunks = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]

    def send(self, data: bytes) -> None:
        pass

    def receive(self, until: float, budget: Budget, most_bytes: int = 0) -> bytes:
        if not self._chunks:
            raise ClosedError("that was all")
        return self._chunks.pop(0)

    def check(self, until: float) -> None:
        pass

    def close(self, goodbye: bytes = b"") -> None:
        pass


def channel(stream: bytes, chunk: int) -> Channel:
    return Channel(cast(Any, Played(stream, chunk)), LIMITS)


def connection(stream: bytes, chunk: int) -> Connection:
    return Connection(channel(stream, chunk), "127.0.0.1", TARGET, LIMITS, Clock(timedelta(seconds=9), timedelta(0)))


def budget(limit: int = 100_000) -> Budget:
    return Budget("statement_bytes", limit, "one statement")


def split(stream: bytes, chunk: int, left: Budget) -> Iterator[messages.Column | Any]:
    frames = Frames(2_048)
    for at in range(0, len(stream), chunk):
        frames.feed(stream[at : at + chunk])
        while found := frames.next(ANY_KIND, frozenset(), left):
            yield found


@fuzzed
@given(STREAMS, st.integers(1, 50))
def test_a_stream_is_split_alike_wherever_it_is_cut(stream: bytes, chunk: int) -> None:
    def outcome(size: int) -> Any:
        found: list[Any] = []
        try:
            found += split(stream, size, budget())
        except (ProtocolError, FaultError) as error:
            return found, type(error)
        return found, None

    # Nothing of a stream in one piece is returned when it ends in an error.
    whole, cut = outcome(len(stream) or 1), outcome(chunk)
    assert whole[1] == cut[1] and (whole[1] is not None or whole[0] == cut[0])


@fuzzed
@given(STREAMS, st.integers(1, 50))
def test_a_login_ends_by_what_it_may_end_by(stream: bytes, chunk: int) -> None:
    login = Login(channel(stream, chunk), TARGET, budget(4_096), 0.0)
    try:
        assert isinstance(login.start(Startup("x")), bytes)
    except FaultError as error:
        assert error.fault.kind == LIMIT_EXCEEDED
    except (RefusedError, ProtocolError, ClosedError) as error:
        assert "hunter2" not in str(error)


@fuzzed
@given(STREAMS, st.integers(1, 50), st.integers(0, 2))
def test_a_statement_ends_by_what_it_may_end_by(stream: bytes, chunk: int, skipped: int) -> None:
    asked = connection(stream, chunk)
    try:
        for answer in asked.answers(time.monotonic() + 9, asked.budget(), skipped):
            if isinstance(answer, RawRow):
                with suppress(ProtocolError):
                    assert len(messages.data_row(answer.body, 1)) == 1
    except FaultError:
        assert asked.is_closed


READERS: list[Callable[[bytes], object]] = [
    messages.server_error,
    messages.authentication,
    messages.mechanisms,
    messages.parameter_status,
    messages.cancel_key,
    messages.ready,
    messages.row_description,
    lambda raw: messages.data_row(raw, 2),
]


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_takes_any_bytes(reader: Callable[[bytes], object]) -> None:
    @fuzzed
    @given(st.one_of(st.binary(max_size=80), mutated().map(lambda raw: raw[5:])))
    def reads(raw: bytes) -> None:
        with suppress(ProtocolError):
            reader(raw)

    reads()


@fuzzed
@given(st.lists(st.one_of(st.none(), st.binary(max_size=20)), max_size=8))
def test_a_row_is_read_as_it_was_written(cells: list[bytes | None]) -> None:
    written = b"".join(b"\xff" * 4 if cell is None else struct.pack("!i", len(cell)) + cell for cell in cells)
    raw = struct.pack("!h", len(cells)) + written
    assert messages.data_row(raw, len(cells)) == cells
    for broken in (raw + b"x", raw[:-1]):
        with pytest.raises(ProtocolError):
            messages.data_row(broken, len(cells))


@fuzzed
@given(st.binary(max_size=80))
def test_any_challenge_is_answered_or_refused(said: bytes) -> None:
    for begun in (said, b"r=nonce" + said, b"r=nonceX,s=eA==,i=" + said):
        with suppress(ScramError):
            Scram("secret", "n,,", nonce="nonce").final(begun)
        with suppress(ScramError):
            Scram("secret", "n,,", nonce="nonce").verify(b"v=" + said)


@fuzzed
@given(st.binary(max_size=200))
def test_any_certificate_has_a_digest_or_none(der: bytes) -> None:
    assert signature_digest(der) in (None, "sha224", "sha256", "sha384", "sha512")
    assert signature_digest(b"\x30\x03" + der) in (None, "sha224", "sha256", "sha384", "sha512")


@pytest.mark.parametrize("iterations", [0, MOST_ITERATIONS + 1, 10**8, 2**31, 10**19])
def test_more_rounds_than_are_allowed_are_refused_before_any_is_computed(iterations: int) -> None:
    started = time.monotonic()
    with pytest.raises(ScramError, match=f"asks for {iterations} SCRAM iterations"):
        Scram("secret", "n,,", nonce="nonce").final(b"r=nonceX,s=eA==,i=%d" % iterations)
    assert time.monotonic() - started < 1


def test_a_server_that_does_not_know_the_password_is_refused() -> None:
    def digest(key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, hashlib.sha256).digest()

    challenge = b"r=nonceX,s=c2FsdA==,i=4096"
    exchange = Scram("secret", "n,,", nonce="nonce")
    answer = exchange.final(challenge)
    signed = b"n=,r=nonce," + challenge + b"," + answer.rpartition(b",p=")[0]
    for password, is_known in ((b"guess", False), (b"secret", True)):
        key = digest(hashlib.pbkdf2_hmac("sha256", password, b"salt", 4096), b"Server Key")
        signature = b"v=" + base64.b64encode(digest(key, signed))
        if is_known:
            exchange.verify(signature)
        else:
            with pytest.raises(ScramError, match="does not know the password"):
                exchange.verify(signature)
        assert exchange.is_verified is is_known


def test_a_login_is_not_over_before_the_server_has_proved_itself() -> None:
    stream = authentication(10, b"SCRAM-SHA-256\0\0") + authentication(0) + READY
    with pytest.raises(RefusedError, match="before it had proved that it knows the password"):
        Login(channel(stream, 50), TARGET, budget(), 0.0).start(Startup("x"))


_CHALLENGE = b"r=nonceX,s=c2FsdA==,i=1"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([(11, _CHALLENGE)], "a SASL message before SASL began"),
        ([(12, b"v=eA==")], "a SASL message before SASL began"),
        ([(10, b"SCRAM-SHA-256\0\0"), (11, _CHALLENGE), (11, _CHALLENGE)], "a second SCRAM challenge"),
        ([(10, b"SCRAM-SHA-256\0\0"), (12, b"v=eA==")], "SCRAM signature is missing"),
        ([(10, b"SCRAM-SHA-256\0\0"), (11, _CHALLENGE), (0, b"")], "before it had proved that it knows the password"),
    ],
)
def test_an_exchange_out_of_its_order_ends_the_login(
    asked: list[tuple[int, bytes]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archon_pool.scram.secrets.token_urlsafe", lambda _: "nonce")
    stream = b"".join(authentication(method, more) for method, more in asked) + READY
    with pytest.raises(RefusedError, match=said) as raised:
        Login(channel(stream, 4_096), TARGET, budget(), 0.0).start(Startup("x"))
    assert raised.value.refusal.kind == AUTHENTICATION_FAILED


def test_a_proof_is_taken_once() -> None:
    exchange = Scram("secret", "n,,", nonce="nonce")
    exchange.is_verified = True
    with pytest.raises(ScramError, match="its SCRAM signature twice"):
        exchange.verify(b"v=eA==")


@pytest.mark.parametrize("kind", [b"D", b"S"])
def test_the_clock_is_checked_for_messages_that_are_here_already(kind: bytes) -> None:
    class Late(Played):
        def check(self, until: float) -> None:
            raise SilentError

    found = Channel(cast(Any, Late(message(kind, b"x\0y\0") * 2 + READY, 4_096)), LIMITS)
    with pytest.raises(SilentError):
        found.receive(ANY_KIND, budget(), 0.0)


@pytest.mark.parametrize("kind", [b"N", b"S", b"A"])
def test_what_a_server_says_unasked_is_counted_and_not_kept(kind: bytes) -> None:
    notice = message(kind, b"x\0y\0")
    left = budget(10 * (MESSAGE_BYTES + len(notice)))
    found = channel(notice * 10 + message(b"Z", b"I"), 7)
    with pytest.raises(FaultError, match="limit `statement_bytes`"):
        found.receive(ANY_KIND, left, 0.0, UNREAD)
    assert found.parameters == {}


def test_a_length_is_refused_before_its_body_is_there() -> None:
    frames = Frames(2_048)
    frames.feed(b"D" + struct.pack("!i", 2_049))
    with pytest.raises(FaultError, match="limit `protocol_message_bytes`"):
        frames.next(ANY_KIND, frozenset(), budget())
    for length in (-1, 0, 3):
        frames = Frames(2_048)
        frames.feed(b"D" + struct.pack("!i", length))
        with pytest.raises(ProtocolError):
            frames.next(ANY_KIND, frozenset(), budget())


def test_a_message_that_is_dropped_is_not_kept_until_it_is_whole() -> None:
    frames, dropped = Frames(10_000_000), frozenset([b"A"])
    frames.feed(b"A" + struct.pack("!i", 9_000_004))
    for _ in range(90):
        frames.feed(b"x" * 100_000)
        assert frames.next(ANY_KIND, dropped, budget(10_000_000)) is None
        assert len(frames._buffer) == 0
    frames.feed(READY)
    kinds = [cast(Any, frames.next(ANY_KIND, dropped, budget())).kind for _ in range(2)]
    assert kinds == [b"K", b"Z"]


@pytest.mark.parametrize("kind", [b"E", b"N"])
def test_an_error_or_a_notice_longer_than_any_is_refused_by_its_length(kind: bytes) -> None:
    for begun, most in ((False, 64 << 10), (True, 1 << 20)):
        for length, is_refused in ((most, False), (most + 1, True)):
            frames = Frames(32 << 20)
            if begun:
                frames.begin_session()
            frames.feed(kind + struct.pack("!i", length))
            if is_refused:
                with pytest.raises(ProtocolError, match=f"an error or a notice of {length} bytes"):
                    frames.next(ANY_KIND, frozenset(), budget(32 << 20))
            else:
                assert frames.next(ANY_KIND, frozenset(), budget(32 << 20)) is None


def test_a_session_that_is_ready_takes_the_errors_of_statements() -> None:
    long = refusal("ERROR", "22012", "x" * 100_000)
    found = Channel(cast(Any, Played(_LOGGED_IN + long, 70_000)), Limits())
    Login(found, TARGET, budget(), 0.0).start(Startup("x"))
    assert found.receive(ANY_KIND, budget(1 << 20), 0.0).body == long[5:]


@pytest.mark.parametrize("fields", [1, 64, 65, 500_000])
def test_an_error_of_more_fields_than_there_are_is_refused_before_any_is_read(fields: int) -> None:
    raw = b"A\0" * fields + b"\0"
    if fields <= 64:
        assert messages.server_error(raw) == messages.ServerError(b"")
        return
    with pytest.raises(ProtocolError, match="too many fields"):
        messages.server_error(raw)
    with pytest.raises(ProtocolError, match="too many SASL mechanisms"):
        messages.mechanisms(raw)


@pytest.mark.parametrize("sqlstate", [b"", b"2201", b"220122", b"22o12", b"\xff2012", b"22012\n", b"9" * 20_000])
def test_a_sqlstate_that_is_none_is_not_told(sqlstate: bytes) -> None:
    assert messages.server_error(b"C" + sqlstate + b"\0Mx\0\0").sqlstate is None
    assert messages.server_error(b"C22012\0Mx\0\0").sqlstate == "22012"


@pytest.mark.parametrize("columns", [1_664, 1_665, 32_767, -1])
def test_more_columns_than_a_row_has_are_refused(columns: int) -> None:
    raw = struct.pack("!h", columns) + _COLUMNS[2:] * max(columns, 0)
    if columns == 1_664:
        assert len(messages.row_description(raw)) == columns
        return
    with pytest.raises(ProtocolError, match="columns that no row has"):
        messages.row_description(raw)


def test_names_and_parameters_that_hold_the_password_are_withheld() -> None:
    stream = (
        authentication(0) + status("server_version", "hunter2/bouncer") + status("server_encoding", "x" * 300) + READY
    )
    asked = connection(stream, 50)
    asked._log_in(Startup("x"), 0.0, budget())
    assert asked.parameter("server_version") == asked.told(b"hunter2") == WITHHELD
    assert asked.told(b"hunter") == "hunter" and asked.parameter("server_encoding") is None

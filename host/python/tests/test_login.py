"""Login at servers that say whatever a test has them say, and at several hosts."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from cluster import PASSWORD, Database, unused_port
from lending import lent, opened
from scripted import READY, Client, Scripted, authentication, message, refusal, scripted, status

from archon_pool import ConnectionPool, FaultError, Limits, connect
from archon_pool.clock import Clock
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.guard_spec import guard
from archon_pool.session import Session

_STATUSES = status("server_version", "15.4") + status("server_encoding", "UTF8") + status("in_hot_standby", "off")
_WELCOME = authentication(0) + _STATUSES + READY
_CLEAR_TEXT = authentication(3)
_MD5 = authentication(5, b"salt")
_PLAIN, _IN_CLEAR_TEXT = "the session is not encrypted", "the password was sent in clear text"


def welcome(client: Client) -> None:
    client.send(_WELCOME)


def asks(method: bytes) -> Any:
    """A script that has the client log in by a method, whatever it answers."""

    def script(client: Client) -> None:
        client.send(method)
        kind, _ = client.read()
        if kind == b"p":
            client.send(_WELCOME)
            client.read()

    return script


def url(*servers: Scripted, parameters: str = "sslmode=disable") -> str:
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgres://ann:hunter2@{hosts}/shop?{parameters}"


def session(text: str, limits: Limits | None = None) -> Session:
    limits = limits or Limits()
    target = resolve(parts(text), OPERATOR)
    return Session.unchecked(target, limits, guard(), Clock(limits.deadline, limits.cpu))


def notes(text: str) -> tuple[str, ...]:
    with contextlib.closing(session(text)) as found:
        return found.notes


def failed(text: str, limits: Limits | None = None) -> Any:
    with pytest.raises(FaultError) as raised:
        session(text, limits).close()
    assert "hunter2" not in str(raised.value)
    return raised.value.fault


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has this machine's own addresses count as another's."""
    monkeypatch.setattr(connect, "is_local", lambda _: False)


def test_the_startup_packet_asks_for_bytes_as_they_are_and_says_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGAPPNAME", "PGCLIENTENCODING", "PGOPTIONS"):
        monkeypatch.setenv(name, "UTF8")
    with scripted(welcome) as server:
        session(url(server)).close()
    (client,) = server.clients
    assert "default_transaction_read_only=on" in client.startup.pop("options")
    names = {"user": "ann", "database": "shop", "application_name": "archon-pool", "client_encoding": "SQL_ASCII"}
    assert {name: value for name, value in client.startup.items() if name} == names


def test_a_session_that_others_can_read_is_noted(remote: None) -> None:
    with scripted(welcome) as server:
        assert notes(url(server)) == (_PLAIN,)
        assert notes(url(server, parameters="sslmode=prefer")) == (_PLAIN,)
        passed_over = "connection parameter 'pgbouncer' is passed over: it changes nothing here"
        assert notes(url(server, parameters="pgbouncer=true")) == (passed_over, _PLAIN)


def test_a_password_in_clear_text_is_noted_and_sent_when_it_is_wanted(remote: None) -> None:
    with scripted(asks(_CLEAR_TEXT)) as server:
        assert notes(url(server)) == (_PLAIN, _IN_CLEAR_TEXT)
        assert notes(url(server, parameters="require_auth=password")) == (_PLAIN, _IN_CLEAR_TEXT)
        assert notes(url(server, parameters="require_auth=password,md5")) == (_PLAIN, _IN_CLEAR_TEXT)
    with scripted(asks(_MD5)) as server:
        assert notes(url(server)) == (_PLAIN,)


def test_what_stays_on_this_machine_is_not_noted() -> None:
    with scripted(asks(_CLEAR_TEXT)) as server:
        assert notes(url(server)) == ()


def test_notes_reach_the_component(database: Database, remote: None) -> None:
    with lent(database.url + "?supa=x") as live:
        found = live.session_notes(opened(live))
    assert found == ["connection parameter 'supa' is passed over: it changes nothing here", _PLAIN]


@pytest.mark.parametrize(
    ("method", "parameters", "words"),
    [
        (_CLEAR_TEXT, "require_auth=scram-sha-256", "cleartext password"),
        (_CLEAR_TEXT, "require_auth=!password", "cleartext password"),
        (_MD5, "require_auth=scram-sha-256", "hashed password"),
        (_WELCOME, "require_auth=scram-sha-256", "did not complete authentication"),
        (_CLEAR_TEXT, "channel_binding=require", "channel binding"),
        (_WELCOME, "channel_binding=require", "channel binding"),
        (authentication(7), "sslmode=disable", "GSSAPI"),
        (authentication(9), "sslmode=disable", "SSPI"),
        (authentication(99), "sslmode=disable", "authentication"),
    ],
)
def test_a_method_that_is_not_allowed_gets_no_password(method: bytes, parameters: str, words: str) -> None:
    got: list[tuple[bytes, bytes]] = []

    def script(client: Client) -> None:
        client.send(method)
        got.append(client.read())

    with scripted(script) as server:
        fault = failed(url(server, parameters=parameters))
    assert fault.kind == "authentication-failed" and words in fault.message, fault
    assert all(kind != b"p" for kind, _ in got)


def test_a_kerberos_ticket_of_this_machine_is_not_offered() -> None:
    with scripted(lambda client: client.send(authentication(7))) as server:
        fault = failed(f"postgres://ann@127.0.0.1:{server.port}/shop?sslmode=disable")
    assert fault.kind == "authentication-failed"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        message(b"R", b""),
        message(b"D", b""),
        b"R\0\0\0\0",
        b"",
    ],
)
def test_a_peer_that_speaks_something_else_is_a_fault(said: bytes) -> None:
    with scripted(lambda client: client.send(said)) as server:
        assert failed(url(server)).kind == "server-unreachable"


def test_the_next_host_is_tried_where_one_does_not_answer_and_not_where_one_refuses() -> None:
    def says(sqlstate: str, said: str) -> Any:
        return lambda client: client.send(refusal("FATAL", sqlstate, said))

    with scripted(welcome) as good, socket.create_server(("127.0.0.1", 0)) as silent:
        there, gone = f"127.0.0.1:{good.port}", f"127.0.0.1:{unused_port()}"
        for first in (gone, "no-such-host.invalid", f"127.0.0.1:{silent.getsockname()[1]}"):
            quick = Limits(connect_timeout=timedelta(milliseconds=300))
            with contextlib.closing(session(f"postgres://ann@{first},{there}/shop", quick)) as found:
                assert str(found.target) == there
        with scripted(says("57P03", "the database system is starting up")) as starting:
            session(url(starting, good)).close()
        with scripted(says("28P01", "password authentication failed")) as wrong:
            assert failed(url(wrong, good)).kind == "authentication-failed"
        with scripted(says("53300", "sorry, too many clients already")) as full:
            assert failed(url(full, good)).kind == "too-many-connections"
    both = failed(f"postgres://ann@{gone},127.0.0.1:1/shop")
    assert (both.kind, both.retryable) == ("server-unreachable", True)
    assert f"{gone}: " in both.message and "127.0.0.1:1: " in both.message


@pytest.fixture
def pair() -> Iterator[tuple[Scripted, Scripted]]:
    """A standby and a primary."""

    def of(kind: str) -> Any:
        mode = status("in_hot_standby", kind) + status("default_transaction_read_only", "off")
        return lambda client: client.send(authentication(0), _STATUSES, mode, READY)

    with scripted(of("on")) as standby, scripted(of("off")) as primary:
        yield standby, primary


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("any", 0), ("read-write", 1), ("primary", 1), ("read-only", 0), ("standby", 0), ("prefer-standby", 0)],
)
def test_a_host_is_chosen_by_the_kind_of_its_server(wanted: str, chosen: int, pair: tuple[Scripted, Scripted]) -> None:
    for order in (pair, pair[::-1]):
        with contextlib.closing(session(url(*order, parameters=f"target_session_attrs={wanted}"))) as found:
            expected = order[0] if wanted == "any" else pair[chosen]
            assert found.target.first.port == expected.port


def test_what_others_may_write_counts_and_not_our_own_sessions(database: Database) -> None:
    read_only = f"{database.url}?target_session_attrs=read-only"
    with contextlib.closing(session(f"{database.url}?target_session_attrs=read-write")) as found:
        assert found.simple("SHOW default_transaction_read_only") == [("on",)]
    assert "not read-only" in failed(read_only).message
    with database.cluster.connect("postgres") as owner:
        owner.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    session(read_only).close()
    assert "read-only" in failed(f"{database.url}?target_session_attrs=read-write").message
    session(f"{database.url}?target_session_attrs=primary").close()


def test_a_server_of_another_kind_is_told(pair: tuple[Scripted, Scripted]) -> None:
    standby, primary = pair
    session(url(primary, parameters="target_session_attrs=prefer-standby")).close()
    fault = failed(url(standby, parameters="target_session_attrs=primary"))
    assert fault.kind == "server-unreachable" and "target_session_attrs=primary" in fault.message


@pytest.mark.parametrize("what", ["parameter: options", "parameter in options: lock_timeout"])
def test_settings_that_a_pooler_refuses_are_left_out_of_the_startup_packet(what: str) -> None:
    def script(client: Client) -> None:
        said = f"unsupported startup {what}"
        client.send(refusal("FATAL", "08P01", said) if "options" in client.startup else _WELCOME)

    with scripted(script) as server, contextlib.closing(session(url(server))) as found:
        assert found.is_pooled and found.target.first.port == server.port


def test_an_encoding_that_a_pooler_refuses_is_left_out_of_the_startup_packet() -> None:
    def script(client: Client) -> None:
        refused = refusal("FATAL", "22023", 'invalid value for parameter "client_encoding": "SQL_ASCII"')
        client.send(refused if "client_encoding" in client.startup else _WELCOME)

    with scripted(script) as server:
        session(url(server)).close()
    assert len(server.clients) == 2


def test_the_environment_of_libpq_is_the_operator_s_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = database.cluster
    for name, value in (("PGHOST", "127.0.0.1"), ("PGPORT", str(cluster.port)), ("PGUSER", "postgres")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGDATABASE", database.name)
    params: Any = {"action": "monitor", "options": {"sampleMs": 0}}
    with ConnectionPool() as pool:
        assert pool.run(params)["success"]
        brought: Any = {**params, "supabaseUrl": f"postgres://postgres@127.0.0.1:{cluster.port}/{database.name}"}
        error = cast(Any, pool.run(brought))["error"]
    assert error["kind"] == "authentication-failed" and "the credential has none" in error["message"]


def test_a_request_is_not_disturbed_by_what_libpq_would_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    weird = {
        **dict.fromkeys(("PGSSLMODE", "PGREQUIREAUTH", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS"), "nonsense"),
        **dict.fromkeys(("PGSSLNEGOTIATION", "PGMINPROTOCOLVERSION", "PGLOADBALANCEHOSTS"), "nonsense"),
        **dict.fromkeys(("PGHOSTADDR", "PGPORT", "PGGSSENCMODE", "PGSSLCERTMODE", "PGREQUIREPEER"), "nonsense"),
        **dict.fromkeys(("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGPASSFILE"), "/nowhere"),
        **dict.fromkeys(("PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION"), "TLSv9"),
        **dict.fromkeys(("PGSERVICE", "PGSERVICEFILE"), "/nowhere"),
    }
    for name, value in weird.items():
        monkeypatch.setenv(name, value)
    params: Any = {"action": "monitor", "options": {"sampleMs": 0}, "supabaseUrl": database.url}
    with ConnectionPool() as pool:
        assert pool.run(params)["success"]


@pytest.mark.parametrize("kind", [b"R", b"N", b"E", b"S"])
def test_a_length_beyond_the_limit_is_refused_before_its_body_is_awaited(kind: bytes) -> None:
    def script(client: Client) -> None:
        client.send(kind + struct.pack("!i", 2_000_000_000) + b"x" * 10_000)
        client.read()

    with scripted(script) as server:
        fault = failed(url(server))
    assert (fault.kind, fault.retryable) == ("limit-exceeded", False)
    assert fault.message.endswith("limit `protocol_message_bytes`")


@pytest.mark.parametrize("again", [_CLEAR_TEXT, _MD5, authentication(10, b"SCRAM-SHA-256\0\0")])
def test_a_password_is_asked_for_once(again: bytes) -> None:
    def script(client: Client) -> None:
        client.send(_MD5, again)
        while client.read()[0]:
            pass

    with scripted(script) as server:
        fault = failed(url(server))
    assert fault.kind == "server-unreachable" and "asked for the password twice" in fault.message


def test_a_server_s_error_is_told_as_far_as_it_is_of_use() -> None:
    with scripted(lambda client: client.send(refusal("FATAL", "28P01", "no " * 20_000))) as server:
        fault = failed(url(server))
    assert fault.kind == "authentication-failed" and len(fault.message) < 5_000


_IDLE = message(b"Z", b"I")
_COMPLETE = message(b"C", b"SELECT 1\0") + _IDLE


def columns(count: int) -> bytes:
    """A RowDescription of texts."""
    one = b"a\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0)
    return message(b"T", struct.pack("!h", count) + one * count)


@pytest.mark.parametrize(("width", "cell"), [(1_664, None), (1_664, b"ab"), (1, b"x" * 10_000)])
def test_rows_of_the_host_s_own_statements_are_kept_by_what_they_weigh(width: int, cell: bytes | None) -> None:
    written = b"\xff" * 4 if cell is None else struct.pack("!i", len(cell)) + cell
    row = message(b"D", struct.pack("!h", width) + written * width)

    def script(client: Client) -> None:
        client.send(_WELCOME)
        client.read()
        client.send(columns(width), row * 1_000, _COMPLETE)

    with scripted(script) as server, contextlib.closing(session(url(server))) as found:
        rows = found.simple("SELECT")
    assert rows and sum(96 + len(text or "") for row in rows for text in row) <= 1 << 20


def test_a_broken_row_in_answer_to_the_kind_of_a_server_is_a_fault() -> None:
    def script(client: Client) -> None:
        client.send(authentication(0), READY)
        client.read()
        client.send(columns(1), message(b"D", b"\0\1\0\0\0\5x"), _COMPLETE)

    with scripted(script) as server:
        fault = failed(url(server, parameters="sslmode=disable&target_session_attrs=primary"))
    assert fault.kind == "unexpected-answer" and "invalid length" in fault.message


def error(sqlstate: str, said: str, detail: str = "x") -> bytes:
    """A fatal ErrorResponse with a detail."""
    fields = ["SFATAL", f"C{sqlstate}", f"M{said}", f"D{detail}", ""]
    return message(b"E", b"\0".join(field.encode() for field in fields) + b"\0")


_QUOTING = "password hunter2 is wrong"
_FAR = "x" * 4_090 + "hunter2"
"""Only a part of the password would be told of it."""


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ([_CLEAR_TEXT, error("28P01", _QUOTING)], "authentication-failed"),
        ([_CLEAR_TEXT, error("28P01", "wrong", f"you said {_QUOTING}")], "authentication-failed"),
        ([_CLEAR_TEXT, error("28P01", _FAR)], "authentication-failed"),
        ([error("08P01", f"server login failed: {_QUOTING}")], "server-unreachable"),
        ([_CLEAR_TEXT, _WELCOME, error("XX000", _QUOTING) + _IDLE], "query-failed"),
        ([_CLEAR_TEXT, _WELCOME, error("XX000", "wrong", _FAR) + _IDLE], "query-failed"),
        ([_CLEAR_TEXT, _WELCOME, error("58000", f"query_wait_timeout {_QUOTING}") + _IDLE], "too-many-connections"),
    ],
)
def test_what_a_server_says_is_not_told_where_it_holds_the_password(sent: list[bytes], kind: str) -> None:
    def script(client: Client) -> None:
        for answer in sent:
            client.send(answer)
            client.read()

    with scripted(script) as server:
        with ConnectionPool(credentials={"default": url(server)}, environment=False, retries=0) as pool:
            output = cast(Any, pool.run({"action": "monitor"}))
    assert "hunter" not in repr(output)
    assert output["error"]["kind"] == kind
    assert "the server's words are left out: they repeat the password" in output["error"]["message"]


@pytest.mark.parametrize(
    ("login", "is_told"),
    [("jane:jane", True), ("jane:shop", True), ("jane:for", True), ("jane:auth", False), ("jane:a%2Fb%40c", False)],
)
def test_a_password_that_is_a_name_or_shorter_than_a_word_withholds_nothing(login: str, is_told: bool) -> None:
    said = 'password authentication failed for user "jane" of shop, a%2Fb%40c'
    with scripted(lambda client: client.send(refusal("FATAL", "28P01", said))) as server:
        fault = failed(f"postgres://{login}@127.0.0.1:{server.port}/shop?sslmode=disable")
    assert (said in fault.message) is is_told

"""`sslmode` means what it means in libpq, to the certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster import PASSWORD, Cluster, scratch, until
from scripted import READY, authentication, status

from archon_pool import FaultError, Limits, connect, encryption
from archon_pool.clock import Clock
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.guard_spec import guard
from archon_pool.session import Session

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class Certificates:
    """A folder with NAME.crt and NAME.key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("ca", "other"):
            self.make(name, f"/CN={name}")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key")
        self.make("usual", "/CN=localhost", *signed, "-addext", "subjectAltName=DNS:localhost")
        self.make("address", "/CN=127.0.0.1", *signed)
        self.make("self-signed", "/CN=localhost", "-addext", "basicConstraints=critical,CA:TRUE")
        self.make("short", "/CN=localhost", *signed, key=("rsa:1024",))
        self.make("client", "/CN=badge", *signed, "-addext", "basicConstraints=CA:FALSE")
        # As in PostgreSQL's manual: version 1, without extensions, its own root.
        new = ("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost")
        self.openssl(*new, "-keyout", "v1.key", "-out", "v1.csr")
        self.openssl("x509", "-req", "-in", "v1.csr", "-days", "2", "-signkey", "v1.key", "-out", "v1.crt")

    def make(self, name: str, subject: str, *more: str, key: tuple[str, ...] = EC) -> None:
        own = ("req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-subj", subject)
        self.openssl(*own, "-out", f"{name}.crt", "-keyout", f"{name}.key", *more)

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)

    def __call__(self, name: str) -> Path:
        return self._folder / name


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    with scratch() as folder:
        yield Certificates(folder)


@pytest.fixture(scope="module")
def encrypted(certificates: Certificates) -> Iterator[Cluster]:
    with scratch() as folder:
        inner = folder / "cluster"
        inner.mkdir(mode=0o700)
        server = Cluster(inner)
        server.encrypt(certificates("usual.crt"), certificates("usual.key"), certificates("ca.crt"))
        server.admit(
            "hostssl all only_plain all reject",
            "hostnossl all only_tls all reject",
            "hostssl all badge all cert",
            "host all clear all password",
            "host all all 127.0.0.1/32 scram-sha-256",
        )
        try:
            server.start()
            with server.connect("postgres") as session:
                for role in ("only_plain", "only_tls", "badge", "clear"):
                    session.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.stop()


def session(text: str) -> Session:
    limits = Limits()
    return Session.open(resolve(parts(text), OPERATOR), limits, guard(), Clock(limits.deadline, limits.cpu))


def is_encrypted(cluster: Cluster, parameters: str, host: str = "127.0.0.1", role: str = "postgres") -> bool:
    """Opens a session and asks the server whether it is encrypted."""
    with contextlib.closing(session(f"{cluster.url('postgres', role).replace('127.0.0.1', host)}?{parameters}")) as it:
        return it.simple("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [("t",)]


def kind(cluster: Cluster, parameters: str, host: str = "127.0.0.1", role: str = "postgres") -> str:
    """The kind of the fault."""
    with pytest.raises(FaultError) as raised:
        is_encrypted(cluster, parameters, host, role)
    assert PASSWORD not in str(raised.value)
    return raised.value.fault.kind


@pytest.mark.parametrize(
    ("parameters", "host", "expected"),
    [
        ("sslmode=disable", "127.0.0.1", False),
        ("", "127.0.0.1", True),
        ("sslmode=require", "127.0.0.1", True),
        ("sslmode=require&sslrootcert={ca}", "127.0.0.1", True),
        ("sslmode=require&sslrootcert={other}", "127.0.0.1", "tls-failed"),
        ("sslmode=no-verify&sslrootcert={other}", "127.0.0.1", True),
        ("sslmode=verify-ca&sslrootcert={ca}", "127.0.0.1", True),
        ("sslmode=verify-ca&sslrootcert={other}", "127.0.0.1", "tls-failed"),
        ("sslmode=verify-full&sslrootcert={ca}", "127.0.0.1", "tls-failed"),
        ("sslmode=verify-full&sslrootcert={ca}", "localhost", True),
        # Without a file the system's authorities count, and the name with them.
        ("sslmode=verify-ca", "localhost", "tls-failed"),
        ("sslmode=verify-full", "localhost", "tls-failed"),
        ("sslrootcert=system", "localhost", "tls-failed"),
        ("sslmode=verify-ca&sslrootcert=/no/such/ca.pem", "127.0.0.1", "tls-failed"),
        ("sslmode=require&ssl_min_protocol_version=TLSv1.3", "127.0.0.1", True),
        ("sslmode=require&channel_binding=require&require_auth=scram-sha-256", "127.0.0.1", True),
        ("sslmode=require&channel_binding=disable", "127.0.0.1", True),
        ("sslmode=disable&channel_binding=require", "127.0.0.1", "authentication-failed"),
    ],
)
def test_each_mode_checks_as_much_as_it_says(
    encrypted: Cluster, certificates: Certificates, parameters: str, host: str, expected: bool | str
) -> None:
    told = parameters.format(ca=certificates("ca.crt"), other=certificates("other.crt"))
    if isinstance(expected, str):
        assert kind(encrypted, told, host) == expected
    else:
        assert is_encrypted(encrypted, told, host) is expected


def test_below_verify_ca_a_missing_root_verifies_nothing_and_is_noted(encrypted: Cluster) -> None:
    url = f"{encrypted.url('postgres')}?sslmode=require&sslrootcert=/no/such/ca.pem"
    with contextlib.closing(
        Session.open(resolve(parts(url), OPERATOR), Limits(), guard(), Clock(timedelta(seconds=30), timedelta(0)))
    ) as session:
        assert any("/no/such/ca.pem does not exist" in note for note in session.notes)


def test_prefer_and_allow_try_the_other_way_where_the_first_is_refused(encrypted: Cluster) -> None:
    assert is_encrypted(encrypted, "sslmode=prefer", role="only_plain") is False
    assert is_encrypted(encrypted, "sslmode=prefer", role="only_tls") is True
    assert is_encrypted(encrypted, "sslmode=allow", role="only_tls") is True
    assert is_encrypted(encrypted, "sslmode=allow") is False
    # An entry rejects it: that is said, whatever the entry is about.
    assert kind(encrypted, "sslmode=disable", role="only_tls") == "authentication-failed"
    assert kind(encrypted, "sslmode=require", role="only_plain") == "authentication-failed"


def test_a_fall_back_from_tls_is_noted(encrypted: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "is_local", lambda _: False)
    for role, expected in (("only_plain", ("the session is not encrypted",)), ("only_tls", ()), ("clear", ())):
        with contextlib.closing(session(f"{encrypted.url('postgres', role)}?sslmode=prefer")) as found:
            assert found.notes == expected
    with contextlib.closing(session(f"{encrypted.url('postgres', 'clear')}?sslmode=allow")) as found:
        assert found.notes == ("the session is not encrypted", "the password was sent in clear text")


def test_a_password_is_told_wrong_whatever_is_tried_after_it(encrypted: Cluster) -> None:
    for mode in ("prefer", "allow", "require"):
        url = encrypted.url("postgres", "only_tls", password="wrong") + f"?sslmode={mode}"
        with pytest.raises(FaultError) as raised:
            session(url)
        assert (raised.value.fault.kind, raised.value.fault.sqlstate) == ("authentication-failed", "28P01")


@pytest.mark.parametrize("name", ["v1", "self-signed", "address", "usual"])
def test_where_nothing_is_verified_no_certificate_is_refused(
    encrypted: Cluster, certificates: Certificates, name: str
) -> None:
    # Made as in the manual (Railway), its own root (Supabase self-hosted), an address in the common name alone.
    encrypted.show(certificates(f"{name}.crt"), certificates(f"{name}.key"))
    encrypted.reload()
    for mode in ("", "sslmode=require", "sslmode=no-verify"):
        assert is_encrypted(encrypted, mode) is True
    root = certificates("ca.crt" if name in ("address", "usual") else f"{name}.crt")
    host = "127.0.0.1" if name == "address" else "localhost"
    for mode in ("require", "verify-ca", "verify-full"):
        assert is_encrypted(encrypted, f"sslmode={mode}&sslrootcert={root}", host) is True
        assert kind(encrypted, f"sslmode={mode}&sslrootcert={certificates('other.crt')}", host) == "tls-failed"


def test_a_client_certificate_is_shown_and_its_key_must_be_nobody_else_s_to_read(
    encrypted: Cluster, certificates: Certificates
) -> None:
    key = certificates("client.key")
    shown = f"sslmode=require&sslcert={certificates('client.crt')}&sslkey={key}"
    key.chmod(0o600)
    assert is_encrypted(encrypted, shown, role="badge") is True
    assert kind(encrypted, "sslmode=require", role="badge") == "authentication-failed"
    key.chmod(0o644)
    assert kind(encrypted, shown, role="badge") == "tls-failed"
    key.chmod(0o600)


def test_a_password_in_clear_text_within_tls_is_no_fact_to_note(encrypted: Cluster) -> None:
    for parameters in ("sslmode=require", "sslmode=prefer"):
        with contextlib.closing(session(f"{encrypted.url('postgres', 'clear')}?{parameters}")) as found:
            assert found.notes == ()


def test_prefer_goes_without_tls_where_none_can_be_agreed_on_and_require_does_not(encrypted: Cluster) -> None:
    def alter(*statements: str) -> None:
        with encrypted.connect("postgres") as owner:
            for statement in statements:
                owner.execute(f"ALTER SYSTEM {statement}")
        encrypted.reload()

    alter("SET ssl_max_protocol_version = 'TLSv1.1'", "SET ssl_min_protocol_version = 'TLSv1'")
    try:
        assert kind(encrypted, "sslmode=require") == "tls-failed"
        assert is_encrypted(encrypted, "sslmode=prefer") is False
    finally:
        alter("RESET ssl_max_protocol_version", "RESET ssl_min_protocol_version")
    assert is_encrypted(encrypted, "sslmode=prefer") is True


@pytest.mark.parametrize("name", ["usual", "short"])
def test_tls_begins_with_the_first_byte_where_that_is_asked_for_with_a_short_key_too(
    certificates: Certificates, name: str
) -> None:
    # Debian's own server takes no key that short.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.set_alpn_protocols(["postgresql"])
    context.load_cert_chain(certificates(f"{name}.crt"), certificates(f"{name}.key"))

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as client:
                client.recv(10_000)
                client.sendall(authentication(0) + status("server_encoding", "UTF8") + READY)
                client.recv(10_000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        text = f"postgres://ann@127.0.0.1:{listener.getsockname()[1]}/d?sslmode=require&sslnegotiation=direct"
        limits = Limits()
        target = resolve(parts(text), OPERATOR)
        Session.unchecked(target, limits, guard(), Clock(limits.deadline, limits.cpu)).close()


def test_a_statement_under_way_is_cancelled_on_an_encrypted_session_too(encrypted: Cluster) -> None:
    found = session(f"{encrypted.url('postgres')}?sslmode=require")
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with encrypted.connect("postgres") as owner:

        def ask() -> None:
            with contextlib.suppress(Exception):
                found.simple("SELECT pg_sleep(14)")

        threading.Thread(target=ask, daemon=True).start()
        until(lambda: owner.execute(sleeping).fetchone(), "it sleeps")
        found.close()
        count: Any = "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        until(lambda: owner.execute(count).fetchone()[0], "it is gone")  # type: ignore[index]


@pytest.mark.parametrize(
    ("certificate", "host", "is_named"),
    [
        ({"subjectAltName": (("DNS", "db.example"),)}, "DB.example", True),
        ({"subjectAltName": (("DNS", "*.example.com"),)}, "db.example.com", True),
        ({"subjectAltName": (("DNS", "*.example.com"),)}, "example.com", False),
        ({"subjectAltName": (("DNS", "*.example.com"),)}, "a.db.example.com", False),
        ({"subjectAltName": (("DNS", "*.com\0.evil.com"),)}, "db.com", False),
        ({"subjectAltName": (("DNS", "*"),)}, "db", False),
        ({"subjectAltName": (("DNS", "*.0.0.1"),)}, "127.0.0.1", False),
        ({"subjectAltName": (("DNS", "other"),), "subject": ((("commonName", "db"),),)}, "db", False),
        ({"subject": ((("commonName", "db"),),)}, "db", True),
        ({"subject": ((("organizationName", "db"),),)}, "db", False),
        ({"subjectAltName": (("IP Address", "127.0.0.1"),)}, "127.0.0.1", True),
        ({"subjectAltName": (("IP Address", "0:0:0:0:0:0:0:1"),)}, "::1", True),
        (
            {"subjectAltName": (("IP Address", "10.0.0.1"),), "subject": ((("commonName", "10.0.0.2"),),)},
            "10.0.0.2",
            False,
        ),
        ({"subjectAltName": (("IP Address", "<invalid>"),)}, "db", False),
        ({}, "db", False),
        ({}, "", False),
    ],
)
def test_a_certificate_is_for_the_names_that_libpq_finds_in_it(certificate: Any, host: str, is_named: bool) -> None:
    assert encryption._names(certificate, host) is is_named


def test_a_host_whose_name_tls_cannot_take_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for name in (".example", "x" * 70 + ".example"):
            listening = threading.Thread(target=lambda: listener.accept()[0].sendall(b"S"), daemon=True)
            listening.start()
            with pytest.raises(FaultError) as raised:
                session(f"postgres://u:x@{name}:{port}/d?hostaddr=127.0.0.1&sslmode=require")
            assert raised.value.fault.kind == "tls-failed"


@contextlib.contextmanager
def ticketing(certificates: Certificates, tickets: int) -> Iterator[int]:
    """The port of a server that sends so many session tickets behind its handshake, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificates("usual.crt"), certificates("usual.key"))
    context.num_tickets = tickets

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client:
                client.recv(8)
                client.sendall(b"S")
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                session = context.wrap_bio(incoming, outgoing, server_side=True)
                while received := client.recv(65_536):
                    incoming.write(received)
                    # All tickets are there before the first of them is sent.
                    with contextlib.suppress(ssl.SSLWantReadError):
                        session.do_handshake()
                    client.sendall(outgoing.read())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def test_what_tls_itself_sends_is_counted(certificates: Certificates) -> None:
    with ticketing(certificates, 10_000) as port, pytest.raises(FaultError) as raised:
        session(f"postgres://ann:x@127.0.0.1:{port}/d?sslmode=require")
    assert raised.value.fault.kind == "limit-exceeded", raised.value.fault
    assert raised.value.fault.message.endswith("limit `start_bytes`")

"""Start of a session: the startup packet and authentication."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from . import encryption, messages, scram
from .channel import UNASKED, Channel
from .connection_config import Target
from .faults import AUTHENTICATION_FAILED
from .frames import Budget, ProtocolError
from .server_error import Refusal, RefusedError

UNCONVERTED = "SQL_ASCII"
"""`client_encoding` under which a server sends texts unconverted, so that no conversion can fail."""

_LOGIN = UNASKED | {b"R", b"E"}
_START = UNASKED | {b"K", b"Z", b"E"}

_OK, _CLEAR_TEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_UNSUPPORTED = {2: "Kerberos", 6: "SCM credentials", 7: "GSSAPI", 8: "GSSAPI", 9: "SSPI"}
_REQUESTED = {
    "password": "a cleartext password",
    "md5": "a hashed password",
    "scram-sha-256": "SASL authentication",
}


@dataclass(frozen=True)
class Startup:
    """Settings of the startup packet."""

    application: str
    options: str = ""
    client_encoding: str = UNCONVERTED
    """Empty for a pooler that does not accept it."""

    def parameters(self, target: Target) -> dict[str, str]:
        """Returns all parameters of the packet."""
        found = {
            "user": target.user,
            "database": target.database,
            "options": self.options,
            "application_name": self.application,
            "client_encoding": self.client_encoding,
        }
        return {name: value for name, value in found.items() if value}


class Login:
    """One login over a channel. No password is sent for a method that the target does not allow."""

    def __init__(self, channel: Channel, target: Target, budget: Budget, until: float) -> None:
        self._channel = channel
        self._target = target
        self._budget = budget
        self._until = until
        self._scram: scram.Scram | None = None
        self._bound = False
        self._answered = False
        self.sent_clear_text = False
        """True when the password was sent in clear text."""

    def start(self, startup: Startup) -> bytes:
        """Logs in, and returns the session's key for cancel requests; empty if there is none."""
        try:
            self._channel.send(messages.startup(startup.parameters(self._target)))
        except ValueError:
            raise self._failed("a setting of the connection holds a zero byte") from None
        self._authenticate()
        key = b""
        while True:
            message = self._channel.receive(_START, self._budget, self._until)
            if message.kind == b"E":
                raise self._refused(message.body)
            if message.kind == b"Z":
                messages.ready(message.body)
                self._channel.begin_session()
                return key
            key = messages.cancel_key(message.body)

    def _authenticate(self) -> None:
        while True:
            message = self._channel.receive(_LOGIN, self._budget, self._until)
            if message.kind == b"E":
                raise self._refused(message.body)
            method, more = messages.authentication(message.body)
            if method == _OK:
                return self._check_done()
            try:
                answer = self._answer(method, more)
            except scram.ScramError as error:
                raise self._failed(str(error)) from None
            if answer:
                self._channel.send(answer)

    def _answer(self, method: int, more: bytes) -> bytes:
        if method == _CLEAR_TEXT:
            password = self._password("password")
            self.sent_clear_text = True
            return messages.password(password.encode("utf-8", "surrogatepass"))
        if method == _MD5:
            return messages.password(self._hashed(self._password("md5"), more))
        if method == _SASL:
            return self._begin_scram(messages.mechanisms(more))
        if method in (_SASL_CONTINUE, _SASL_FINAL):
            if self._scram is None:
                raise scram.ScramError("the server sent a SASL message before SASL began")
            if method == _SASL_CONTINUE:
                return messages.sasl_response(self._scram.final(more))
            self._scram.verify(more)
            return b""
        name = _UNSUPPORTED.get(method, f"authentication method {method}")
        raise self._failed(f"the server requests {name} authentication, which is not supported")

    def _hashed(self, password: str, salt: bytes) -> bytes:
        if len(salt) != 4:
            raise ProtocolError("it sent a salt of an invalid length")
        # The method requires MD5; `require_auth` and `pg_hba.conf` can forbid it.
        secret = password.encode("utf-8", "surrogatepass") + self._target.user.encode("utf-8", "surrogatepass")
        inner = hashlib.new("md5", secret, usedforsecurity=False).hexdigest().encode()
        return b"md5" + hashlib.new("md5", inner + salt, usedforsecurity=False).hexdigest().encode()

    def _begin_scram(self, offered: list[bytes]) -> bytes:
        wanted, session = self._target.channel_binding, self._channel.transport.encrypted
        plus = scram.BOUND.encode() in offered
        if plus and session is None:
            raise self._failed("the server offers channel binding (SCRAM-SHA-256-PLUS) over a session without TLS")
        binding = None if session is None or wanted == "disable" else encryption.channel_binding(session)
        self._bound = plus and binding is not None
        if wanted == "require" and not self._bound:
            why = "SSL not in use" if session is None else "the server or its certificate does not support it"
            raise self._failed(f"channel binding required, but {why}")
        if not self._bound and scram.PLAIN.encode() not in offered:
            raise self._failed("none of the server's SASL authentication mechanisms is supported")
        password = self._password("scram-sha-256")
        # `y` lets a server that offered channel binding detect a man in the middle.
        header = "p=tls-server-end-point,," if self._bound else "n,," if binding is None else "y,,"
        self._scram = scram.Scram(password, header, binding or b"" if self._bound else b"")
        mechanism = scram.BOUND if self._bound else scram.PLAIN
        return messages.sasl_initial(mechanism, self._scram.first)

    def _password(self, method: str) -> str:
        """Returns the password if the target allows the method."""
        allowed = self._target.require_auth
        if allowed is not None and method not in allowed:
            why = f"the server requested {_REQUESTED[method]}, which require_auth={','.join(allowed)} does not allow"
            raise self._failed(why)
        if self._target.channel_binding == "require" and method != "scram-sha-256":
            raise self._failed("channel binding required, but not supported by the server's authentication request")
        if self._answered:
            raise ProtocolError("it asked for the password twice")
        password = self._target.first.password
        if not password:
            raise RefusedError(Refusal.without_password(self._target))
        if "\0" in password:
            raise self._failed("the password holds a zero byte")
        self._answered = True
        return password

    def _check_done(self) -> None:
        if self._scram is not None and not self._scram.is_verified:
            raise self._failed("the server let the session in before it had proved that it knows the password")
        if self._target.channel_binding == "require" and not self._bound:
            raise self._failed("channel binding required, but the server let the session in without it")
        allowed = self._target.require_auth
        if allowed is not None and not self._answered and "none" not in allowed:
            why = f"require_auth={','.join(allowed)}, but the server did not complete authentication"
            raise self._failed(why)

    def _refused(self, error: bytes) -> RefusedError:
        return RefusedError(Refusal.of_server(messages.server_error(error, self._target.is_password_in)))

    def _failed(self, said: str) -> RefusedError:
        return RefusedError(Refusal(said, kind=AUTHENTICATION_FAILED))

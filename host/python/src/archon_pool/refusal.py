"""Classification of refused logins by SQLSTATE first, then by known messages of poolers and providers.

`guard.json` has the rules; `tests/conformance/refusals.json` has texts that every host must classify alike.
"""

from __future__ import annotations

from .guard_spec import Reason, guard


def classify(sqlstate: str | None, said: str, *, tls_tried: bool = False) -> Reason:
    """Classifies the error that ended a login. Without a SQLSTATE only its text counts.

    `tls_tried`: TLS was also refused, or is not available. PostgreSQL reports "no encryption" for every unencrypted
    session, even if no entry admits the client at all.
    """
    table = guard().server_errors
    fallbacks = (reason for begins, reason in table.fallbacks if (sqlstate or "").startswith(begins))
    found = table.reasons[recognise(sqlstate, said) or next(fallbacks, "unavailable")]
    return table.reasons[found.after_tls] if tls_tried and found.after_tls else found


def recognise(sqlstate: str | None, said: str) -> str | None:
    """Returns the reason only if a rule matches the SQLSTATE or text; otherwise None."""
    text = said.lower()
    return next((rule.reason for rule in guard().server_errors.rules if rule.applies(sqlstate or "", text)), None)


def of_statement(sqlstate: str | None, said: str) -> str | None:
    """Returns the reason of a pooler's message about a missing server connection in an open session."""
    table, code, text = guard().server_errors, sqlstate or "", said.lower()
    if code not in table.pooler_sqlstates:
        return None
    return next((rule.reason for rule in table.rules if rule.in_session and rule.applies(code, text)), None)


def is_by_pg_hba(said: str) -> bool:
    """Returns true if `pg_hba.conf` caused the refusal."""
    return recognise(None, said) in ("no-entry", "needs-tls-or-entry")


def is_about_options(sqlstate: str | None, said: str) -> bool:
    """Returns true if a refusal concerns the startup packet's `options`, which some poolers do not accept."""
    found = recognise(sqlstate, said)
    return sqlstate == "08P01" if found is None else found == "parameter"

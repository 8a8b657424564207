"""Classification of a refused login: by SQLSTATE first, then by the words of the poolers and providers.

`guard.json` has the rules; `tests/conformance/refusals.json` has texts that each host classifies alike.
"""

from __future__ import annotations

from .guard_spec import Reason, guard


def classify(sqlstate: str | None, said: str, *, tls_tried: bool = False) -> Reason:
    """Classifies the error that a login ended with. Without a SQLSTATE its words alone count.

    `tls_tried`: a session with TLS was refused, too, or cannot be had. PostgreSQL says "no encryption" to every
    session without, whatever else no entry admits.
    """
    table = guard().server_errors
    fallbacks = (reason for begins, reason in table.fallbacks if (sqlstate or "").startswith(begins))
    found = table.reasons[recognise(sqlstate, said) or next(fallbacks, "unavailable")]
    return table.reasons[found.after_tls] if tls_tried and found.after_tls else found


def recognise(sqlstate: str | None, said: str) -> str | None:
    """The reason where it is certain: none for an error that neither SQLSTATE nor text explains."""
    text = said.lower()
    return next((rule.reason for rule in guard().server_errors.rules if rule.applies(sqlstate or "", text)), None)


def of_statement(sqlstate: str | None, said: str) -> str | None:
    """Recognises the words of a pooler that has no server connection for a statement of an open session."""
    table, code, text = guard().server_errors, sqlstate or "", said.lower()
    if code not in table.pooler_sqlstates:
        return None
    return next((rule.reason for rule in table.rules if rule.in_session and rule.applies(code, text)), None)


def is_by_pg_hba(said: str) -> bool:
    """Checks that `pg_hba.conf` refused."""
    return recognise(None, said) in ("no-entry", "needs-tls-or-entry")


def is_about_options(sqlstate: str | None, said: str) -> bool:
    """Checks that a text is about the `options` of the startup packet, which not every pooler takes."""
    found = recognise(sqlstate, said)
    return sqlstate == "08P01" if found is None else found == "parameter"

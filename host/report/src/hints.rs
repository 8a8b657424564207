//! Next steps for the faults that have a known one.

use archon_pool_contract::fault::kind;

/// Returns the next step for a kind of fault; none when its message is sufficient.
pub fn hint(of: &str) -> Option<&'static str> {
    Some(match of {
        kind::INVALID_PARAMS => "`archon-pool COMMAND --help` lists the flags, `archon-pool describe` every option",
        kind::SECRET_IN_PARAMS => {
            "put the URL into the credentials file (mode 0600) or into DATABASE_URL, and pass its name with --credential"
        }
        kind::CREDENTIALS_NOT_FOUND => {
            "set DATABASE_URL, or write a credentials file (mode 0600) and name one of its entries with --credential"
        }
        kind::CREDENTIAL_INVALID => {
            "a credential is a URL: postgres://ROLE:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"
        }
        kind::AUTHENTICATION_FAILED => {
            "check role and password; behind the Supabase pooler the role is called ROLE.PROJECT_REF"
        }
        kind::DATABASE_NOT_FOUND => "the database is the path of the URL: postgres://ROLE@HOST:5432/DATABASE",
        kind::SERVER_UNREACHABLE => {
            "check host, port and firewall, and that the server runs: pg_isready -h HOST -p PORT"
        }
        kind::TLS_FAILED => {
            "name the server's CA with sslrootcert=FILE in the URL; a server without TLS needs sslmode=disable"
        }
        kind::TOO_MANY_CONNECTIONS => {
            "connect as a superuser or, from PostgreSQL 16, as a member of pg_use_reserved_connections: slots are reserved for them"
        }
        kind::INSUFFICIENT_PRIVILEGE | kind::INCOMPLETE_COVERAGE => {
            "an administrator can help: GRANT pg_monitor TO role (to see all), GRANT pg_signal_backend TO role (to end sessions)"
        }
        kind::QUERY_CANCELED | kind::CONNECTION_LOST => "run it again; if it stays so, the server's log says why",
        kind::NOT_A_COMPONENT => {
            "`archon-pool components DIR` writes three that work; a core module must be linked into a component first"
        }
        kind::WORLD_MISMATCH => {
            "the component must be built for archon:connection-pool@1.0.0: analyser, observer or manager"
        }
        kind::LIMIT_EXCEEDED => "raise it with --limit NAME=VALUE, if the component is worth it",
        kind::PLUGIN_NOT_FOUND => "`archon-pool plugins list` shows what is there; a path needs a slash: ./PLUGIN.wasm",
        kind::POLICY_INVALID => "`archon-pool approve PLUGIN` writes a policy file that works",
        kind::NOT_APPROVED => {
            "`archon-pool approve PLUGIN` shows what has changed; what may be changed on a server stands under [signals]"
        }
        kind::UNSIGNED | kind::SIGNATURE_INVALID => {
            "`archon-pool sign PLUGIN --policy FILE --key KEY.pem` signs a component together with its policy file"
        }
        kind::KEY_INVALID => {
            "openssl genpkey -algorithm ed25519 -out KEY.pem, and for --trust: openssl pkey -in KEY.pem -pubout"
        }
        kind::DEADLINE_EXCEEDED => "run it again; if it stays so, check how long the server takes to answer",
        kind::AUDIT_FAILED => {
            "make room on its disk, or name another file with --audit; `archon-pool audit verify` checks what is there"
        }
        _ => return None,
    })
}

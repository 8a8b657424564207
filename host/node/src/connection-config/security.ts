// Security settings of a connection, by libpq's names and with libpq's meaning.

/** `sslmode`: required level of TLS. */
export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** `sslnegotiation`: start of TLS. `direct` sends no `SSLRequest`; servers accept that since PostgreSQL 17. */
export const SSL_NEGOTIATIONS = ["postgres", "direct"] as const;
export type SslNegotiation = (typeof SSL_NEGOTIATIONS)[number];

/** `ssl_min_protocol_version` and `ssl_max_protocol_version`, as far as TLS is supported here. */
export const TLS_VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** `channel_binding`: binding of SCRAM to the TLS channel. */
export const CHANNEL_BINDINGS = ["disable", "prefer", "require"] as const;
export type ChannelBinding = (typeof CHANNEL_BINDINGS)[number];

/** Authentication methods of `require_auth`. `none`: the server requests no authentication. */
export const AUTH_METHODS = ["password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** Methods that this host supports. */
export const SUPPORTED_AUTH: readonly AuthMethod[] = ["password", "md5", "scram-sha-256", "none"];

/** `target_session_attrs`: the kind of server that is acceptable. */
export const TARGET_SESSION_ATTRS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const;
export type TargetSessionAttrs = (typeof TARGET_SESSION_ATTRS)[number];

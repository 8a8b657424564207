// Security settings of a connection, by libpq's names and with libpq's meaning.

/** `sslmode`: how much of TLS is required. */
export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** `sslnegotiation`: how TLS is begun. `direct` sends no `SSLRequest`; servers accept that since PostgreSQL 17. */
export const SSL_NEGOTIATIONS = ["postgres", "direct"] as const;
export type SslNegotiation = (typeof SSL_NEGOTIATIONS)[number];

/** `ssl_min_protocol_version` and `ssl_max_protocol_version`, as far as TLS is supported here. */
export const TLS_VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** `channel_binding`: whether SCRAM is bound to the TLS channel. */
export const CHANNEL_BINDINGS = ["disable", "prefer", "require"] as const;
export type ChannelBinding = (typeof CHANNEL_BINDINGS)[number];

/** Authentication methods of `require_auth`. `none`: the server asks for nothing. */
export const AUTH_METHODS = ["password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** Methods that exist in this host. */
export const SUPPORTED_AUTH: readonly AuthMethod[] = ["password", "md5", "scram-sha-256", "none"];

/** `target_session_attrs`: the kind of server that is acceptable. */
export const TARGET_SESSION_ATTRS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const;
export type TargetSessionAttrs = (typeof TARGET_SESSION_ATTRS)[number];

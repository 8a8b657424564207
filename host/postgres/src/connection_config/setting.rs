//! Settings that a connection supports, and the treatment of each parameter of a connection text.

/// Setting that a connection supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    Host,
    HostAddr,
    Port,
    User,
    Password,
    Database,
    PassFile,
    Service,
    ServiceFile,
    SslMode,
    /// `ssl` of libpq's URLs and of drivers: a boolean or a mode.
    Ssl,
    /// `requiressl`, `ssl_require`: a boolean.
    RequireSsl,
    /// `sslaccept` of Prisma.
    SslAccept,
    /// `sslfactory` of JDBC.
    SslFactory,
    SslRootCert,
    SslCert,
    SslKey,
    SslCertMode,
    SslMinVersion,
    SslMaxVersion,
    SslNegotiation,
    ChannelBinding,
    RequireAuth,
    GssEncMode,
    TargetSessionAttrs,
    /// `targetServerType` of JDBC.
    TargetServerType,
    ConnectTimeout,
    Options,
    Replication,
    MinProtocolVersion,
}

/// Separators of parameters: raw ones within a name are an error.
pub(super) const SEPARATORS: [char; 3] = ['&', ';', '='];

impl Setting {
    /// Returns the name of a part that messages repeat, where a raw separator may begin a password.
    pub(super) fn repeated_part(self) -> Option<&'static str> {
        match self {
            Self::User => Some("user"),
            Self::Database => Some("database name"),
            _ => None,
        }
    }
}

/// Treatment of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is a supported setting.
    Is(Setting),
    /// It changes nothing here, and a note states that.
    PassedOver,
    /// It is the path of a Unix socket: a folder, and a name with the port.
    SocketFile,
    /// It would change the session's security or kind and is not supported, for this reason.
    Refused(&'static str),
}

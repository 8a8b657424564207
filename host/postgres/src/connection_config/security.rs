//! Security settings of a connection, by libpq's names and with libpq's meaning.

use std::path::PathBuf;

/// Defines an enum with the words that stand for its values.
macro_rules! words {
    ($(#[$of:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $value,)* }

        impl $name {
            /// All values, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$value,)*];

            /// Returns the word of the value in a connection text.
            pub fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }

            /// Returns the value of a word, which is case-sensitive as in libpq.
            pub(crate) fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }

            /// Returns all words, for messages.
            pub(crate) fn words() -> String {
                Self::ALL.iter().map(|value| value.word()).collect::<Vec<_>>().join(", ")
            }
        }
    };
}

words! {
    /// `sslmode`: the required degree of TLS.
    SslMode {
        /// Never encrypted.
        Disable = "disable",
        /// Encrypted only when the server refuses a session without TLS; the certificate is not verified.
        Allow = "allow",
        /// Encrypted when the server offers it; the certificate is not verified.
        Prefer = "prefer",
        /// Encrypted; the certificate is verified only against a CA file, when one is given.
        Require = "require",
        /// Encrypted, and the certificate's chain is verified.
        VerifyCa = "verify-ca",
        /// Encrypted, and the certificate's chain and name are verified.
        VerifyFull = "verify-full",
    }
}

words! {
    /// `sslnegotiation`: the start of TLS.
    SslNegotiation {
        /// After PostgreSQL's `SSLRequest`.
        Postgres = "postgres",
        /// With the first byte, which servers accept since PostgreSQL 17.
        Direct = "direct",
    }
}

words! {
    /// `ssl_min_protocol_version` and `ssl_max_protocol_version`, as far as TLS is supported here.
    TlsVersion {
        /// TLS 1.2.
        Tls12 = "TLSv1.2",
        /// TLS 1.3.
        Tls13 = "TLSv1.3",
    }
}

words! {
    /// `channel_binding`: binding of SCRAM to the TLS channel.
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// If the server offers it.
        Prefer = "prefer",
        /// Always; otherwise no session is opened.
        Require = "require",
    }
}

words! {
    /// Authentication methods of `require_auth`.
    AuthMethod {
        /// The password in clear text.
        Password = "password",
        /// Its MD5 hash.
        Md5 = "md5",
        /// Kerberos.
        Gss = "gss",
        /// Windows.
        Sspi = "sspi",
        /// SCRAM, with or without channel binding.
        ScramSha256 = "scram-sha-256",
        /// A bearer token.
        Oauth = "oauth",
        /// No authentication.
        None = "none",
    }
}

words! {
    /// `target_session_attrs`: the kind of server that is acceptable.
    TargetSessionAttrs {
        /// Any.
        Any = "any",
        /// Its sessions may write.
        ReadWrite = "read-write",
        /// Its sessions may only read.
        ReadOnly = "read-only",
        /// It is not in recovery.
        Primary = "primary",
        /// It is in recovery.
        Standby = "standby",
        /// It is in recovery, or any when no host's server is.
        PreferStandby = "prefer-standby",
    }
}

/// `sslrootcert`: the authorities that a server's certificate is verified against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The operating system's.
    System,
    /// This PEM file's.
    File(PathBuf),
}

/// `sslcert` and `sslkey`: PEM files of a client certificate and its key, which has no passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

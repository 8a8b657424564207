//! Settings of a cluster before it starts.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use tokio::task::spawn_blocking;

use super::{Cluster, SUPERUSER};
use crate::{scratch::scratch, template::template};

/// Settings of a new cluster; see [`Cluster::builder`].
#[derive(Debug, Clone, Default)]
pub struct Builder {
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    tls: Option<(String, String)>,
    short_port: bool,
}

impl Builder {
    /// Sets a parameter of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// Enables TLS, with the server's certificate chain and key as PEM.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Adds a line to `pg_hba.conf`, before the one that admits every role with its password. The superuser is always
    /// admitted.
    #[must_use]
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.into());
        self
    }

    /// Uses a port of four digits.
    #[must_use]
    pub fn short_port(mut self) -> Self {
        self.short_port = true;
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// Fails if there is no server to start or it does not come up; the error ends with its log.
    pub async fn start(self) -> Result<Cluster> {
        let mut cluster = Cluster::unstarted()?;
        cluster.short_port = self.short_port;
        let folder = cluster.data.clone();
        spawn_blocking(move || {
            template()?.copy_to(&folder)?;
            self.configure(&folder)
        })
        .await??;

        cluster.launched().await
    }

    fn configure(&self, data: &Path) -> Result<()> {
        let scratch = scratch()?;
        let mut conf = File::options().append(true).open(data.join("postgresql.conf"))?;
        // The data need not survive a crash of the machine, because these servers are temporary.
        let mut settings = vec![
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "16MB"),
            ("max_connections", "40"),
            ("jit", "off"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_connections", "on"),
            ("log_disconnections", "on"),
            ("log_line_prefix", "%m [%p] %q%u@%d/%a "),
        ];
        if template()?.binaries.has_library("pg_stat_statements") {
            settings.push(("shared_preload_libraries", "pg_stat_statements"));
        }
        if let Some((certificate, key)) = &self.tls {
            for (file, pem) in [("server.crt", certificate), ("server.key", key)] {
                fs::write(data.join(file), pem)?;
                scratch.own(&data.join(file), 0o600)?;
            }
            settings.push(("ssl", "on"));
        }
        // The server uses the last value of a repeated setting.
        settings.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        for (name, value) in settings {
            writeln!(conf, "{name} = '{}'", value.replace('\'', "''"))?;
        }

        let mut hba = format!("host all {SUPERUSER} 127.0.0.1/32 scram-sha-256\n");
        for line in &self.hba {
            hba.push_str(line);
            hba.push('\n');
        }
        hba.push_str("host all all 127.0.0.1/32 scram-sha-256\n");
        fs::write(data.join("pg_hba.conf"), hba)?;
        Ok(())
    }
}

//! Private pgagroal in front of a cluster.

use anyhow::{Result, bail};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config};

use crate::cluster::{Cluster, PASSWORD, connect};
use crate::poolers::Pooler;
use crate::ports::unused_short_port;
use crate::until::DEADLINE;

/// Private pgagroal on a free port of 127.0.0.1. It keeps server sessions after a client leaves only for roles that
/// `pg_hba.conf` trusts, because it stores no passwords.
///
/// Version 1.6 supports only ports of four digits, on both sides: see [`crate::Builder::short_port`].
#[derive(Debug)]
pub struct Pgagroal {
    port: u16,
    pooler: Pooler,
}

impl Pgagroal {
    /// Starts it in front of a cluster.
    ///
    /// # Errors
    ///
    /// Fails if it does not come up; the error ends with its log.
    pub async fn before(cluster: &Cluster) -> Result<Self> {
        for _ in 0..10 {
            let pgagroal = Self { port: unused_short_port()?, pooler: Pooler::new("pgagroal", "TERM")? };
            if pgagroal.starts(cluster.port()).await? {
                return Ok(pgagroal);
            }
        }
        bail!("ten ports in a row were taken")
    }

    async fn starts(&self, server_port: u16) -> Result<bool> {
        let (pooler, port) = (&self.pooler, self.port);
        let [conf, hba] = ["pgagroal.conf", "pgagroal_hba.conf"].map(|name| pooler.file(name));
        let folder = pooler.file("").display().to_string();
        let text = format!(
            "[pgagroal]\nhost = 127.0.0.1\nport = {port}\nunix_socket_dir = {folder}\nmax_connections = 8\n\
             idle_timeout = 0\nvalidation = off\nlog_type = console\nupdate_process_title = never\n\
             [primary]\nhost = 127.0.0.1\nport = {server_port}\n"
        );
        pooler.write("pgagroal.conf", &text)?;
        pooler.write("pgagroal_hba.conf", "host all all 127.0.0.1/32 all\n")?;
        let arguments = ["-c".as_ref(), conf.as_os_str(), "-a".as_ref(), hba.as_os_str()];
        let listens = async || {
            TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(())
        };
        pooler.start("pgagroal", &arguments, listens).await
    }

    /// Returns a connection string through it, password included.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Connects an application through it. Dropping the client closes the connection.
    ///
    /// # Errors
    ///
    /// Fails if it refuses.
    pub async fn connect_to(&self, database: &str, role: &str, application: &str) -> Result<Client> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(role).password(PASSWORD).dbname(database);
        Ok(connect(config.application_name(application).connect_timeout(DEADLINE)).await?)
    }
}

//! Private Pgpool-II in front of a cluster.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use tokio_postgres::{Client, Config};

use crate::cluster::{Cluster, PASSWORD, SUPERUSER, connect};
use crate::poolers::Pooler;
use crate::ports::unused_port;
use crate::until::DEADLINE;

/// Private Pgpool-II on a free port of 127.0.0.1. Its processes keep server sessions after a client leaves, except
/// those of the database `postgres`.
#[derive(Debug)]
pub struct Pgpool {
    port: u16,
    pooler: Pooler,
}

impl Pgpool {
    /// Starts it in front of a cluster, with three processes, and admits roles of the cluster.
    ///
    /// # Errors
    ///
    /// Fails if it does not come up; the error ends with its log.
    pub async fn before(cluster: &Cluster, roles: &[&str]) -> Result<Self> {
        for _ in 0..10 {
            let pgpool = Self { port: unused_port()?, pooler: Pooler::new("pgpool", "INT")? };
            if pgpool.starts(cluster.port(), roles).await? {
                return Ok(pgpool);
            }
        }
        bail!("ten ports in a row were taken")
    }

    async fn starts(&self, server_port: u16, roles: &[&str]) -> Result<bool> {
        let pooler = &self.pooler;
        let [conf, hba, pcp] = ["pgpool.conf", "pool_hba.conf", "pcp.conf"].map(|name| pooler.file(name));
        let folder = pooler.file("").display().to_string();
        let pid = pooler.file("pgpool.pid").display().to_string();
        let (port, pcp_port, server_port) =
            (self.port.to_string(), unused_port()?.to_string(), server_port.to_string());
        let settings = [
            ("backend_clustering_mode", "raw"),
            ("listen_addresses", "127.0.0.1"),
            ("port", &port),
            ("unix_socket_directories", &folder),
            ("pcp_listen_addresses", ""),
            ("pcp_port", &pcp_port),
            ("pcp_socket_dir", &folder),
            ("backend_hostname0", "127.0.0.1"),
            ("backend_port0", &server_port),
            ("backend_flag0", "ALWAYS_PRIMARY"),
            ("num_init_children", "3"),
            ("max_pool", "4"),
            ("enable_pool_hba", "on"),
            ("pool_passwd", "pool_passwd"),
            ("pid_file_name", &pid),
            ("logdir", &folder),
            ("work_dir", &folder),
            // Shared memory is allocated even though the cache is off.
            ("memqcache_total_size", "1MB"),
            ("memqcache_max_num_cache", "100"),
        ];
        let (mut text, mut users) = (String::new(), String::new());
        for (name, value) in settings {
            writeln!(text, "{name} = '{value}'")?;
        }
        for role in roles.iter().chain([&SUPERUSER]) {
            writeln!(users, "{role}:TEXT{PASSWORD}")?;
        }
        pooler.write("pgpool.conf", &text)?;
        pooler.write("pool_passwd", &users)?;
        pooler.write("pool_hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")?;
        pooler.write("pcp.conf", "")?;
        let arguments = [
            "-n".as_ref(),
            "-f".as_ref(),
            conf.as_os_str(),
            "-a".as_ref(),
            hba.as_os_str(),
            "-F".as_ref(),
            pcp.as_os_str(),
        ];
        pooler
            .start("pgpool", &arguments, async || {
                connect(&self.config(SUPERUSER, "postgres")).await.map(drop).map_err(Into::into)
            })
            .await
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
        Ok(connect(self.config(role, database).application_name(application)).await?)
    }

    fn config(&self, role: &str, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(role).password(PASSWORD).dbname(database);
        config.connect_timeout(DEADLINE);
        config
    }
}

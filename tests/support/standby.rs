//! Hot standby of a cluster.

use std::fs::{self, File};
use std::io::Write as _;

use anyhow::{Context, Result, bail};
use tokio::task::spawn_blocking;

use crate::cluster::{Cluster, PASSWORD, SUPERUSER};
use crate::scratch::scratch;
use crate::template::template;
use crate::until::until;

impl Cluster {
    /// Starts a standby of this cluster that answers queries, with its own settings. It connects as the superuser,
    /// whom the primary's `pg_hba.conf` has to admit:
    /// `host replication postgres 127.0.0.1/32 scram-sha-256`.
    ///
    /// # Errors
    ///
    /// Fails if the copy fails, or the standby does not come up.
    pub async fn standby(&self, settings: &[(&str, &str)]) -> Result<Self> {
        let copy = Self::unstarted()?;
        let source = format!("host=127.0.0.1 port={} user={SUPERUSER}", self.port());
        let folder = copy.data_folder().to_owned();
        // Written here, because a newer `pg_basebackup` writes recovery settings that older servers reject.
        let primary = format!("primary_conninfo = '{source} password={PASSWORD}'\n");
        let conf: String =
            settings.iter().map(|(name, value)| format!("{name} = '{value}'\n")).chain([primary]).collect();
        spawn_blocking(move || {
            fs::create_dir(&folder)?;
            scratch()?.own(&folder, 0o700)?;
            let program = template()?.binaries.client("pg_basebackup");
            let mut command = scratch()?.command(&program, "INT");
            command.args(["--checkpoint=fast", "--no-sync", "--wal-method=stream"]);
            command.arg("-D").arg(&folder).arg("-d").arg(source).env("PGPASSWORD", PASSWORD);
            let output = command.output().context("could not start `setpriv`: install util-linux")?;
            if !output.status.success() {
                bail!("pg_basebackup failed: {}", String::from_utf8_lossy(&output.stderr));
            }
            let signal = folder.join("standby.signal");
            File::create(&signal)?;
            scratch()?.own(&signal, 0o600)?;
            File::options().append(true).open(folder.join("postgresql.conf"))?.write_all(conf.as_bytes())?;
            Ok(())
        })
        .await??;
        copy.launched().await
    }

    /// Waits until a standby has replayed all that this cluster has written so far.
    ///
    /// # Errors
    ///
    /// Fails if it does not.
    pub async fn is_replayed_by(&self, standby: &Self) -> Result<()> {
        let written: String =
            self.observer().await?.query_one("SELECT pg_current_wal_flush_lsn()::text", &[]).await?.get(0);
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        until("the standby has caught up", async || {
            Ok(standby.observer().await?.query_one(&replayed, &[]).await?.get(0))
        })
        .await
    }
}

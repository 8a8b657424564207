//! Connection strings, variables and files on a real server, compared with psql's interpretation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::binaries::archon_pool;
use archon_pool_tests::binaries::psql;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{Cluster, until, unused_port};

use crate::cli::{FINDINGS, HEALTHY};

/// Way to configure a connection. `{port}`, `{password}`, `{sockets}`, `{home}` and `{dead}` are replaced.
#[derive(Default)]
struct Case {
    text: Option<&'static str>,
    variables: &'static [(&'static str, &'static str)],
    files: &'static [(&'static str, &'static str, u32)],
}

/// Server that also listens on a Unix socket, and a port on which nothing listens.
struct Place {
    cluster: Cluster,
    sockets: tempfile::TempDir,
    dead: u16,
    /// Shared compile cache, because each case has its own home.
    cache: tempfile::TempDir,
}

impl Place {
    async fn start() -> Result<Self> {
        let sockets = tempfile::tempdir()?;
        fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o777))?;
        let builder = Cluster::builder().setting("unix_socket_directories", sockets.path().display());
        let cluster = builder.hba("local all all scram-sha-256").start().await?;
        cluster.create_role("ann", "IN ROLE pg_monitor").await?;
        cluster.create_role("ann@tenant", "IN ROLE pg_monitor").await?;
        cluster.create_role("odd", "IN ROLE pg_monitor").await?;
        cluster.execute("ALTER ROLE odd PASSWORD 'a#b?c:d&e=f'").await?;
        cluster.execute("CREATE DATABASE shop").await?;
        cluster.execute(r#"CREATE DATABASE "my shop""#).await?;
        Ok(Self { cluster, sockets, dead: unused_port()?, cache: tempfile::tempdir()? })
    }

    fn fill(&self, home: &Path, text: &str) -> String {
        text.replace("{port}", &self.cluster.port().to_string())
            .replace("{password}", PASSWORD)
            .replace("{sockets}", &self.sockets.path().display().to_string())
            .replace("{encoded}", &self.sockets.path().display().to_string().replace('/', "%2F"))
            .replace("{home}", &home.display().to_string())
            .replace("{dead}", &self.dead.to_string())
    }

    /// Runs a command and returns the sessions that were authorised meanwhile, as `user/database`, and its success.
    async fn sessions_of(&self, mut command: Command, application: &str) -> Result<(Vec<String>, bool, String)> {
        let known = self.cluster.log().len();
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let code = output.status.code().unwrap_or(-1);
        let works = if application == "psql" { code == 0 } else { [HEALTHY, FINDINGS].contains(&code) };
        let everything = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        let sessions = || {
            let log = self.cluster.log();
            let of_application = format!(" application_name={application}");
            let authorised = log[known..].lines().filter_map(|line| line.split_once("connection authorized: user="));
            let ours = authorised.filter_map(|(_, line)| line.split_once(&of_application));
            ours.map(|(login, _)| login.replacen(" database=", "/", 1)).collect::<Vec<_>>()
        };
        if works {
            until("the log names the session", async || Ok(!sessions().is_empty())).await?;
        }
        let mut sessions = sessions();
        sessions.dedup();
        Ok((sessions, works, everything))
    }

    async fn compare(&self, case: &Case) -> Result<()> {
        let home = tempfile::tempdir()?;
        for (name, text, mode) in case.files {
            let path = home.path().join(name);
            fs::write(&path, self.fill(home.path(), text))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
        }
        let text = case.text.map(|text| self.fill(home.path(), text));
        let variables: Vec<_> =
            case.variables.iter().map(|(name, value)| (*name, self.fill(home.path(), value))).collect();
        let bare = |program: &Path| {
            let mut command = Command::new(program);
            command.env_clear().env("HOME", home.path()).envs(variables.clone()).stdin(std::process::Stdio::null());
            command
        };
        let mut psql_command = bare(&psql());
        psql_command.args(["-XAtw", "-c", "SELECT 1"]);
        psql_command.args(text.iter().flat_map(|text| ["-d", text]));
        let mut ours = bare(&archon_pool()?);
        ours.args(["monitor", "--sample-ms", "0"])
            .env("XDG_CACHE_HOME", self.cache.path())
            .envs(text.iter().map(|text| ("DATABASE_URL", text)));

        let (psql_sessions, psql_works, psql_output) = self.sessions_of(psql_command, "psql").await?;
        let (ours, host_works, host_output) = self.sessions_of(ours, "archon-pool").await?;
        let shown = (&case.text, case.variables);
        ensure!(host_works == psql_works, "{shown:?}: psql said {psql_output:?}, archon-pool {host_output:?}");
        ensure!(ours == psql_sessions, "{shown:?}: psql was {psql_sessions:?}, archon-pool {ours:?}");
        ensure!(!host_output.contains(PASSWORD), "{shown:?}: the password is shown: {host_output}");
        Ok(())
    }
}

fn text(text: &'static str) -> Case {
    Case { text: Some(text), ..Case::default() }
}

fn variables(variables: &'static [(&'static str, &'static str)]) -> Case {
    Case { variables, ..Case::default() }
}

#[tokio::test]
async fn connection_strings_resolve_as_in_psql() -> Result<()> {
    let place = Place::start().await.context("a server")?;
    for case in [
        text("postgres://ann:{password}@127.0.0.1:{port}/shop"),
        text("postgresql://ann:{password}@localhost:{port}/my%20shop?sslmode=disable"),
        text("postgres://127.0.0.1:{port}/shop?user=ann&password={password}&client_encoding=UTF8"),
        text("postgres://odd:a#b?c:d&e=f@127.0.0.1:{port}/shop"),
        text("postgres://ann%40tenant:{password}@127.0.0.1:{port}/shop"),
        text("postgres://ann:{password}@/shop?host={sockets}&port={port}"),
        text("postgres://ann:{password}@{encoded}:{port}/shop"),
        text("postgres://other:x@127.0.0.1:1/none?port={port}&user=ann&password={password}&dbname=shop"),
        text("host=127.0.0.1 port={port} user=ann password={password} dbname=shop"),
        text("host = '{sockets}' port = {port} user = ann password = '{password}' dbname = 'my shop'"),
        text("host=nowhere.invalid hostaddr=127.0.0.1 port={port} user=ann password={password} dbname=shop"),
        text("postgres://ann:{password}@127.0.0.1:{port}/shop?keepalives=1&keepalives_idle=10&gssencmode=disable"),
        text("postgres://ann:{password}@127.0.0.1:{port}/shop?sslmode=allow"),
        text("postgres://ann:{password}@127.0.0.1:{port}/shop?sslmode=require"),
        text("postgres://ann:{password}@127.0.0.1:{port}/shop?sslmode=verify-full"),
        text("postgres://ann:{password}@127.0.0.1:{port}/nowhere"),
        text("postgres://ann:{password}@127.0.0.1:{port}/shop?frobnicate=1"),
        text("postgres://ann:wrong@127.0.0.1:{port}/shop"),
        text("host=127.0.0.1 port={port},1,2 user=ann password={password}"),
    ] {
        place.compare(&case).await?;
    }
    Ok(())
}

#[tokio::test]
async fn hosts_are_tried_in_the_order_of_psql() -> Result<()> {
    let place = Place::start().await.context("a server")?;
    for case in [
        text("postgres://ann:{password}@127.0.0.1:{dead},127.0.0.1:{port}/shop"),
        text("host=127.0.0.1,{sockets} port={dead},{port} user=ann password={password} dbname=shop"),
        text("postgres://ann:{password}@127.0.0.1:{dead},127.0.0.1:{port}/shop?target_session_attrs=read-write"),
        text("postgres://ann:{password}@127.0.0.1:{port}/shop?target_session_attrs=standby"),
    ] {
        place.compare(&case).await?;
    }
    Ok(())
}

#[tokio::test]
async fn environment_variables_resolve_as_in_psql() -> Result<()> {
    let place = Place::start().await.context("a server")?;
    const OPEN: &str = "postgres://127.0.0.1:{port}";
    for case in [
        variables(&[
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", "{port}"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "{password}"),
            ("PGDATABASE", "shop"),
        ]),
        variables(&[("PGHOST", "{sockets}"), ("PGPORT", "{port}"), ("PGUSER", "ann"), ("PGPASSWORD", "{password}")]),
        variables(&[("PGHOST", "127.0.0.1"), ("PGPORT", "{port}"), ("PGUSER", "ann"), ("PGPASSWORD", "wrong")]),
        variables(&[("PGHOST", "127.0.0.1"), ("PGPORT", "{port}"), ("PGUSER", "ann"), ("PGSSLMODE", "verify-full")]),
        Case {
            text: Some(OPEN),
            variables: &[("PGUSER", "ann"), ("PGPASSWORD", "{password}"), ("PGDATABASE", "shop"), ("PGHOST", "other")],
            ..Case::default()
        },
        Case {
            text: Some("postgres://ann:{password}@127.0.0.1:{port}/shop"),
            variables: &[("PGUSER", "odd"), ("PGPASSWORD", "wrong"), ("PGDATABASE", "postgres"), ("PGPORT", "1")],
            ..Case::default()
        },
    ] {
        place.compare(&case).await?;
    }
    Ok(())
}

#[tokio::test]
async fn service_and_password_files_resolve_as_in_psql() -> Result<()> {
    let place = Place::start().await.context("a server")?;
    const PASSES: &str = "# passes\nother:*:*:*:wrong\n127.0.0.1:{port}:shop:ann:{password}\n*:*:*:odd:a#b?c\\:d&e=f\n";
    const SERVICE: &str =
        "[none]\nhost=nowhere.invalid\n\n[shop]\nhost=127.0.0.1\nport={port}\nuser=ann\ndbname=shop\n";
    const ANN: &str = "postgres://ann@127.0.0.1:{port}/shop";
    for case in [
        Case { text: Some(ANN), files: &[(".pgpass", PASSES, 0o600)], ..Case::default() },
        Case { text: Some(ANN), files: &[(".pgpass", PASSES, 0o644)], ..Case::default() },
        Case { text: Some(ANN), ..Case::default() },
        Case {
            text: Some("postgres://odd@127.0.0.1:{port}/my%20shop"),
            files: &[(".pgpass", PASSES, 0o600)],
            ..Case::default()
        },
        Case {
            text: Some("postgres://ann@127.0.0.1:{port}/postgres"),
            files: &[(".pgpass", PASSES, 0o600)],
            ..Case::default()
        },
        Case {
            text: Some("postgres://ann@127.0.0.1:{port}/shop?passfile={home}/passes"),
            files: &[("passes", PASSES, 0o600)],
            ..Case::default()
        },
        Case {
            text: Some("service=shop"),
            files: &[(".pgpass", PASSES, 0o600), (".pg_service.conf", SERVICE, 0o644)],
            ..Case::default()
        },
        Case {
            text: Some("postgres://odd@/?service=shop"),
            files: &[(".pgpass", PASSES, 0o600), (".pg_service.conf", SERVICE, 0o644)],
            ..Case::default()
        },
        Case {
            variables: &[("PGSERVICE", "shop"), ("PGSERVICEFILE", "{home}/services"), ("PGPASSWORD", "{password}")],
            files: &[("services", SERVICE, 0o600)],
            ..Case::default()
        },
        Case { text: Some("service=nowhere"), files: &[(".pg_service.conf", SERVICE, 0o600)], ..Case::default() },
    ] {
        place.compare(&case).await?;
    }
    Ok(())
}

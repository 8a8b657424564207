//! `sslmode` against servers with various certificates, compared with `psql`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool_tests::Cluster;
use archon_pool_tests::binaries::psql;
use archon_pool_tests::cluster::PASSWORD;
use serde_json::json;

use crate::support::{host_for, plugin, run_in};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

fn openssl(folder: &Path, command: &str) -> Result<()> {
    let output = Command::new("openssl").args(command.split_whitespace()).current_dir(folder).output();
    let output = output.context("could not run `openssl`")?;
    ensure!(output.status.success(), "openssl {command}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Creates typical certificates: name, and the root to verify with.
fn certificates(folder: &Path) -> Result<Vec<(&'static str, &'static str)>> {
    let own = "req -x509 -newkey rsa:2048 -nodes -days 30";
    openssl(folder, &format!("{own} -subj /CN=127.0.0.1 -keyout authority.key -out authority.crt"))?;
    openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout v1.key -out v1.csr")?;
    // Without an extension file the certificate is of X.509 v1.
    openssl(folder, "x509 -req -in v1.csr -signkey v1.key -days 30 -out v1.crt")?;
    openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=elsewhere -keyout issued.key -out issued.csr")?;
    fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\n")?;
    let by_ca = "-CA authority.crt -CAkey authority.key -CAcreateserial";
    openssl(folder, &format!("x509 -req -in issued.csr {by_ca} -days 30 -extfile san -out issued.crt"))?;
    fs::copy(folder.join("v1.key"), folder.join("v1-issued.key"))?;
    openssl(folder, &format!("x509 -req -in v1.csr {by_ca} -days 30 -out v1-issued.crt"))?;
    fs::copy(folder.join("issued.key"), folder.join("expired.key"))?;
    openssl(folder, &format!("x509 -req -in issued.csr {by_ca} -days -1 -extfile san -out expired.crt"))?;
    let plain = "-addext basicConstraints=critical,CA:FALSE";
    openssl(folder, &format!("{own} {plain} -subj /CN=localhost -keyout leaf.key -out leaf.crt"))?;
    Ok(vec![
        ("authority", "authority.crt"),
        ("v1", "v1.crt"),
        ("issued", "authority.crt"),
        ("v1-issued", "authority.crt"),
        ("expired", "authority.crt"),
        ("leaf", "leaf.crt"),
        ("issued", "leaf.crt"),
    ])
}

/// Returns true if psql connects.
fn by_psql(url: &str) -> Result<bool> {
    let psql = Command::new(psql()).args(["-qAtX", "-c", "SELECT 1", url]).output().context("could not run psql")?;
    Ok(psql.status.success())
}

#[tokio::test]
async fn every_certificate_is_accepted_exactly_when_psql_accepts_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut differences = Vec::new();
    let mut before: Option<(&str, Cluster)> = None;
    for (name, root) in certificates(folder.path())? {
        let pem = |file: String| fs::read_to_string(folder.path().join(file));
        if before.as_ref().is_none_or(|(of, _)| *of != name) {
            let builder = Cluster::builder().tls(pem(format!("{name}.crt"))?, pem(format!("{name}.key"))?);
            before = Some((name, builder.start().await?));
        }
        let (_, cluster) = before.as_ref().context("a cluster")?;
        let root = folder.path().join(root);
        for mode in MODES {
            for roots in [String::new(), format!("&sslrootcert={}", root.display())] {
                let url = format!("{}?sslmode={mode}{roots}", cluster.url("postgres", "postgres"));
                if roots.is_empty() && mode.starts_with("verify") {
                    // Without a file, libpq searches the home folder, while this host uses the system's roots.
                    continue;
                }
                let input = json!({ "action": "monitor", "options": { "sampleMs": 0 } });
                let output = run_in(plugin(World::Observer), &host_for(url.clone()), input).await;
                let (ours, theirs) = (output.error.is_none(), by_psql(&url)?);
                if ours != theirs {
                    differences.push(format!("{name} {mode}{roots}: ours {ours}, psql's {theirs}: {:?}", output.error));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    Ok(())
}

#[tokio::test]
async fn channel_binding_works_with_tls_and_is_refused_without() -> Result<()> {
    let folder = tempfile::tempdir()?;
    certificates(folder.path())?;
    let pem = |file: &str| fs::read_to_string(folder.path().join(file));
    let cluster = Cluster::builder().tls(pem("v1.crt")?, pem("v1.key")?).start().await?;
    for (mode, expected) in [("require", true), ("disable", false)] {
        let url = format!("{}?sslmode={mode}&channel_binding=require", cluster.url("postgres", "postgres"));
        let input = json!({ "action": "monitor", "options": { "sampleMs": 0 } });
        let output = run_in(plugin(World::Observer), &host_for(url), input).await;
        assert_eq!(output.error.is_none(), expected, "{mode}: {:?}", output.error);
    }
    Ok(())
}

#[tokio::test]
async fn sslmode_finds_the_encryption_that_pg_hba_admits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    certificates(folder.path())?;
    let pem = |file: &str| fs::read_to_string(folder.path().join(file));
    let cluster = Cluster::builder()
        .tls(pem("v1.crt")?, pem("v1.key")?)
        .hba("hostnossl all secret 127.0.0.1/32 reject")
        .hba("hostssl all open 127.0.0.1/32 reject")
        .start()
        .await?;
    for role in ["secret", "open"] {
        cluster.create_role(role, "IN ROLE pg_monitor").await?;
        for mode in MODES.iter().take(4) {
            let url = format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/postgres?sslmode={mode}", cluster.port());
            let input = json!({ "action": "monitor", "options": { "sampleMs": 0 } });
            let output = run_in(plugin(World::Observer), &host_for(url.clone()), input).await;
            assert_eq!(output.error.is_none(), by_psql(&url)?, "{role} {mode}: {:?}", output.error);
        }
    }
    Ok(())
}

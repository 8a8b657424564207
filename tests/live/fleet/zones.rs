//! Access to a NATS server: the rights of a zone's workers by the file of accounts that the program ships, TLS and NKeys.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_fleet::nats::{Engine, NatsBoard, NatsSettings, WorkSettings};
use archon_pool_tests::target_files::write;
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Nats, Serving};
use rcgen::{CertificateParams, KeyPair};

use super::board::LAYOUT;
use super::{files, fleet, text};
use crate::actions::cluster;

const ACCOUNTS: &str = include_str!("../../../host/cli/deploy/fleet-accounts.conf");

/// Starts a server with the shipped accounts, and returns the URLs of the operator and of a worker of the zone `eu`.
async fn server() -> Result<(Nats, String, String)> {
    let accounts = ACCOUNTS.replace("$FLEET_OPERATOR", "\"first\"").replace("$FLEET_WORKER_EU", "\"second\"");
    let server = Nats::with(&accounts).await?;
    let (operator, worker) = (server.url_of("operator", "first"), server.url_of("worker-eu", "second"));
    Ok((server, operator, worker))
}

async fn connected(url: &str) -> Result<Engine> {
    let settings = NatsSettings { url: url.into(), credentials: None, nkey: None, ca: None };
    Ok(Engine::connect(&settings, "tests").await?)
}

#[tokio::test]
async fn a_worker_serves_its_zone_with_the_rights_of_the_shipped_accounts() -> Result<()> {
    let (_server, operator, worker) = server().await?;
    let cluster = cluster().await?;
    let files = files(&cluster, &["a"])?;
    files.targets("[targets.a]\nzone = 'eu'\n")?;
    let engine = connected(&operator).await?;
    engine.init(LAYOUT).await?;
    let flags = files.flags();
    let import = ["targets", "import", "--nats", &operator, "--interval", "1", "--option", "sampleMs=0"];
    let import = fleet(&files.path(""), &[&import[..], &flags.each_ref().map(String::as_str)].concat()).await?;
    ensure!(import.status.success(), "{}", text(&import.stderr));
    let credentials = files.path("credentials.toml").display().to_string();
    let flags = ["--zone", "eu", "--credentials-file", &credentials];
    // In the environment: a URL with a password does not belong into the process list.
    let environment = [("ARCHON_POOL_NATS", worker.as_str())];
    let serving = Serving::start_command(&["fleet", "work"], &flags, &environment).await?;
    let rounds = async || Ok(engine.report("a").await?.is_some_and(|kept| kept.report.round >= 3));
    until_within(Duration::from_secs(60), "it makes rounds", rounds)
        .await
        .map_err(|error| error.context(serving.log()))?;
    ensure!(!serving.log().contains("error:") && !serving.log().contains("second"), "{}", serving.log());
    Ok(())
}

#[tokio::test]
async fn a_worker_takes_no_jobs_of_another_zone_and_no_places_of_the_budget() -> Result<()> {
    let (_server, operator, worker) = server().await?;
    connected(&operator).await?.init(LAYOUT).await?;
    let engine = connected(&worker).await?;
    engine.verify().await?;
    let settings = |zone: &str| WorkSettings {
        zone: zone.to_owned(),
        worker: "one".to_owned(),
        per_server: 1,
        ack_wait: Duration::from_secs(2),
    };
    ensure!(NatsBoard::join(engine.clone(), settings("us")).await.is_err(), "another zone");
    NatsBoard::join(engine.clone(), settings("eu")).await?;
    ensure!(engine.stop_kills(None).await.is_err() && engine.init(LAYOUT).await.is_err(), "no operator");
    Ok(())
}

/// The example of the NATS documentation: nobody's secret.
const NKEY: (&str, &str) = (
    "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
    "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
);

#[tokio::test]
async fn tls_is_verified_and_an_nkey_opens_the_server() -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
    let settings = format!(
        "tls {{ cert_file: \"FOLDER/server.pem\", key_file: \"FOLDER/server.key\" }}\n\
         authorization {{ users: [ {{ nkey: {} }} ] }}",
        NKEY.0
    );
    let files = [("server.pem", certificate.pem()), ("server.key", key.serialize_pem())];
    let server = Nats::with_files(&settings, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await?;
    let folder = tempfile::tempdir()?;
    let (ca, seed) = (folder.path().join("ca.pem"), folder.path().join("seed"));
    write(&ca, &certificate.pem(), 0o644)?;
    write(&seed, &format!("{}\n", NKEY.1), 0o600)?;
    let full = NatsSettings { url: server.tls_url().into(), credentials: None, nkey: Some(seed.clone()), ca: Some(ca) };
    Engine::connect(&full, "tests").await?.init(LAYOUT).await?;
    for (settings, what) in [
        (NatsSettings { ca: None, ..full.clone() }, "a certificate that nobody vouches for"),
        (NatsSettings { nkey: None, ..full.clone() }, "no key"),
    ] {
        let refused = Engine::connect(&settings, "tests").await.err();
        ensure!(refused.is_some_and(|error| error.to_string().contains("--nats")), "{what}");
    }
    write(&seed, NKEY.1, 0o644)?;
    let error = Engine::connect(&full, "tests").await.err().context("others may read the seed")?.to_string();
    ensure!(error.contains("--nats-nkey") && !error.contains(NKEY.1), "{error}");
    Ok(())
}

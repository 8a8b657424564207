//! Tokens and certificates of clients.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::target_files::write;
use archon_pool_tests::{Cluster, Serving, http, until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::pages::Stream;
use crate::actions::{OPERATOR, cluster};

const TOKEN: &str = "b5ac6f1e3d9f4c0d8a7e";

/// A server that requires [`TOKEN`].
struct Guarded {
    serving: Serving,
    /// File of the token.
    token: PathBuf,
    _folder: TempDir,
    _cluster: Cluster,
}

impl Guarded {
    async fn start() -> Result<Self> {
        let (cluster, folder) = (cluster().await?, tempfile::tempdir()?);
        let token = folder.path().join("token");
        write(&token, &format!("{TOKEN}\n"), 0o600)?;
        let path = token.display().to_string();
        let serving = Serving::of(&cluster.url(OPERATOR, "postgres"), &["--token-file", &path]).await?;
        Ok(Self { serving, token, _folder: folder, _cluster: cluster })
    }
}

#[tokio::test]
async fn only_a_client_with_the_token_gets_an_answer() -> Result<()> {
    let Guarded { serving, token: file, _folder, _cluster } = Guarded::start().await?;
    let status = async |path: &str, header: &str| anyhow::Ok(http::get(serving.port(), path, &[header]).await?.status);
    for path in ["/metrics", "/", "/t/default", "/t/default/events", "/events", "/live.js"] {
        ensure!(status(path, "X-None: x").await? == 401, "{path}");
        ensure!(status(path, "Authorization: Bearer b5ac6f1e3d9f4c0d8a7f").await? == 401, "{path}");
    }
    let refused = serving.get("/metrics").await?;
    ensure!(refused.head.to_lowercase().contains("www-authenticate: bearer"), "{}", refused.head);
    let right = format!("Authorization: Bearer {TOKEN}");
    ensure!(status("/metrics", &right).await? == 200);
    ensure!(status("/-/ready", "X-None: x").await? == 200, "probes of an orchestrator have no token");

    write(&file, "another-token-of-20-characters", 0o600)?;
    serving.signal("HUP")?;
    until("the earlier token is refused", async || Ok(status("/metrics", &right).await? == 401)).await?;
    ensure!(!serving.log().contains(TOKEN), "the token is never shown");
    Ok(())
}

#[tokio::test]
async fn a_stream_ends_with_its_token() -> Result<()> {
    let Guarded { serving, token: file, _folder, _cluster } = Guarded::start().await?;
    let right = format!("Authorization: Bearer {TOKEN}");
    let mut streams = Vec::new();
    for path in ["/events", "/t/default/events"] {
        let mut stream = Stream::open(&serving, path, &[&right]).await?;
        ensure!(stream.next("retry: ").await?.is_some(), "{path}");
        streams.push(stream);
    }
    // The same token read again ends nothing.
    serving.signal("HUP")?;
    until("it is read again", async || Ok(serving.log().contains("targets read again"))).await?;
    for stream in &mut streams {
        ensure!(stream.next("event: alive").await?.is_some());
    }
    write(&file, "another-token-of-20-characters", 0o600)?;
    serving.signal("HUP")?;
    for stream in &mut streams {
        // Whatever was sent before, it ends.
        while stream.next("event: ").await?.is_some() {}
    }
    Ok(())
}

#[tokio::test]
async fn a_token_counts_under_any_host_name_and_only_as_a_header_that_no_browser_adds() -> Result<()> {
    let Guarded { serving, _folder, _cluster, .. } = Guarded::start().await?;
    let ask = async |path: &str, header: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n{header}\r\nConnection: close\r\n\r\n");
        raw(serving.port(), &request).await
    };
    ensure!(ask("/metrics", &format!("Authorization: Bearer {TOKEN}")).await?.starts_with("HTTP/1.1 200"));
    // A page that lets its name point here has what its browser adds, and nothing else.
    for header in [format!("Cookie: token={TOKEN}"), format!("Authorization: Basic {TOKEN}"), "X-None: x".to_owned()] {
        for path in ["/metrics", "/t/default/events"] {
            let answer = ask(&format!("{path}?token={TOKEN}&access_token={TOKEN}"), &header).await?;
            ensure!(answer.starts_with("HTTP/1.1 401"), "{path}, {header}: {answer}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn without_a_token_another_host_name_is_refused() -> Result<()> {
    let cluster = cluster().await?;
    let serving = Serving::of(&cluster.url(OPERATOR, "postgres"), &[]).await?;
    // As a browser would send it, whose page let its own name point to this address.
    for path in ["/metrics", "/", "/t/default", "/t/default/events", "/events", "/live.js"] {
        let script =
            format!("GET {path} HTTP/1.1\r\nHost: evil.example:{}\r\nConnection: close\r\n\r\n", serving.port());
        let answer = raw(serving.port(), &script).await?;
        ensure!(answer.starts_with("HTTP/1.1 421"), "{path}: {answer}");
    }
    Ok(())
}

async fn raw(port: u16, request: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Gets the metrics with openssl, with or without a certificate. None when the server refuses the handshake.
async fn metrics_by_tls(port: u16, ca: String, client: Option<(String, String)>) -> Result<Option<String>> {
    tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let mut openssl = Command::new("openssl");
        openssl.args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-CAfile",
            &ca,
            "-connect",
            &format!("127.0.0.1:{port}"),
        ]);
        if let Some((certificate, key)) = &client {
            openssl.args(["-cert", certificate, "-key", key]);
        }
        let piped = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().context("could not run `openssl`: `apt-get install openssl`")?;
        let mut stdin = child.stdin.take().context("stdin")?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        // It may have ended already.
        let _ = stdin.write_all(request.as_bytes());
        let output = child.wait_with_output()?;
        drop(stdin);
        let text = String::from_utf8(output.stdout)?;
        Ok(text.starts_with("HTTP/1.1 200").then_some(text))
    })
    .await?
}

#[tokio::test]
async fn only_a_client_with_a_certificate_gets_an_answer() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let authority = |name: &str| -> Result<Issuer<'static, KeyPair>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate()?;
        write(folder.path().join(format!("{name}.pem")).as_path(), &params.self_signed(&key)?.pem(), 0o644)?;
        Ok(Issuer::new(params, key))
    };
    let issue = |issuer: &Issuer<'_, KeyPair>, name: &str, host: &str| -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![host.to_owned()])?.signed_by(&key, issuer)?;
        write(folder.path().join(format!("{name}.pem")).as_path(), &certificate.pem(), 0o644)?;
        write(folder.path().join(format!("{name}.key")).as_path(), &key.serialize_pem(), 0o600)
    };
    let (ours, theirs) = (authority("ca")?, authority("other-ca")?);
    issue(&ours, "server", "127.0.0.1")?;
    issue(&ours, "prometheus", "prometheus")?;
    issue(&theirs, "stranger", "stranger")?;
    let (certificate, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let flags = ["--tls-cert", &certificate, "--tls-key", &key, "--tls-client-ca", &ca];
    let serving = Serving::launch(&flags, &[("DATABASE_URL", &cluster.url(OPERATOR, "postgres"))])?;
    let with = |name: &str| Some((path(&format!("{name}.pem")), path(&format!("{name}.key"))));
    let get = async |client| metrics_by_tls(serving.port(), ca.clone(), client).await;
    until("it answers a client with a certificate", async || {
        let answer = get(with("prometheus")).await?;
        Ok(answer.is_some_and(|text| text.contains("archon_pool_up{target=\"default\"} 1")))
    })
    .await
    .with_context(|| serving.log())?;
    ensure!(get(None).await?.is_none(), "a client without a certificate");
    ensure!(get(with("stranger")).await?.is_none(), "a client of another authority");
    ensure!(serving.log().contains("https://127.0.0.1:"), "{}", serving.log());
    Ok(())
}

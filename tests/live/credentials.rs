//! Credentials from every source, and TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use archon_pool::components::World;
use archon_pool::credentials::Credentials;
use archon_pool::limits::Limits;
use archon_pool_contract::fault::kind;
use archon_pool_contract::skill::Output;
use archon_pool_tests::Cluster;
use archon_pool_tests::cluster::PASSWORD;
use serde_json::{Value, json};

use crate::actions::{OPERATOR, cluster};
use crate::support::{host_for, host_with, plugin, run_in};

/// Runs a SkillInput in the manager with these credentials.
pub(crate) async fn run(credentials: Credentials, input: Value) -> Output {
    run_in(plugin(World::Manager), &host_with(credentials, Limits::default()), input).await
}

/// Server certificate and key with the root of their private authority, as PEM.
pub(crate) struct Certified {
    pub(crate) root: String,
    pub(crate) leaf: String,
    pub(crate) key: String,
}

/// Issues a server certificate for a name or an address.
pub(crate) fn certified(name: &str) -> Result<Certified> {
    let signer = rcgen::KeyPair::generate()?;
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&signer)?;
    let key = rcgen::KeyPair::generate()?;
    let issuer = rcgen::Issuer::from_params(&authority, &signer);
    let leaf = rcgen::CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &issuer)?;
    Ok(Certified { root: root.pem(), leaf: leaf.pem(), key: key.serialize_pem() })
}

/// Returns the shortest input that opens a session.
pub(crate) fn quick(credential: &str) -> Value {
    json!({ "action": "monitor", "credential": credential, "options": { "sampleMs": 0 } })
}

#[tokio::test]
async fn a_request_can_contain_a_credential() -> Result<()> {
    let cluster = cluster().await?;
    let input =
        json!({ "action": "monitor", "supabaseUrl": cluster.url(OPERATOR, "postgres"), "options": { "sampleMs": 0 } });
    assert_eq!(run(archon_pool::credentials(), input).await.error, None);
    let split = json!({
        "action": "monitor", "options": { "sampleMs": 0 }, "supabaseKey": PASSWORD,
        "supabaseUrl": cluster.url(OPERATOR, "postgres").replace(&format!(":{PASSWORD}"), ""),
    });
    assert_eq!(run(archon_pool::credentials(), split).await.error, None);
    Ok(())
}

#[tokio::test]
async fn without_a_credential_every_source_is_named() {
    let fault = run(archon_pool::credentials(), json!({})).await.error.expect("a fault");
    assert_eq!(fault.kind, kind::CREDENTIALS_NOT_FOUND);
    assert!(fault.message.starts_with("Supabase credentials not found"), "{}", fault.message);
}

#[tokio::test]
async fn a_credentials_file_is_used_only_when_private() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("credentials.toml");
    fs::write(&file, format!("[main]\nurl = \"{}\"\n", cluster.url(OPERATOR, "postgres")))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    let open = run(archon_pool::credentials().file(&file), quick("main")).await.error.expect("refused");
    assert_eq!(open.kind, kind::CREDENTIAL_INVALID);
    assert!(open.message.contains("chmod 600"), "{}", open.message);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    assert_eq!(run(archon_pool::credentials().file(&file), quick("main")).await.error, None);
    let other = run(archon_pool::credentials().file(&file), quick("other")).await.error.expect("not there");
    assert_eq!(other.kind, kind::CREDENTIALS_NOT_FOUND);
    assert!(other.message.contains("other"), "{}", other.message);
    Ok(())
}

#[tokio::test]
async fn a_vault_s_secret_is_read_with_the_credential_that_opens_it() -> Result<()> {
    let cluster = cluster().await?;
    // Layout of Supabase Vault 0.3, without its encryption.
    cluster
        .execute(&format!(
            "CREATE SCHEMA vault; CREATE VIEW vault.decrypted_secrets AS \
             SELECT 'app-dsn'::text AS name, '{}'::text AS decrypted_secret; \
             GRANT USAGE ON SCHEMA vault TO {OPERATOR}; GRANT SELECT ON vault.decrypted_secrets TO {OPERATOR}",
            cluster.url("app", "postgres")
        ))
        .await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("credentials.toml");
    fs::write(
        &file,
        format!(
            "[boot]\nurl = \"{}\"\n\n[app]\nvault = {{ via = \"boot\", secret = \"app-dsn\" }}\n\n\
             [none]\nvault = {{ via = \"boot\", secret = \"missing\" }}\n\n\
             [bare]\nurl = \"{}\"\n\n[locked]\nvault = {{ via = \"bare\", secret = \"app-dsn\" }}\n",
            cluster.url(OPERATOR, "postgres"),
            cluster.url("bare", "postgres")
        ),
    )?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let credentials = || archon_pool::credentials().file(&file);
    let report = run(credentials(), quick("app")).await;
    assert_eq!(report.error, None);
    for (name, words) in [("none", "missing"), ("locked", "vault.decrypted_secrets")] {
        let fault = run(credentials(), quick(name)).await.error.expect("a fault");
        assert!(fault.message.contains(words), "{name}: {}", fault.message);
        assert!(!fault.message.contains(PASSWORD), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn sslmode_decides_what_is_verified() -> Result<()> {
    let Certified { root, leaf, key } = certified("localhost")?;
    let cluster = Cluster::builder().tls(leaf, key).start().await?;
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, root)?;
    let other = folder.path().join("other.pem");
    fs::write(&other, certified("localhost")?.root)?;
    let (ca, other) = (ca.display(), other.display());

    let by_name = cluster.superuser_url().replace("127.0.0.1", "localhost");
    for (url, works) in [
        (format!("{}?sslmode=disable", cluster.superuser_url()), true),
        (format!("{}?sslmode=prefer", cluster.superuser_url()), true),
        (format!("{}?sslmode=require", cluster.superuser_url()), true),
        (format!("{}?sslmode=verify-ca&sslrootcert={ca}", cluster.superuser_url()), true),
        (format!("{}?sslmode=verify-ca&sslrootcert={other}", cluster.superuser_url()), false),
        (format!("{}?sslmode=verify-full&sslrootcert={ca}", cluster.superuser_url()), false),
        (format!("{by_name}?sslmode=verify-full&sslrootcert={ca}"), true),
        (format!("{by_name}?sslmode=verify-full"), false),
    ] {
        let output =
            run_in(plugin(World::Manager), &host_for(url.clone()), json!({ "options": { "sampleMs": 0 } })).await;
        assert_eq!(output.success, works, "{url}: {:?}", output.error);
        if let Some(fault) = output.error {
            assert_eq!(fault.kind, kind::TLS_FAILED, "{url}: {fault}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() -> Result<()> {
    let cluster = cluster().await?;
    let url = format!("{}?sslmode=require", cluster.superuser_url());
    let output = run_in(plugin(World::Manager), &host_for(url), json!({})).await;
    assert_eq!(output.error.expect("refused").kind, kind::TLS_FAILED);
    Ok(())
}

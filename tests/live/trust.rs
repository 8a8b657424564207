//! Trust in files: exactly the checked bytes run, and nothing is written to folders that others can write to.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::Result;
use archon_pool_contract::fault::kind;
use archon_pool_tests::Cluster;
use tokio::task::spawn_blocking;

use crate::actions::{OPERATOR, cluster};
use crate::cli::{HEALTHY, NOT_RUN, code, command, text};
use crate::policy_file::Workspace;

const MONITOR: &str = r#"{"action":"monitor","options":{"sampleMs":0}}"#;

fn mode(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

#[tokio::test]
async fn compiled_code_is_cached_in_a_private_folder_only() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let compiled = workspace.path(".cache/archon-pool/compiled");
    let wasm = workspace.file("pool-observer.wasm");
    // The built-in components are not compiled: another one differs by a section that means nothing.
    let mut bytes = fs::read(&wasm)?;
    bytes.extend(b"\0\x05\x04test");
    fs::write(&wasm, bytes)?;
    let run = async || {
        let arguments = ["run", &wasm, "--params", MONITOR, "--json"];
        let mut command = command(&cluster.url(OPERATOR, "postgres"), workspace.folder(), &arguments)?;
        command.env_remove("XDG_CACHE_HOME");
        anyhow::Ok(spawn_blocking(move || command.output()).await??)
    };
    fs::create_dir_all(&compiled)?;
    for (of, shared) in [(&compiled, 0o777), (&compiled, 0o750), (&workspace.path(".cache"), 0o777)] {
        mode(&compiled, 0o700)?;
        mode(of, shared)?;
        let ran = run().await?;
        assert_eq!(code(&ran), HEALTHY, "{}", text(&ran.stderr));
        assert!(text(&ran.stderr).contains("without a cache"), "{}", text(&ran.stderr));
        assert_eq!(fs::read_dir(&compiled)?.count(), 0, "{} is {shared:o}", of.display());
        mode(of, 0o700)?;
    }
    let ran = run().await?;
    assert_eq!(code(&ran), HEALTHY, "{}", text(&ran.stderr));
    assert!(!text(&ran.stderr).contains("without a cache") && fs::read_dir(&compiled)?.count() > 0);
    Ok(())
}

#[tokio::test]
async fn a_bare_name_is_not_read_from_the_working_directory() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    fs::copy(workspace.path("pool-observer.wasm"), workspace.path("auditor"))?;
    fs::copy(workspace.path("pool-observer.wasm"), workspace.path("Auditor.wasm"))?;
    let here = async |component: &str| {
        let arguments = ["run", component, "--params", MONITOR, "--json"];
        let mut command = command(&cluster.url(OPERATOR, "postgres"), workspace.folder(), &arguments)?;
        command.current_dir(workspace.folder());
        anyhow::Ok(spawn_blocking(move || command.output()).await??)
    };
    for bare in ["auditor", "pool-observer.wasm", "Auditor.wasm"] {
        let refused = here(bare).await?;
        let why = text(&refused.stderr);
        assert!(code(&refused) != HEALTHY && why.contains("a path needs a slash: ./"), "{bare}: {why}");
    }
    assert!(text(&here("auditor").await?.stderr).contains(kind::PLUGIN_NOT_FOUND));
    for path in ["./auditor", "./pool-observer.wasm"] {
        let ran = here(path).await?;
        assert_eq!(code(&ran), HEALTHY, "{path}: {}", text(&ran.stderr));
    }
    Ok(())
}

#[tokio::test]
async fn a_log_that_others_can_write_to_and_a_symbolic_link_are_refused() -> Result<()> {
    let (cluster, workspace) = (Cluster::start().await?, Workspace::new()?);
    cluster.create_role(OPERATOR, "IN ROLE pg_monitor").await?;
    let log = workspace.path("audit.log");
    let monitor = async |file: &str| workspace.run(&cluster, &["monitor", "--sample-ms", "0", "--audit", file]).await;
    fs::write(&log, "")?;
    for shared in [0o622, 0o660] {
        mode(&log, shared)?;
        let refused = monitor(&workspace.file("audit.log")).await?;
        let why = text(&refused.stderr);
        assert!(code(&refused) == NOT_RUN && why.contains("chmod go-w"), "{shared:o}: {why}");
        assert_eq!(fs::read(&log)?, b"");
    }
    mode(&log, 0o640)?;
    let written = monitor(&workspace.file("audit.log")).await?;
    assert!(code(&written) != NOT_RUN && !fs::read(&log)?.is_empty(), "{}", text(&written.stderr));
    symlink(&log, workspace.path("link"))?;
    let refused = monitor(&workspace.file("link")).await?;
    assert!(text(&refused.stderr).contains("it is a link"), "{}", text(&refused.stderr));
    Ok(())
}

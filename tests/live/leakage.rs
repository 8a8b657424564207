//! Plants recognisable secrets in every credential source, and searches all output, files, traces and messages of the
//! program and the library for them.

mod captured_output;
mod in_process;
mod needles;
mod sources;

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use archon_pool::signature::SecretKey;
use archon_pool_contract::fault::kind;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::management_api::{REFERENCE, Reply, TOKEN};
use archon_pool_tests::pgbouncer::ADMIN;
use archon_pool_tests::supabase::lay_out;
use archon_pool_tests::{Cluster, ManagementApi, PASSWORD, PgBouncer, until, unused_port};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use secrecy::SecretString;
use serde_json::{Value, json};

use self::needles::{Needles, forms};
use self::sources::{Source, Workspace, files, role, secret, vault};
use crate::actions::cluster;
use crate::audit::{IMPATIENT, stuck};
use crate::cli::text;
use crate::hostile::attacked_server::HOSTILE;

/// Role options of an operator.
const OPTIONS: &str = "IN ROLE pg_monitor, pg_signal_backend";

fn needles_for(secrets: &[&str]) -> Needles {
    let mut needles = Needles::new();
    for secret in secrets {
        needles.plant(secret.as_bytes());
    }
    needles
}

/// Searches for secrets. Fails with the place and the form of a secret, without the secret itself.
fn search(needles: &Needles, place: &str, bytes: &[u8]) -> Result<()> {
    needles.find(bytes).map_or(Ok(()), |form| bail!("{place} holds a piece of a secret, {form}"))
}

/// Runs the program to completion, and searches its output and files.
async fn run_and_search(needles: &Needles, workspace: &Workspace, what: &str, mut command: Command) -> Result<Output> {
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    search(needles, &format!("{what}: stdout"), &output.stdout)?;
    search(needles, &format!("{what}: stderr"), &output.stderr)?;
    for file in files(workspace.outputs.path())? {
        search(needles, &format!("{what}: {}", file.display()), &fs::read(&file)?)?;
    }
    Ok(output)
}

#[test]
fn planted_secrets_are_found() {
    let planted = secret("planted");
    let needles = needles_for(&[&planted]);
    let near = |needle: &[u8]| [b"some text before ".as_slice(), needle, b" and after"].concat();
    for piece in [planted.as_bytes(), &planted.as_bytes()[3..11]] {
        for (form, needle) in forms(piece) {
            assert!(needles.find(&near(&needle)).is_some(), "{form}");
        }
    }
    assert_eq!(needles.find(&near(&planted.as_bytes()[..7])), None, "seven letters are none");
    assert_eq!(needles.find(secret("another").as_bytes()), None);
    assert_eq!(needles::base64(b"any carnal pleas"), b"YW55IGNhcm5hbCBwbGVhcw");
}

#[tokio::test]
async fn no_access_token_leaks_for_any_api_response() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    lay_out(&mut cluster).await?;
    let (api, workspace, needles) = (ManagementApi::of(&cluster).await?, Workspace::new()?, needles_for(&[TOKEN]));
    let url = format!("https://{REFERENCE}.supabase.co");
    let echo = format!(r#"{{"message": "not with {TOKEN}"}}"#);
    for status in [None, Some(400), Some(401), Some(403), Some(404), Some(302), Some(503)] {
        for source in ["environment", "file", "request"] {
            let component = workspace.file("pool-manager.wasm");
            let mut command = match source {
                "request" => workspace.command(&["run", &component, "--params", "-"])?,
                _ => workspace.command(&["monitor", "--sample-ms", "0"])?,
            };
            command.env("SUPABASE_API_URL", api.url());
            match source {
                "environment" => {
                    command.env("SUPABASE_URL", &url).env("SUPABASE_ACCESS_TOKEN", TOKEN);
                }
                "file" => {
                    let entry = format!("[it]\nproject = \"{REFERENCE}\"\naccess-token = \"{TOKEN}\"\n");
                    let file = workspace.write_private("credentials.toml", &entry)?;
                    command.args(["--credentials-file", &file, "--credential", "it"]);
                }
                _ => {
                    let options = json!({ "sampleMs": 0 });
                    let input =
                        json!({ "action": "monitor", "options": options, "supabaseUrl": url, "supabaseKey": TOKEN });
                    command.stdin(File::open(workspace.write_private("params.json", &input.to_string())?)?);
                }
            }
            command.args([
                "--json",
                "--log",
                "json",
                "--audit",
                &workspace.output("audit.log"),
                "--record",
                &workspace.cassette(),
            ]);
            // More responses than retries.
            (0..20).filter_map(|_| status).for_each(|status| api.next(Reply::new(status, echo.as_str())));
            let what = format!("{source}, {status:?}");
            let output = run_and_search(&needles, &workspace, &what, command).await?;
            let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| text(&output.stderr))?;
            ensure!(answer["success"] == status.is_none(), "{what}: {answer}");
            api.clear_replies();
        }
    }
    search(&needles, "the server's log", cluster.log().as_bytes())
}

/// Results of a login, with the expected fault.
const ENDS: [Option<&str>; 5] = [
    None,
    Some(kind::AUTHENTICATION_FAILED),
    Some(kind::SERVER_UNREACHABLE),
    Some(kind::TLS_FAILED),
    Some(kind::DATABASE_NOT_FOUND),
];

#[tokio::test]
async fn no_source_of_credentials_leaks_for_any_result_of_the_login() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    vault(&cluster).await?;
    for (number, source) in Source::ALL.into_iter().enumerate() {
        let right = role(&cluster, &format!("role{number}"), OPTIONS).await?;
        for end in ENDS {
            let mut login = right.clone();
            match end {
                Some(kind::AUTHENTICATION_FAILED) => login.password = secret(&format!("wrong {number}")),
                Some(kind::SERVER_UNREACHABLE) => login.port = unused_port()?,
                Some(kind::TLS_FAILED) => login.ssl_mode = "require",
                Some(kind::DATABASE_NOT_FOUND) => login.database = "nowhere",
                _ => {}
            }
            let (what, needles) = (format!("{source:?}, {end:?}"), needles_for(&[&login.password]));
            let mut command = workspace.monitor(source, &login, &cluster).await?;
            command.args([
                "--json",
                "--log",
                "json",
                "--audit",
                &workspace.output("audit.log"),
                "--record",
                &workspace.cassette(),
            ]);
            let output = run_and_search(&needles, &workspace, &what, command).await?;
            let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| text(&output.stderr))?;
            ensure!(answer["error"]["kind"].as_str() == end, "{what}: {answer}");
            run_and_search(&needles, &workspace, &what, workspace.monitor(source, &login, &cluster).await?).await?;
            search(&needles, "the server's log", cluster.log().as_bytes())?;
        }
        // The password was sent, and the wrong one refused.
        for log_line in ["connection authorized: user=", "password authentication failed for user \""] {
            let log_line = format!("{log_line}{}", right.role);
            ensure!(cluster.log().contains(&log_line), "{source:?}: the server does not say {log_line}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_command_leaks_the_environment_or_the_signing_key() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let login = role(&cluster, "planted", OPTIONS).await?;
    let mut needles = needles_for(&[&login.password]);
    let mut seed = [0; 32];
    seed.copy_from_slice(archon_pool::digest::Digest::of(b"a signing key of this test").as_bytes());
    needles.plant(&seed);
    let pem = SigningKey::from_bytes(&seed).to_pkcs8_pem(LineEnding::LF)?;
    ensure!(needles.find(pem.as_bytes()).is_some(), "the key's own file is where it can be found");
    ensure!(needles.find(login.url().as_bytes()).is_some(), "and so is the password in its URL");
    let key = workspace.write_private("key.pem", &pem)?;
    search(&needles, "Debug", format!("{:?}", SecretKey::load(&workspace.path("key.pem"))?).as_bytes())?;
    let half = workspace.write_private("half.pem", &pem.replace("-----END", "----END"))?;

    let wasm = workspace.output("pool-observer.wasm");
    let (carry, audit, folder) =
        (workspace.output("carry.json"), workspace.output("audit.log"), workspace.output("plugins"));
    let session = stuck(&cluster).await?;
    let cassette = workspace.cassette();
    let apply =
        [&["kill-idle", "--apply", "--audit", &audit, "--record", &cassette, "--log", "json"][..], &IMPATIENT].concat();
    let commands: [(i32, &[&str]); 21] = [
        (0, &["components", &workspace.output("")]),
        (0, &["detect-leaks", "--sample-ms", "0", "--carry", &carry]),
        (0, &["detect-leaks", "--sample-ms", "0", "--carry", &carry, "--json"]),
        (0, &["health-check", "--sample-ms", "0"]),
        (0, &["auto-scale", "--sample-ms", "0"]),
        (0, &["full-analysis", "--sample-ms", "0", "--log", "json"]),
        (0, &["kill-idle", "--sample-ms", "0"]),
        (0, &["snapshot"]),
        (0, &["watch", "--count", "1", "--sample-ms", "0"]),
        (0, &["watch", "--count", "1", "--sample-ms", "0", "--json", "--log", "json"]),
        (0, &["describe"]),
        (0, &["approve", &wasm, "--show"]),
        (0, &["sign", &wasm, "--key", &key]),
        (3, &["sign", &wasm, "--key", &half]),
        (3, &["describe", &wasm, "--trust", &key]),
        (0, &["plugins", "add", &wasm, "--name", "it", "--plugins-dir", &folder]),
        (0, &["plugins", "list", "--plugins-dir", &folder, "--json"]),
        (3, &["monitor", "--limit", "fuel=1000", "--sample-ms", "0"]),
        (3, &["monitor", "--limit", "deadline=300ms", "--sample-ms", "10000"]),
        (0, &apply),
        (0, &["audit", "verify", &audit]),
    ];
    for (status, arguments) in commands {
        let mut command = workspace.command(arguments)?;
        command.env("DATABASE_URL", login.url());
        let output = run_and_search(&needles, &workspace, &arguments.join(" "), command).await?;
        let ended = output.status.code();
        // The session idle in a transaction may cause findings.
        let right = ended == Some(status) || (status == 0 && ended == Some(1));
        ensure!(right, "{arguments:?} ended with {ended:?}: {}", text(&output.stderr));
    }
    ensure!(!session.answers().await, "it was ended");
    for file in [&wasm, &carry, &audit, &format!("{wasm}.sig"), &workspace.output("pool-observer.policy.toml")] {
        ensure!(fs::metadata(file)?.len() > 0, "{file} was written");
    }
    Ok(())
}

#[tokio::test]
async fn no_console_leaks_its_credential() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let bouncer = PgBouncer::before(&cluster).start().await?;
    let hostile = workspace.path("hostile.wasm");
    fs::write(&hostile, HOSTILE)?;
    let hostile = hostile.display().to_string();
    let steps = json!([{ "do": "show", "views": ["config", "clients"] }, { "do": "resize", "size": 21 }]);
    let params = json!({ "action": "auto-scale", "attack": { "name": "pool", "steps": steps } }).to_string();
    let wrong = secret("a wrong password of a console");
    for password in [PASSWORD, &wrong] {
        let encoded: String = password.bytes().map(needles::percent).collect();
        let url = format!("postgres://{ADMIN}:{encoded}@127.0.0.1:{}/pgbouncer", bouncer.port());
        let elsewhere = url.replace("/pgbouncer", "/shop");
        let needles = needles_for(&[password]);
        let server = cluster.superuser_url();
        let entry = |console: &str| format!("[it]\nurl = \"{server}\"\npooler = \"{console}\"\n");
        let (file, misled) = (
            workspace.write_private("right.toml", &entry(&url))?,
            workspace.write_private("misled.toml", &entry(&elsewhere))?,
        );
        for (console, flags) in [
            (None, vec!["--pooler", &url]),
            (Some(&url), vec![]),
            (None, vec!["--credentials-file", &file, "--credential", "it"]),
            (None, vec!["--pooler", &elsewhere]),
            (Some(&elsewhere), vec![]),
            (None, vec!["--credentials-file", &misled, "--credential", "it"]),
        ] {
            let mut command =
                workspace.command(&["run", &hostile, "--params", &params, "--apply", "--json", "--log", "json"])?;
            command
                .args(["--audit", &workspace.output("audit.log"), "--record", &workspace.cassette()])
                .args(&flags)
                .env("DATABASE_URL", &server);
            if let Some(url) = console {
                command.env("PGBOUNCER_URL", url);
            }
            let output = run_and_search(&needles, &workspace, "a console", command).await?;
            let reported = text(&output.stdout);
            let misled =
                console == Some(&elsewhere) || flags.contains(&elsewhere.as_str()) || flags.contains(&misled.as_str());
            let word = match (misled, password == PASSWORD) {
                (true, _) => "must end in /pgbouncer",
                (_, true) => "ok resize",
                (_, false) => kind::AUTHENTICATION_FAILED,
            };
            ensure!(reported.contains(word), "no {word}: {reported} {}", text(&output.stderr));
            bouncer.command("RELOAD").await?;
            search(&needles, "the pooler's log", bouncer.log().as_bytes())?;
        }
        let held = archon_pool::credentials().pooler(SecretString::from(url));
        search(&needles, "Debug", format!("{held:?}").as_bytes())?;
    }
    Ok(())
}

#[tokio::test]
async fn no_other_access_path_leaks_its_credential() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    cluster.create_role("narrow", "CONNECTION LIMIT 0").await?;
    let wrong = secret("a wrong password of a reserve");
    let needles = needles_for(&[PASSWORD, &wrong]);
    let url = |role: &str, password: &str| {
        let encoded: String = password.bytes().map(needles::percent).collect();
        format!("postgres://{role}:{encoded}@127.0.0.1:{}/postgres", cluster.port())
    };
    // The direct login and the reserve's are refused; in the second entry `through` succeeds.
    let barred = format!("[it]\nurl = \"{}\"\nreserve = \"{}\"\n", url("narrow", PASSWORD), url(SUPERUSER, &wrong));
    let through = format!("{barred}through = \"{}\"\n", url(SUPERUSER, PASSWORD));
    for (name, entry, word) in
        [("barred", barred, "too-many-connections"), ("through", through, "read through the pooler")]
    {
        let file = workspace.write_private(name, &entry)?;
        let (audit, cassette) = (workspace.output("audit.log"), workspace.cassette());
        let words = [
            "monitor",
            "--json",
            "--log",
            "json",
            "--credentials-file",
            &file,
            "--credential",
            "it",
            "--audit",
            &audit,
            "--record",
            &cassette,
        ];
        let output = run_and_search(&needles, &workspace, name, workspace.command(&words)?).await?;
        let reported = text(&output.stdout);
        ensure!(reported.contains(word), "no {word}: {reported} {}", text(&output.stderr));
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() -> Result<()> {
    let workspace = Workspace::new()?;
    let planted = "Kq3vWz8RtY5nHd2LxJ7m";
    let needles = needles_for(&[planted]);
    let url = format!("postgres://ann:{planted}@127.0.0.1:1/d");
    let raw = |letter: &str| format!("postgres://ann:{}{letter}{}@127.0.0.1:1/d", &planted[..10], &planted[10..]);
    let wasm = workspace.file("pool-manager.wasm");
    let broken =
        workspace.write_private("broken.toml", &format!("[default]\npassword = \"{planted}\nuser = 'ann'\n"))?;
    let shifted =
        workspace.write_private("shifted.toml", &format!("[default]\nhost = 'ann:{planted}@h'\nuser = 'ann'\n"))?;
    let malformed = format!(r#"{{"supabaseUrl":"{url}","supabaseKey":"{planted}""#);
    let file = workspace.write_private("malformed.json", &malformed)?;
    let at_file = format!("@{file}");
    let nested = json!({ "action": "monitor", "options": { "supabaseKey": planted } }).to_string();
    let acting = json!({ "action": { "supabaseKey": planted } }).to_string();
    let named = json!({ "credential": url }).to_string();
    let (slash, at, mark) = (raw("/"), raw("@"), raw("?"));
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["monitor", &url],
        vec![&url],
        vec!["monitor", "--credential", &url],
        vec!["monitor", "--sample-ms", &url],
        vec!["describe", &url],
        vec!["monitor", "--url", &slash],
        vec!["monitor", "--url", &at],
        vec!["monitor", "--url", &mark],
        vec!["monitor", "--url", planted],
        vec!["monitor", "--pooler", planted, "--url", "postgres://ann@127.0.0.1:1/d"],
        vec!["monitor", "--controller", planted, "--url", "postgres://ann@127.0.0.1:1/d"],
        vec!["monitor", "--controller", &url],
        vec!["monitor", "--credentials-file", &broken],
        vec!["monitor", "--credentials-file", &shifted],
        vec!["monitor", "--carry", &broken],
    ];
    commands.extend(
        [malformed.as_str(), &at_file, "-", &nested, &acting, &named]
            .map(|params| vec!["run", &wasm, "--params", params]),
    );
    for arguments in commands {
        let mut command = workspace.command(&arguments)?;
        command.args(["--log", "json"]).stdin(File::open(&file)?);
        let output = run_and_search(&needles, &workspace, arguments[0], command).await;
        let output = output.with_context(|| arguments.join(" ").replace(planted, "…"))?;
        ensure!(matches!(output.status.code(), Some(2 | 3)), "{arguments:?} is refused: {}", text(&output.stderr));
    }
    Ok(())
}

#[tokio::test]
async fn the_process_that_compiles_inherits_no_secret() -> Result<()> {
    let workspace = Workspace::new()?;
    let planted = secret("inherited");
    let needles = needles_for(&[&planted]);
    let bomb = workspace.path("bomb.wasm");
    fs::write(&bomb, crate::hostile::loading::slow())?;
    let mut command = workspace.command(&["describe", &bomb.display().to_string(), "--limit", "compile_time=20s"])?;
    for name in ["DATABASE_URL", "SUPABASE_DB_URL", "SUPABASE_KEY", "PGBOUNCER_URL", "PGPASSWORD"] {
        command.env(name, &planted);
    }
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let environment = |pid: &str| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut seen = None;
    let looked = until("the compiler is at work", async || {
        ensure!(program.try_wait()?.is_none(), "the program ended before its compiler was seen");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", program.id()))?;
        for child in children.split_whitespace() {
            let arguments = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            // Until `exec`, the child is still a copy of this process.
            if arguments.windows(9).any(|word| word == b"\0compile\0") {
                seen = Some([arguments, environment(child)].concat());
            }
        }
        Ok(seen.is_some())
    })
    .await;
    let ours = environment(&program.id().to_string());
    program.kill()?;
    program.wait()?;
    looked?;
    ensure!(needles.find(&ours).is_some(), "the program has the secrets");
    search(&needles, "the compiler's environment", &seen.context("it was seen")?)
}

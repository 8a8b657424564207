//! Golden files of `approve`, `sign` and `plugins`: the commands themselves, on a component whose description is
//! defined here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anstream::ColorChoice;
use archon_pool::digest::Digest;
use clap::Parser as _;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::super::args::Args;
use super::super::run;
use super::super::terminal::tests::captured;

/// The signing key of RFC 8410's example.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

/// The public key of this pair.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

fn component(statements: &[(&str, &str)]) -> Vec<u8> {
    let statement = |(id, sql): &(&str, &str)| {
        let sha256 = Digest::of(sql.as_bytes()).to_string();
        json!({ "id": id, "purpose": format!("what {id} is for\u{1b}[2J"), "sha256": sha256, "sql": sql })
    };
    let statements: Vec<Value> = statements.iter().map(statement).collect();
    let text = json!({ "version": "1.2.3", "statements": statements }).to_string();
    wat::parse_str(archon_pool_tests::describing(&text)).expect("WAT")
}

/// A folder with a component, a key pair, and nothing else.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        desk.put("it.wasm", &component(&[("server", "SELECT 1"), ("activity", "SELECT\n2")]));
        desk.put("key.pem", KEY.as_bytes());
        fs::set_permissions(desk.path("key.pem"), fs::Permissions::from_mode(0o600)).expect("private");
        desk.put("public.pem", PUBLIC.as_bytes());
        desk
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.0.path().join(file)
    }

    fn put(&self, file: &str, bytes: &[u8]) {
        fs::write(self.path(file), bytes).expect("written");
    }

    /// Returns the output of a command line: stdout, then stderr. `@` stands for the folder in both.
    async fn run(&self, words: &[&str]) -> String {
        let folder = self.0.path().display().to_string();
        let words: Vec<String> = words.iter().map(|word| word.replace('@', &folder)).collect();
        let plugins = format!("--plugins-dir={folder}/plugins");
        let words = ["archon-pool"].into_iter().chain(words.iter().map(String::as_str)).chain([&*plugins]);
        let args = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        let (mut terminal, stdout, stderr) = captured(args.global.json, ColorChoice::Never);
        let exit = match run::run(&args, &mut terminal).await {
            Ok(exit) => exit,
            Err(error) => error.report(&mut terminal),
        };
        let text = format!("{}--- stderr, exit {}\n{}", stdout.text(), exit as u8, stderr.text()).replace(&folder, "@");
        // The digest depends on the version of wat.
        let digest = Digest::of(&fs::read(self.path("it.wasm")).expect("read")).to_string();
        text.replace(&digest, "DIGEST").replace(&digest[..16], "DIGEST")
    }
}

#[tokio::test]
async fn approving() {
    let desk = Desk::new();
    assert_snapshot!("approve", desk.run(&["approve", "@/it.wasm", "--show"]).await);
    let policy = fs::read_to_string(desk.path("it.policy.toml")).expect("written");
    let dated = policy.lines().find(|line| line.starts_with("approved-at")).expect("a date").to_owned();
    let digest = Digest::of(&fs::read(desk.path("it.wasm")).expect("read")).to_string();
    assert_snapshot!("policy_file", policy.replace(&dated, "approved-at = \"…\"").replace(&digest, "DIGEST"));
    desk.put("it.wasm", &component(&[("server", "SELECT 3"), ("locks", "SELECT 4")]));
    assert_snapshot!("approve_what_widens", desk.run(&["approve", "@/it.wasm"]).await);
    assert_snapshot!("approve_as_json", desk.run(&["approve", "@/it.wasm", "--replace", "--json"]).await);
}

#[tokio::test]
async fn signing_and_keeping() {
    let desk = Desk::new();
    assert_snapshot!("no_plugins", desk.run(&["plugins", "list"]).await);
    desk.run(&["approve", "@/it.wasm"]).await;
    assert_snapshot!(
        "sign",
        desk.run(&["sign", "@/it.wasm", "--policy", "@/it.policy.toml", "--key", "@/key.pem"]).await
    );
    let add = ["plugins", "add", "@/it.wasm", "--policy", "@/it.policy.toml", "--trust", "@/public.pem"];
    assert_snapshot!("plugins_add", desk.run(&add).await);
    assert_snapshot!("plugins_add_again", desk.run(&add).await);
    desk.put("bare.wasm", &component(&[]));
    desk.run(&["sign", "@/bare.wasm", "--key", "@/key.pem"]).await;
    desk.run(&["plugins", "add", "@/bare.wasm"]).await;
    desk.put("plugins/Broken.wasm", b"");
    let listed = desk.run(&["plugins", "list", "--trust", "@/public.pem"]).await;
    let other = Digest::of(&component(&[])).to_string();
    assert_snapshot!("plugins_list", listed.replace(&other[..16], "OTHER DIGEST"));
    desk.put("plugins/core.wasm", b"\0asm\x01\0\0\0");
    desk.put("plugins/core.wasm.sig", b"");
    let listed = desk.run(&["plugins", "list", "--json"]).await;
    assert_snapshot!("plugins_list_as_json", listed.replace(&other, "OTHER DIGEST"));
    assert_snapshot!("plugins_remove", desk.run(&["plugins", "remove", "it"]).await);
    assert_snapshot!("plugins_remove_again", desk.run(&["plugins", "remove", "it"]).await);
}

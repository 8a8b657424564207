use archon_pool_core::components::{World, embedded};
use archon_pool_core::engine::Engine;
use archon_pool_core::host::describe;
use archon_pool_core::limits::Limits;
use archon_pool_core::policy::{Policy, StatementRules};

use super::*;
use serde_json::json;

/// Returns a component whose description is this text.
fn describing(description: &str) -> Vec<u8> {
    wat::parse_str(archon_pool_tests::describing(description)).unwrap()
}

fn statement(id: &str, sql: &str) -> Value {
    json!({ "id": id, "purpose": "for a test", "sha256": Digest::of(sql.as_bytes()).to_string(), "sql": sql })
}

fn with(statements: &[Value]) -> Vec<u8> {
    describing(&json!({ "version": "1.2.3", "statements": statements }).to_string())
}

/// A folder for a policy file.
struct Desk {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { engine: Engine::new(&Limits::default()).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("it.policy.toml")
    }

    async fn propose(&self, bytes: &[u8]) -> Result<Proposal, Fault> {
        let plugin = Plugin::from_bytes(&self.engine, "some/it.wasm", bytes)?;
        Proposal::of(&plugin, describe(&plugin, &Limits::default()), &self.path()).await
    }

    async fn approve(&self, bytes: &[u8], replace: bool) -> Result<Approval, Fault> {
        self.propose(bytes).await?.write(replace)?;
        Approval::load(&self.path())
    }
}

fn rules(policy: &Policy) -> StatementRules {
    StatementRules::new(policy.sql.clone(), None)
}

fn changes(proposal: &Proposal) -> Vec<(&str, Change)> {
    proposal.statements().map(|(statement, _, change, _)| (statement.id.as_str(), change)).collect()
}

#[tokio::test]
async fn the_built_in_component_is_approved_with_its_catalogue() {
    let desk = Desk::new();
    let approval = desk.approve(embedded(World::Manager), false).await.unwrap();
    let catalogue = archon_pool_contract::catalogue::ALL;
    assert_eq!(approval.statements().len(), catalogue.len());
    let policy = approval.policy(&Policy::default());
    assert!(catalogue.iter().all(|entry| rules(&policy).check(entry.sql).is_ok()));
    assert!(rules(&policy).check("SELECT 1").is_err() && !policy.apply);
    assert_eq!((approval.component().name.as_str(), approval.component().world), ("it.wasm", World::Manager));
    let text = std::fs::read_to_string(desk.path()).unwrap();
    assert!(text.contains("approved-by = \"archon-pool ") && text.contains("approved-at = \"20"), "{text}");
}

#[tokio::test]
async fn a_component_without_a_description_may_send_no_statement() {
    let desk = Desk::new();
    for bytes in [embedded(World::Analyser).to_vec(), describing("{}"), describing("null"), describing("7")] {
        let approval = desk.approve(&bytes, true).await.unwrap();
        assert_eq!(approval.statements(), []);
        assert!(rules(&approval.policy(&Policy::default())).check("SELECT 1").is_err());
    }
}

#[tokio::test]
async fn an_inconsistent_description_is_refused() {
    let desk = Desk::new();
    let mut forged = statement("a", "SELECT 1");
    forged["sql"] = "SELECT pg_terminate_backend(1)".into();
    let many: Vec<Value> = (0..=MOST_STATEMENTS).map(|_| json!(0)).collect();
    for (bytes, word) in [
        (with(&[forged]), "sha256"),
        (with(&[json!({ "id": "a", "purpose": "", "sql": "SELECT 1" })]), "no text under sha256"),
        (with(&[json!("SELECT 1")]), "no text under id"),
        (with(&[statement("a", "SELECT 1"), statement("a", "SELECT 2")]), "id of another"),
        (with(&[statement("a\nb", "SELECT 1")]), "the id of statement 1"),
        (with(&[statement("", "SELECT 1")]), "the id of statement 1"),
        (with(&many), "1001 statements"),
        (describing(r#"{"statements": {}}"#), "no list"),
        (describing("not JSON"), "not JSON"),
    ] {
        let fault = desk.propose(&bytes).await.unwrap_err();
        assert!(fault.kind == kind::UNEXPECTED_ANSWER && fault.message.contains(word), "{word}: {fault}");
    }
    assert!(!desk.path().exists());
}

#[tokio::test]
async fn an_approval_with_more_rights_is_shown_and_needs_replace() {
    let desk = Desk::new();
    let first = with(&[statement("a", "SELECT 1"), statement("b", "SELECT 2")]);
    desk.approve(&first, false).await.unwrap();
    let second = with(&[statement("a", "SELECT 1"), statement("b", "SELECT 3"), statement("c", "SELECT 4")]);
    let proposal = desk.propose(&second).await.unwrap();
    assert_eq!(changes(&proposal), [("a", Change::Same), ("b", Change::Changed), ("c", Change::New)]);
    let fault = proposal.write(false).unwrap_err();
    assert_eq!(fault.kind, kind::NOT_APPROVED);
    assert!(fault.message.contains("2 more statements:"), "{fault}");
    assert!(fault.message.contains("another component") && fault.message.contains("--replace"), "{fault}");
    assert_eq!(Approval::load(&desk.path()).unwrap().component().sha256, Digest::of(&first));

    assert_eq!(proposal.write(true), Ok(true));
    let back = desk.propose(&with(&[statement("a", "SELECT 1")])).await.unwrap();
    assert_eq!(back.gone().map(|gone| gone.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

#[tokio::test]
async fn edits_of_the_operator_are_kept_and_an_equal_file_is_not_rewritten() {
    let desk = Desk::new();
    let component = with(&[statement("a", "SELECT 1")]);
    desk.approve(&component, false).await.unwrap();
    let text = std::fs::read_to_string(desk.path()).unwrap();
    let edited = text.replace("apply = false", "apply = true").replace("roles = []", "roles = ['boss']");
    std::fs::write(desk.path(), edited).unwrap();
    let digest = Approval::load(&desk.path()).unwrap().digest();
    assert_eq!(desk.propose(&component).await.unwrap().write(false), Ok(false));
    assert_eq!(Approval::load(&desk.path()).unwrap().digest(), digest);

    let other = desk.approve(&with(&[statement("a", "SELECT 2")]), true).await.unwrap();
    assert!(other.signals().apply);
    assert_eq!(other.signals().protected_roles, ["boss"]);
}

#[tokio::test]
async fn an_unreadable_policy_file_is_not_overwritten() {
    let desk = Desk::new();
    std::fs::write(desk.path(), "version = 9").unwrap();
    let fault = desk.approve(&with(&[]), true).await.unwrap_err();
    assert_eq!(fault.kind, kind::POLICY_INVALID);
    assert_eq!(std::fs::read_to_string(desk.path()).unwrap(), "version = 9");
}

#[tokio::test]
async fn describe_runs_under_all_limits() {
    let engine = Engine::new(&Limits::default()).unwrap();
    let endless = wat::parse_str(
        r#"(component
          (core module $m (memory (export "memory") 1) (func (export "describe") (result i32) (loop (br 0)) unreachable))
          (core instance $i (instantiate $m))
          (func $describe (result string) (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
          (instance $skill (export "describe" (func $describe)))
          (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#,
    )
    .unwrap();
    let plugin = Plugin::from_bytes(&engine, "it.wasm", &endless).unwrap();
    let limits = Limits { cpu: std::time::Duration::from_millis(50), ..Limits::default() };
    let fault = Proposal::of(&plugin, describe(&plugin, &limits), Path::new("/no/such")).await.unwrap_err();
    assert!(fault.message.contains("limit `cpu`"), "{fault}");
}

#[tokio::test]
async fn a_statement_that_may_change_something_needs_its_digest_accepted() {
    let desk = Desk::new();
    let ends = "SELECT pg_catalog.pg_terminate_backend(7)";
    let component = with(&[statement("a", "SELECT 1"), statement("ends", ends)]);
    let digest = Digest::of(ends.as_bytes());
    let mut proposal = desk.propose(&component).await.unwrap();
    let acting: Vec<_> =
        proposal.acting().map(|(of, text, why)| (of.id.clone(), text.to_owned(), why.to_string())).collect();
    assert_eq!(acting.len(), 1);
    assert_eq!((acting[0].0.as_str(), acting[0].1.as_str()), ("ends", ends));
    assert!(acting[0].2.contains("pg_terminate_backend"), "{acting:?}");

    let fault = proposal.write(true).unwrap_err();
    assert_eq!(fault.kind, kind::NOT_APPROVED);
    assert!(fault.message.contains(&format!("--accept {digest}")), "{fault}");
    assert!(!desk.path().exists());
    // A statement that only reads cannot be accepted instead.
    assert!(proposal.accept([Digest::of(b"SELECT 1")]).unwrap_err().message.contains("--accept"));
    assert!(proposal.write(true).is_err());
    proposal.accept([digest]).unwrap();
    assert_eq!(proposal.write(false), Ok(true));

    // A new version of the component must be accepted again.
    let fault = desk.approve(&with(&[statement("ends", ends)]), true).await.unwrap_err();
    assert!(fault.message.contains("--accept"), "{fault}");
}

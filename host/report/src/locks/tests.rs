use archon_pool_contract::snapshot::State;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn snapshot(backends: Vec<Backend>) -> Snapshot {
    let mut snapshot: Snapshot =
        serde_json::from_str(include_str!("../../../../tests/fixtures/snapshot.json")).expect("a snapshot");
    (snapshot.taken_at, snapshot.backends) = (100_000_000, backends);
    snapshot
}

fn backend(pid: i32, blocked_by: &[i32]) -> Backend {
    let waits = !blocked_by.is_empty();
    Backend {
        pid,
        backend_type: Some("client backend".into()),
        application: format!("app-{pid}"),
        role: Some("web".into()),
        state: Some(if waits { "active" } else { "idle in transaction" }.into()),
        state_change: Some(90_000_000),
        wait_event_type: waits.then(|| "Lock".into()),
        waits_for: waits.then(|| "ShareLock on transaction 745".into()),
        waiting_since: waits.then_some(95_000_000 + i64::from(pid)),
        blocked_by: blocked_by.to_vec(),
        ..Backend::default()
    }
}

/// Draws a tree as indented process ids.
fn drawn(tree: &LockTree) -> Vec<String> {
    fn add(holder: &Holder, depth: usize, lines: &mut Vec<String>) {
        let end = holder.name.find([',', '(']).unwrap_or(holder.name.len());
        lines.push(format!("{}{}", "> ".repeat(depth), holder.name[..end].trim()));
        holder.waiters.iter().for_each(|waiter| add(waiter, depth + 1, lines));
        if holder.more > 0 {
            lines.push(format!("{}{} more", "> ".repeat(depth + 1), holder.more));
        }
    }
    let mut lines = Vec::new();
    tree.heads.iter().for_each(|head| add(head, 0, &mut lines));
    lines
}

#[test]
fn the_head_of_the_longest_chain_comes_first() {
    let tree = LockTree::of(&snapshot(vec![
        backend(1, &[]),
        backend(2, &[1]),
        backend(5, &[]),
        backend(6, &[5]),
        backend(7, &[6]),
        backend(8, &[5, 6]),
    ]));
    assert_eq!(drawn(&tree), ["pid 5", "> pid 6", "> > pid 7", "> pid 8", "pid 1", "> pid 2"]);
    assert_eq!(tree.waiting, 4);
    let waiter = &tree.heads[0].waiters[1];
    assert_eq!(tree.heads[0].name, "pid 5, app-5, role web, from local: idle in transaction for 10 s");
    assert_eq!(waiter.wait.as_deref(), Some("waits 4.9 s for ShareLock on transaction 745; also held by pid 6"));
}

#[test]
fn a_circle_and_a_hidden_holder_are_shown() {
    let tree = LockTree::of(&snapshot(vec![backend(1, &[2]), backend(2, &[1]), backend(3, &[99])]));
    assert_eq!(drawn(&tree), ["pid 99", "> pid 3", "pid 1", "> pid 2"]);
}

#[test]
fn a_prepared_transaction_is_named() {
    let mut snapshot = snapshot(vec![Backend { blocked_by_prepared: vec![745], ..backend(1, &[0]) }, backend(2, &[1])]);
    let prepared = json!({
        "transaction": 745, "gid": "order 7", "preparedAt": 0, "owner": "web", "database": "shop"
    });
    snapshot.prepared_transactions = vec![serde_json::from_value(prepared).expect("a prepared transaction")];
    let tree = LockTree::of(&snapshot);
    assert_eq!(tree.heads[0].name, "prepared transaction order 7, role web, database shop");
    assert_eq!(drawn(&tree)[1..], ["> pid 1", "> > pid 2"]);
}

#[test]
fn deep_and_wide_trees_are_cut_and_counted() {
    let chain = LockTree::of(&snapshot((0..20_000).map(|pid| backend(pid + 1, &[pid])).collect()));
    assert!(drawn(&chain).len() < 20);
    assert_eq!(chain.heads[0].waiting(), 20_000);
    let wide = LockTree::of(&snapshot((1..20_000).map(|pid| backend(pid + 1, &[1])).collect()));
    assert_eq!((drawn(&wide).len(), wide.heads[0].waiting()), (MOST + 1, 19_999));
}

#[test]
fn sessions_that_wait_for_nothing_are_not_in_the_tree() {
    let idle = backend(1, &[]);
    assert_eq!(idle.state(), State::IdleInTransaction);
    assert_eq!(LockTree::of(&snapshot(vec![idle])), LockTree::default());
}

proptest! {
    #[test]
    fn every_waiting_session_is_counted_once(blockers in vec(vec(0..30_i32, 0..3), 0..30)) {
        let backends: Vec<_> = (1..).zip(&blockers).map(|(pid, by)| backend(pid, by)).collect();
        let waiting: Vec<_> = backends.iter().filter(|backend| backend.waits_for_lock()).map(|it| it.pid).collect();
        let tree = LockTree::of(&snapshot(backends));
        prop_assert_eq!(tree.waiting, waiting.len());
        let waiting_heads = tree.heads.iter().filter(|head| head.wait.is_some()).count();
        let below: usize = tree.heads.iter().map(Holder::waiting).sum();
        prop_assert_eq!(below + waiting_heads, waiting.len());
    }
}

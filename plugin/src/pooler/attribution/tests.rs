use super::*;
use crate::fixture::{NOW, ago, idle, in_state};
use crate::pooler::console_time::ConsoleTime;
use crate::pooler::recorded::{NEW, OLD, console};

/// The pooler's session with the client of [`OLD`].
fn taken(state: &str, seconds: i64) -> Backend {
    pooled(in_state(32_688, state, seconds))
}

fn pooled(backend: Backend) -> Backend {
    Backend {
        backend_start: Some(ago(100)),
        application: "stale".into(),
        client_address: Some("127.0.0.1".into()),
        ..backend
    }
}

/// Application, address and port of the client behind a session.
type Client = (String, Option<String>, Option<u32>);

/// The clients after the join.
fn seen(backends: &mut [Backend], console: &Console) -> Vec<Option<Client>> {
    attribute(backends, console);
    let seen = |backend: &Backend| {
        let through = backend.through.as_ref()?;
        let port = through.client.as_ref().map(|client| client.port);
        Some((backend.application.clone(), backend.client_address.clone(), port))
    };
    backends.iter().map(seen).collect()
}

fn leaker() -> Option<(String, Option<String>, Option<u32>)> {
    Some(("leaker".into(), Some("10.0.0.9".into()), Some(57_482)))
}

/// A pooler's session without a client.
fn nobody() -> Option<(String, Option<String>, Option<u32>)> {
    Some((String::new(), None, None))
}

/// The pooler's own, as the server shows it.
fn unexplained() -> Option<(String, Option<String>, Option<u32>)> {
    Some(("stale".into(), Some("127.0.0.1".into()), None))
}

#[test]
fn an_open_transaction_belongs_to_the_client_and_a_free_connection_to_none() {
    let mut backends = [taken("idle in transaction", 60), pooled(idle(32_687, 60)), idle(7, 60)];
    assert_eq!(seen(&mut backends, &console(OLD)), [leaker(), nobody(), None]);
    let through = backends[0].through.as_ref().expect("it is the pooler's");
    assert_eq!((through.pooler.as_str(), through.mode.as_str()), ("pgbouncer", "transaction"));
    assert_eq!((through.server_application.as_str(), through.server_address.as_deref()), ("stale", Some("127.0.0.1")));
    assert_eq!(backends[2], idle(7, 60), "another's session stays as it was");
}

#[test]
fn the_start_of_a_client_is_relative_to_that_of_its_connection() {
    let mut backends =
        [Backend { query_start: Some(ago(2)), ..taken("idle in transaction", 2) }, pooled(idle(32_687, 2))];
    let mut console = console(OLD);
    let later = ConsoleTime::parse("2026-11-24 00:23:03 UTC").expect("a time");
    console.connected.insert("0x555c2a9a3510".to_owned(), later);
    attribute(&mut backends, &console);
    assert_eq!(backends.each_ref().map(|backend| backend.client_start), [Some(ago(93)), None], "seven seconds later");
}

#[test]
fn in_transaction_mode_an_idle_connection_has_no_client_for_any_link() {
    assert_eq!(seen(&mut [taken("idle", 60)], &console(OLD)), [nobody()]);
}

#[test]
fn in_session_mode_an_idle_connection_belongs_to_its_client_unless_just_reset() {
    let console = console(NEW);
    let session = || pooled(idle(4_711, 60));
    let cleaned = Backend { query: "DISCARD ALL".into(), ..session() };
    let leaker = Some(("leaker".into(), Some("2001:db8::7".into()), Some(57_482)));
    let mut backends = [session()];
    assert_eq!(seen(&mut backends, &console), [leaker]);
    let client = backends[0].through.as_ref().and_then(|through| through.client.as_ref());
    assert_eq!(client.and_then(|client| client.id.as_deref()), Some("17"));
    assert_eq!(seen(&mut [cleaned], &console), [nobody()]);
}

#[test]
fn a_transaction_newer_than_the_console_reading_is_not_attributed() {
    for state in ["active", "idle in transaction", "idle in transaction (aborted)"] {
        let passed_on = Backend { state_change: Some(NOW), ..taken(state, 60) };
        assert_eq!(seen(&mut [passed_on], &console(OLD)), [nobody()], "{state}");
        assert_eq!(seen(&mut [taken(state, 60)], &console(OLD)), [leaker()], "{state}");
    }
}

#[test]
fn a_link_must_be_confirmed_by_both_views() {
    let mut reused = console(OLD);
    reused.pooler.clients[0].link = Some("0x1".into());
    assert_eq!(seen(&mut [taken("idle in transaction", 60)], &reused), [nobody()]);
    let mut gone = console(OLD);
    gone.pooler.clients.remove(0);
    assert_eq!(seen(&mut [taken("idle in transaction", 60)], &gone), [nobody()]);
    let mut free = console(OLD);
    free.pooler.servers[0].link = None;
    assert_eq!(seen(&mut [taken("idle in transaction", 60)], &free), [nobody()]);
}

#[test]
fn a_matching_process_id_alone_is_not_attributed() {
    let base = || taken("idle in transaction", 60);
    for (what, backend) in [
        ("another role", Backend { role: Some("other".into()), ..base() }),
        ("another database", Backend { database: Some("store".into()), ..base() }),
        ("a background process", Backend { backend_type: Some("walsender".into()), ..base() }),
        ("a hidden process", Backend { backend_start: None, backend_type: None, ..base() }),
    ] {
        assert_eq!(seen(&mut [backend], &console(OLD)), [None], "{what}");
    }
}

/// Connections of another process on the same port (`so_reuseport`), or of a pooler behind the pooler, were judged as
/// an application's.
#[test]
fn unexplained_sessions_from_the_poolers_address_have_no_client() {
    let later = Backend { backend_start: Some(NOW), ..taken("idle in transaction", 60) };
    assert_eq!(seen(&mut [later], &console(OLD)), [unexplained()], "opened after the console was asked");
    let mut twice = console(OLD);
    twice.pooler.servers[1].remote_pid = 32_688;
    assert_eq!(seen(&mut [taken("idle", 60)], &twice), [unexplained()], "two connections claim it");
    let twin = pooled(idle(9, 900));
    let elsewhere = Backend { client_address: Some("10.1.1.1".into()), ..pooled(idle(10, 900)) };
    let mut backends = [taken("idle in transaction", 60), twin, elsewhere];
    assert_eq!(seen(&mut backends, &console(OLD)), [leaker(), unexplained(), None]);
}

/// An address in a name is a pooler's doing: its connections were ended where no console was given.
#[test]
fn an_idle_session_with_an_address_in_its_name_belongs_to_a_pooler_with_or_without_console() {
    let named = |pid, name: &str| Backend { application: name.into(), ..idle(pid, 900) };
    let backends = || {
        let open = Backend { state: Some("idle in transaction".into()), ..named(8, "web - unix(7@vm):6432") };
        [named(7, "web - 127.0.0.1:53192"), open, named(9, "web - dashboard")]
    };
    let mut apart = backends();
    set_apart(&mut apart, None);
    assert_eq!(apart.each_ref().map(|backend| backend.is_poolers_own()), [true, false, false]);
    assert_eq!(apart[0].application, "web - 127.0.0.1:53192");
    let mut joined = backends();
    attribute(&mut joined, &console(OLD));
    assert_eq!(joined.each_ref().map(|backend| backend.is_poolers_own()), [true, false, false]);
}

#[test]
fn sessions_from_the_address_of_the_poolers_connections_are_its_own() {
    let at = |address: &str, backend: Backend| Backend { client_address: Some(address.into()), ..backend };
    let open = || taken("idle in transaction", 60);
    let free = || pooled(idle(32_687, 60));
    let direct = seen(&mut [open(), at("10.9.9.9", free())], &console(OLD));
    assert_eq!(direct, [leaker(), None], "another's address beside the pooler's own");
    let translated = seen(&mut [at("10.9.9.9", open()), at("10.9.9.9", free())], &console(OLD));
    assert_eq!(translated, [leaker(), nobody()], "both behind one translation");
    let torn = seen(&mut [at("10.9.9.9", open()), at("10.9.9.8", free())], &console(OLD));
    assert_eq!(torn, [None, None], "two addresses, and none is the pooler's");
}

#[test]
fn our_name_left_on_a_pooled_session_does_not_hide_the_client() {
    let ours = || Backend { own: true, ..taken("idle in transaction", 60) };
    let mut backends = [ours(), Backend { own: true, ..pooled(idle(32_687, 60)) }];
    assert_eq!(seen(&mut backends, &console(OLD)), [leaker(), None]);
    assert_eq!([backends[0].own, backends[1].own], [false, true]);
}

#[test]
fn idle_sessions_of_a_pooler_without_console_are_set_apart() {
    let ours = || Backend { own: true, ..pooled(in_state(1, "active", 0)) };
    let backends = || [ours(), pooled(idle(2, 60)), pooled(in_state(3, "idle in transaction", 60)), idle(4, 60)];
    let mut apart = backends();
    set_apart(&mut apart, Some("pooled"));
    assert_eq!(apart.each_ref().map(|backend| backend.is_poolers_own()), [false, true, false, false]);
    let mut direct = backends();
    set_apart(&mut direct, Some("kept"));
    assert_eq!(direct, backends());
}
